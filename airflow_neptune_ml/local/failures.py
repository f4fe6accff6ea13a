"""Why jobs of real clusters failed: the texts that SageMaker gives, by short names.

Seen in public reports of users, some of them shortened there. The parts by which one kind of failure can be
told from another are all there.
"""

from __future__ import annotations

_CONTACT = (
    "Please use AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is not available, "
    "contact AWS support to request an increase for this quota."
)

FAILURES = {
    "quota": (
        "The account-level service limit 'ml.p3.2xlarge for training job usage' is 2 Instances, with current "
        f"utilization of 2 Instances and a request delta of 1 Instances. {_CONTACT}"
    ),
    "quota-zero": (
        "The account-level service limit 'ml.p3.2xlarge for training job usage' is 0 Instances, with current "
        f"utilization of 0 Instances and a request delta of 1 Instances. {_CONTACT}"
    ),
    "quota-volume": (
        "The request delta of 1025 GBs for 'Size of EBS volume for a training job' is greater than the account-level "
        "service-limit of 1024 GBs."
    ),
    "capacity": (
        "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML "
        "instance type."
    ),
    "capacity-endpoint": (
        "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry "
        "using a different ML instance type or after some time."
    ),
    "internal": "InternalServerError: We encountered an internal error. Please try again.",
    "role": (
        "ClientError: SageMaker was unable to assume the role 'arn:aws:iam::123456789012:role/NeptuneML'. Please "
        "ensure that the role exists and allows principal 'sagemaker.amazonaws.com' to assume the role."
    ),
    "s3": "ClientError: Failed to download data. Please check your s3 objects and ensure that they can be read.",
    "vpc": (
        "ClientError: Artifact upload failed: Please ensure that the subnet's route table has a route to an S3 VPC "
        "endpoint or a NAT device."
    ),
    "trials": (
        "No training job succeeded after 5 attempts. Please take a look at the training job failures to get more "
        "details."
    ),
    "algorithm": "AlgorithmError: See job logs for more information",
    "memory": "AlgorithmError: Exit Code: 137",
    "ping": (
        "The primary container for production variant AllTraffic did not pass the ping health check. Please check "
        "CloudWatch logs for this endpoint."
    ),
    "throttled": "Throttling: Rate exceeded",
}

ASKED_FOR = "AlgorithmError: the local Neptune ML was asked to let this job fail, exit code: 1"
"""The reason of a failure that has no name."""

REFUSED_START = (
    "AmazonSageMakerException: {text} (Service: AmazonSageMaker; Status Code: 400; Error Code: {code})"
)
"""How Neptune passes on what SageMaker refuses at once. Under which exception it does is not known."""


def check_failure(name: str | None) -> None:
    """Refuse the name of a failure that is not in the table."""
    if name is not None and name not in FAILURES:
        raise ValueError(f"{name!r} is no failure; there are {', '.join(FAILURES)}")


def refusal_text(name: str) -> str:
    """Return what Neptune answers to a start that SageMaker refuses for this reason."""
    code = "ResourceLimitExceeded" if name.startswith("quota") else "ValidationException"
    code = "ThrottlingException" if name == "throttled" else code
    return REFUSED_START.format(text=FAILURES[name].removeprefix("Throttling: "), code=code)
