"""What Neptune, or AWS in front of it, answers when a request fails: one class per error code.

Codes and their HTTP status come from botocore's ``neptunedata`` model and AWS's list of common errors; see
:mod:`airflow_neptune_ml.exceptions` for the tree and for what counts as fatal.
"""

from __future__ import annotations

from typing import Any

from airflow_neptune_ml.airflow_versions import AirflowFailException
from airflow_neptune_ml.exceptions.base import NeptuneMLError, QuotaExceeded, as_sentence, without_secrets
from airflow_neptune_ml.failures import QUOTAS, RAISE_IT, Failure, failure_of


class NeptuneMLServiceError(NeptuneMLError):
    """What Neptune, or AWS in front of it, answered to a request.

    :param code: the service's error code, or the HTTP status as a string where the answer had none
    :param text: what the service said (``detailedMessage``), possibly empty
    :param http_status: the answer's HTTP status
    :param request_id: the service's id of the request, for AWS support
    :param operation: the API operation, such as ``CancelMLModelTrainingJob``
    :param job_id: the job that it was about
    """

    opening = ""
    """What happened and what to do, in plain words: the UI shows about the first 100 characters of an
    error."""

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
        self.text = without_secrets(text)
        self.http_status = http_status
        self.request_id = request_id
        self.operation = operation
        self.job_id = job_id
        super().__init__(self._message())

    @property
    def failure(self) -> Failure | None:
        """The kind of failure of SageMaker's that the answer passes on, if it is a known one."""
        return failure_of(self.text)

    def _message(self) -> str:
        if self.http_status is None:
            # Nothing was asked: what the service would answer was known before.
            return self.text
        text, opening, failure = self.text.strip(), self._opening(), self.failure
        if failure:
            opening = f"{failure.advice} {RAISE_IT}" if failure.name in QUOTAS else failure.advice
        if not text:
            said = opening or "The request was refused, and no text says why."
        elif opening:
            said = f"{opening} The answer: {text}"
        else:
            said = f"The request was refused: {text}"
        return f"{as_sentence(said)} [{self._details()}]"

    def _opening(self) -> str:
        return self.opening

    def _details(self) -> str:
        """Return what support wants to know: job, code, HTTP status, operation, request id."""
        details = (
            f"job {self.job_id!r}" if self.job_id else None,
            None if self.code.isdecimal() else self.code,
            f"HTTP {self.http_status}",
            self.operation,
            f"request id {self.request_id}" if self.request_id else None,
        )
        return ", ".join(filter(None, details))

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
    """Another try would get the same answer."""


class TransientServiceError(NeptuneMLServiceError):
    """Another try may get another answer."""

    opening = "The service failed for now: another try may get through."


class StartOverQuota(NeptuneMLServiceError, QuotaExceeded):
    """SageMaker's quota is used up, and nothing was started. Another try may find room."""


class QuotaTooSmall(FatalServiceError, QuotaExceeded):
    """SageMaker's quota is 0, or smaller than the request, and nothing was started. Only a larger quota
    helps."""


class BadRequestException(FatalServiceError):
    """The request cannot be processed: an S3 location, or a job that this one builds on, is not as it must
    be."""


class IllegalArgumentException(FatalServiceError):
    """An argument is not supported."""


class InvalidArgumentException(FatalServiceError):
    """An argument has an invalid value."""


class InvalidParameterException(FatalServiceError):
    """A parameter has an invalid value."""


class JobAlreadyFinished(InvalidParameterException):
    """The job had already completed or failed, so there is nothing to cancel."""

    opening = "There is nothing to cancel: the job had ended already."


class JobIdInUse(InvalidParameterException):
    """A job with this id exists already; Neptune ML never takes an id twice."""

    opening = "The job id is taken: choose another one, or adopt the existing job."


class MLResourceNotFoundException(FatalServiceError):
    """No job of this kind has this id."""

    def _opening(self) -> str:
        starts = (self.operation or "").startswith(("Start", "Create"))
        what = "no such job as the request builds on" if starts else "no such job"
        return f"There is {what}: check the id, its kind, and which cluster the connection leads to."


class MissingParameterException(FatalServiceError):
    """A required parameter is missing; mostly the IAM role with which Neptune reaches SageMaker and S3."""

    def _opening(self) -> str:
        if self.text.strip() and "role" not in self.text.lower():
            return ""
        return (
            "Neptune has no IAM role: set neptune_iam_role_arn, or the cluster parameter neptune_ml_iam_role. In the "
            "connection it is service_config.neptunedata.neptune_iam_role_arn."
        )


class MethodNotAllowedException(FatalServiceError):
    """The address does not offer this method; it is probably not a Neptune cluster's."""

    opening = "The address is probably not a Neptune cluster's: check endpoint_url."


class PreconditionsFailedException(FatalServiceError):
    """A precondition of the request is not met."""


class ReadOnlyViolationException(FatalServiceError):
    """The request went to a read replica. Neptune ML needs the writer endpoint."""

    opening = "The request went to a read replica: use the cluster's writer endpoint."


class S3Exception(FatalServiceError):
    """Neptune could not use an S3 location."""

    opening = "Neptune cannot use the S3 location: check it, and the policy of the role."


class UnsupportedOperationException(FatalServiceError):
    """The cluster does not offer this operation; its engine may be too old."""

    opening = "The cluster does not offer this operation: its engine version may be too old."


class ClientTimeoutException(TransientServiceError):
    """The request timed out on the way to the service."""

    opening = "The request timed out on the way: another try may get through."


class ConcurrentModificationException(TransientServiceError):
    """Something else was changing the same data."""


class ConstraintViolationException(TransientServiceError):
    """A value did not meet a constraint; botocore's model marks it as retryable."""


class ExpiredTokenException(TransientServiceError):
    """The session token has expired; the next try asks for new credentials."""

    opening = "The session token has expired: renew it in the connection, or use role_arn there."


class InternalFailureException(TransientServiceError):
    """The service failed."""


class MemoryLimitExceededException(TransientServiceError):
    """The cluster ran out of memory."""


class RequestExpired(TransientServiceError):
    """The request was too old when it arrived. The clock of the worker may be wrong."""

    opening = "The request came too late: check the clock of the worker."


class ServerShutdownException(TransientServiceError):
    """The cluster is restarting or failing over; its SageMaker jobs go on."""

    opening = "The cluster is restarting or failing over, and its jobs go on: a later try may get through."


class ServiceUnavailableException(TransientServiceError):
    """The service is not available for the moment."""


class TimeLimitExceededException(TransientServiceError):
    """The service gave up on the request after its time limit."""


class TooManyRequestsException(TransientServiceError):
    """There were more requests than the cluster processes at a time."""

    opening = "The cluster has too many requests: a later try may get through."


class ThrottlingException(TransientServiceError):
    """There were more requests than the service allows."""
