"""The errors of Neptune ML, with the texts that AWS documents for them."""

from __future__ import annotations


class ServiceError(Exception):
    """An error that the service answers with.

    :param code: The exception's name, as clients see it.
    :param text: Goes into ``detailedMessage``.
    :param status: HTTP status; by default the API model's for this code.
    """

    def __init__(self, code: str, text: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.status = status


# Codes outside Neptune's API model, from its user guide's "DB Cluster Management API Error Messages and
# Codes" and AWS's list of common errors.
COMMON_STATUS = {
    "ExpiredToken": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 400,
    "InternalFailure": 500,
    "InternalFailureException": 500,
    "InvalidClientTokenId": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationToken": 403,
    "NotAuthorized": 400,
    "OptInRequired": 403,
    "RequestExpired": 400,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "Throttling": 400,
    "UnrecognizedClientException": 403,
    "ValidationError": 400,
}

ID_LENGTH = "Invalid ID provided. ID can be 1-48 alphanumeric characters."
ID_CHARACTERS = "Invalid ID provided. Must contain only letters, digits, or hyphens."
ID_IN_USE = "Another resource with same ID already exists. Please use a new ID."
ID_UNKNOWN = "Invalid ID provided. Please check whether a resource with the given ID exists."
ALREADY_FINISHED = "Failed to stop the job because it has already completed or failed."
INSTANCE_TYPE = "Invalid ML instance type."
NO_ROLE = "Required credentials are missing. Please add IAM role to the cluster or pass as a parameter to this request."
S3_LOCATION = "Invalid S3 URL or incorrect S3 permissions. Please check your S3 configuration."
PROCESSING_NOT_COMPLETED = "Provided MLDataProcessing job is not completed."
TRAINING_NOT_COMPLETED = "Provided ModelTraining job has not completed."
TRAINING_UNKNOWN = "Provided MLModelTraining job doesn't exist."
TRANSFORM_UNKNOWN = "Provided ModelTransformJob doesn't exist."
SAGEMAKER_NOT_COMPLETED = "Provided SageMaker AI Training job has not completed."
SAGEMAKER_UNKNOWN = "Unable to find SageMaker AI resource. Please check your input."

# AWS documents the rules behind these, not their texts.
TRANSFORM_NOT_COMPLETED = "Provided ModelTransformJob has not completed."
TRANSFORM_SOURCE = "Either dataProcessingJobId and mlModelTrainingJobId, or trainingJobName must be provided."
ENDPOINT_SOURCE = "Exactly one of mlModelTrainingJobId and mlModelTransformJobId must be provided."

# Documented nowhere, neither the rule nor its text: SageMaker takes no update while another change is under
# way, and how Neptune passes that on is not known.
ENDPOINT_BUSY = "The endpoint is being changed already. Please update it when that is done."


def bad_request(text: str) -> ServiceError:
    """Return a BadRequestException."""
    return ServiceError("BadRequestException", text)


def invalid(text: str) -> ServiceError:
    """Return an InvalidParameterException."""
    return ServiceError("InvalidParameterException", text)


def missing(text: str) -> ServiceError:
    """Return a MissingParameterException."""
    return ServiceError("MissingParameterException", text)


def not_found() -> ServiceError:
    """Return the error for an id that names nothing."""
    return ServiceError("MLResourceNotFoundException", ID_UNKNOWN)
