"""From an answer's error code to the class that is named after it."""

from __future__ import annotations

from airflow_neptune_ml.exceptions.access import (
    AccessDeniedException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)
from airflow_neptune_ml.exceptions.base import tree
from airflow_neptune_ml.exceptions.service import (
    BadRequestException,
    ClientTimeoutException,
    ExpiredTokenException,
    FatalServiceError,
    InternalFailureException,
    InvalidParameterException,
    JobAlreadyFinished,
    JobIdInUse,
    MethodNotAllowedException,
    MLResourceNotFoundException,
    NeptuneMLServiceError,
    QuotaTooSmall,
    RequestExpired,
    ServiceUnavailableException,
    StartOverQuota,
    ThrottlingException,
    TooManyRequestsException,
    TransientServiceError,
)
from airflow_neptune_ml.failures import (
    CAPACITY,
    INTERNAL,
    QUOTA_TOO_SMALL,
    QUOTA_USED_UP,
    QUOTA_ZERO,
    ROLE,
    THROTTLED,
    failure_of,
)

_BY_CODE: dict[str, type[NeptuneMLServiceError]] = {cls.__name__: cls for cls in tree(NeptuneMLServiceError)}
CUT_SHORT = "AnswerCutShort"
"""Our own code for an error whose body cannot be read to its end, whatever its HTTP status."""

# The same error comes under several codes: with and without the suffix, and with AWS's older names.
_OTHER_CODES: dict[str, type[NeptuneMLServiceError]] = {
    CUT_SHORT: TransientServiceError,
    "AccessDenied": AccessDeniedException,
    "ExpiredToken": ExpiredTokenException,
    "IncompleteSignature": IncompleteSignatureException,
    "InternalFailure": InternalFailureException,
    "InternalServerError": InternalFailureException,
    "InvalidClientTokenId": UnrecognizedClientException,
    "MissingAuthenticationToken": MissingAuthenticationTokenException,
    "NotAuthorized": AccessDeniedException,
    "RequestExpiredException": RequestExpired,
    "ServiceUnavailable": ServiceUnavailableException,
    "SignatureDoesNotMatch": InvalidSignatureException,
    "Throttling": ThrottlingException,
    "ThrottledException": ThrottlingException,
}
_BY_HTTP_STATUS: dict[int, type[NeptuneMLServiceError]] = {
    401: AccessDeniedException,
    403: AccessDeniedException,
    405: MethodNotAllowedException,
    408: ClientTimeoutException,
    429: TooManyRequestsException,
    503: ServiceUnavailableException,
}
# Neptune's guide lists both of the first two under InvalidParameterException, real answers use the code
# MLResourceNotFoundException for the unknown id.
_BY_TEXT: tuple[tuple[str, type[NeptuneMLServiceError]], ...] = (
    ("check whether a resource with the given ID exists", MLResourceNotFoundException),
    ("already completed or failed", JobAlreadyFinished),
    ("resource with same ID already exists", JobIdInUse),
)
# What SageMaker said, and Neptune passes on under a code that is documented nowhere.
_BY_FAILURE: dict[str, type[NeptuneMLServiceError]] = {
    QUOTA_ZERO: QuotaTooSmall,
    QUOTA_TOO_SMALL: QuotaTooSmall,
    QUOTA_USED_UP: StartOverQuota,
    CAPACITY.name: ServiceUnavailableException,
    THROTTLED.name: ThrottlingException,
    INTERNAL.name: InternalFailureException,
    ROLE.name: BadRequestException,
}


def error_from_answer(
    *,
    code: str,
    text: str = "",
    http_status: int | None = None,
    request_id: str | None = None,
    operation: str | None = None,
    job_id: str | None = None,
) -> NeptuneMLServiceError:
    """Return the error that an answer of the service is, as the class named after its code.

    An unknown code becomes a TransientServiceError with an HTTP status of 500 or more, else a
    FatalServiceError. What SageMaker refuses is told by its text, whatever the code.
    """
    cls = _BY_CODE.get(code) or _OTHER_CODES.get(code) or _BY_HTTP_STATUS.get(http_status or 0)
    if cls is None:
        cls = TransientServiceError if http_status and http_status >= 500 else FatalServiceError
    if cls is InvalidParameterException or (cls is FatalServiceError and code.isdecimal()):
        cls = next((known for text_part, known in _BY_TEXT if text_part in text), cls)
    failure = failure_of(text)
    if failure and not issubclass(cls, AccessDeniedException) and code != CUT_SHORT:
        cls = _BY_FAILURE.get(failure.name, cls)
    return cls(
        code=code,
        text=text,
        http_status=http_status,
        request_id=request_id,
        operation=operation,
        job_id=job_id,
    )
