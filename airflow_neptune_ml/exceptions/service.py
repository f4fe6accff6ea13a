"""What Neptune, or AWS in front of it, answers when a request fails: one class per error code.

Codes and their HTTP status come from botocore's ``neptunedata`` model and AWS's list of common errors; see
:mod:`airflow_neptune_ml.exceptions` for the tree and for what counts as fatal.
"""

from __future__ import annotations

from typing import Any

from airflow_neptune_ml.airflow_versions import AirflowFailException
from airflow_neptune_ml.exceptions.base import NeptuneMLAccessError, NeptuneMLError


class NeptuneMLServiceError(NeptuneMLError):
    """What Neptune, or AWS in front of it, answered to a request.

    :param code: the service's error code, or the HTTP status as a string where the answer had none
    :param text: what the service said (``detailedMessage``), possibly empty
    :param http_status: the answer's HTTP status
    :param request_id: the service's id of the request, for AWS support
    :param operation: the API operation, such as ``CancelMLModelTrainingJob``
    :param job_id: the job that it was about
    """

    advice = ""

    def __init__(
        self,
        *,
        code: str,
        text: str = "",
        http_status: int | None = None,
        request_id: str | None = None,
        operation: str | None = None,
        job_id: str | None = None,
    ) -> None:
        self.code = code
        self.text = text
        self.http_status = http_status
        self.request_id = request_id
        self.operation = operation
        self.job_id = job_id
        super().__init__(self._message())

    def _message(self) -> str:
        if self.http_status is None:
            # Nothing was asked: what the service would answer was known before.
            return self.text
        about = f" for {self.job_id!r}" if self.job_id else ""
        answer = f"HTTP {self.code}" if self.code.isdecimal() else f"{self.code} (HTTP {self.http_status})"
        message = f"{self.operation or 'The request'}{about} was answered {answer}"
        message += f": {self.text.rstrip()}" if self.text.strip() else " without a text."
        if self.advice:
            message += f"{'' if message.endswith(('.', '!', '?')) else '.'} {self._advice()}"
        if self.request_id:
            message += f" [request id {self.request_id}]"
        return message

    def _advice(self) -> str:
        return self.advice

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return {
            "code": self.code,
            "text": self.text,
            "http_status": self.http_status,
            "request_id": self.request_id,
            "operation": self.operation,
            "job_id": self.job_id,
        }


class FatalServiceError(NeptuneMLServiceError, AirflowFailException):
    """Another try would get the same answer, so Airflow does not retry the task."""


class TransientServiceError(NeptuneMLServiceError):
    """Another try may get another answer, so Airflow retries the task if it has retries left."""


class BadRequestException(FatalServiceError):
    """The request cannot be processed: an S3 location, or a job that it builds on, is not as it must be."""


class IllegalArgumentException(FatalServiceError):
    """An argument is not supported."""


class InvalidArgumentException(FatalServiceError):
    """An argument has an invalid value."""


class InvalidParameterException(FatalServiceError):
    """A parameter has an invalid value."""


class JobAlreadyFinished(InvalidParameterException):
    """The job had already completed or failed, so there is nothing to cancel."""


class JobIdInUse(InvalidParameterException):
    """A job with this id exists already; Neptune ML never takes an id twice."""

    advice = "Choose another job id, or adopt the existing job."


class MLResourceNotFoundException(FatalServiceError):
    """No job of this kind has this id."""

    advice = (
        "Check that the id is of this kind of job and that the connection points to the cluster that runs "
        "it; each cluster and each kind has its own ids."
    )


class MissingParameterException(FatalServiceError):
    """A required parameter is missing; mostly the IAM role with which Neptune reaches SageMaker and S3."""

    advice = (
        "Set neptune_iam_role_arn (argument, or service_config.neptunedata.neptune_iam_role_arn in the "
        "connection), or the cluster parameter neptune_ml_iam_role."
    )


class MethodNotAllowedException(FatalServiceError):
    """The address does not offer this method; it is probably not a Neptune cluster's."""


class PreconditionsFailedException(FatalServiceError):
    """A precondition of the request is not met."""


class ReadOnlyViolationException(FatalServiceError):
    """The request went to a read replica."""

    advice = "Use the cluster's writer endpoint."


class S3Exception(FatalServiceError):
    """Neptune could not use an S3 location."""


class UnsupportedOperationException(FatalServiceError):
    """The cluster does not offer this operation; its engine may be too old."""


class AccessDeniedException(NeptuneMLServiceError, NeptuneMLAccessError):
    """The caller may not do this, for now: policies and keys change, and caches get stale."""

    advice = "Allow the AWS principal of the Airflow connection to do it"

    def _advice(self) -> str:
        action = _iam_action(self.operation)
        if action is None:
            return f"{self.advice}."
        return (
            f"{self.advice} ({action}); the resource is "
            "arn:aws:neptune-db:<region>:<account>:<DbClusterResourceId>/*, not the cluster's own ARN."
        )


class IncompleteSignatureException(AccessDeniedException):
    """The request's signature is incomplete."""


class InvalidSignatureException(AccessDeniedException):
    """The signature is not what the service calculated: a wrong secret key, region or clock."""

    def _advice(self) -> str:
        return "Check the secret key, the region and the clock of the worker."


class MissingAuthenticationTokenException(AccessDeniedException):
    """The cluster wants signed requests and this one was not."""

    def _advice(self) -> str:
        return 'Give the connection AWS credentials, and drop config_kwargs.signature_version "unsigned".'


class OptInRequired(AccessDeniedException):
    """The account is not subscribed to the service."""


class UnrecognizedClientException(AccessDeniedException):
    """The access key is not known to AWS."""

    def _advice(self) -> str:
        return "Check the access key and the session token of the Airflow connection."


class ClientTimeoutException(TransientServiceError):
    """The request timed out on the way to the service."""


class ConcurrentModificationException(TransientServiceError):
    """Something else was changing the same data."""


class ConstraintViolationException(TransientServiceError):
    """A value did not meet a constraint; botocore's model marks it as retryable."""


class ExpiredTokenException(TransientServiceError):
    """The session token has expired; the next try asks for new credentials."""

    advice = "A session token written into the connection by hand must be renewed by hand; prefer role_arn."


class InternalFailureException(TransientServiceError):
    """The service failed."""


class MemoryLimitExceededException(TransientServiceError):
    """The cluster ran out of memory."""


class RequestExpired(TransientServiceError):
    """The request was too old when it came; the clock of the worker may be wrong."""


class ServerShutdownException(TransientServiceError):
    """The cluster is restarting or failing over; its SageMaker jobs go on."""


class ServiceUnavailableException(TransientServiceError):
    """The service is not available for the moment."""


class TimeLimitExceededException(TransientServiceError):
    """The service gave up on the request after its time limit."""


class TooManyRequestsException(TransientServiceError):
    """More requests than the cluster processes at a time."""


class ThrottlingException(TransientServiceError):
    """More requests than the service allows."""


def _iam_action(operation: str | None) -> str | None:
    """Return the IAM action of an API operation; that of a Get carries the suffix Status."""
    if operation == "GetEngineStatus":
        return f"neptune-db:{operation}"
    if not operation or "ML" not in operation:
        return None
    return f"neptune-db:{operation}{'Status' if operation.startswith('Get') else ''}"
