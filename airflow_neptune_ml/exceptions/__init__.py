"""Everything that this provider raises, in one tree.

* NeptuneMLError (an AirflowException)

  * NeptuneMLConfigurationError [fatal]: the connection, an argument or the environment must change

    * InvalidJobIdError: the job id cannot be one

  * NeptuneMLServiceError: what Neptune or AWS answered; named after its error code

    * FatalServiceError [fatal]: another try gets the same answer

      * BadRequestException, IllegalArgumentException, InvalidArgumentException, MethodNotAllowedException,
        MissingParameterException, PreconditionsFailedException, ReadOnlyViolationException, S3Exception,
        UnsupportedOperationException
      * InvalidParameterException

        * JobAlreadyFinished, JobIdInUse: told apart by their text

      * MLResourceNotFoundException

    * AccessDeniedException (a NeptuneMLAccessError too)

      * IncompleteSignatureException, InvalidSignatureException, MissingAuthenticationTokenException,
        OptInRequired, UnrecognizedClientException

    * TransientServiceError: another try may get another answer

      * ClientTimeoutException, ConcurrentModificationException, ConstraintViolationException,
        ExpiredTokenException, InternalFailureException, MemoryLimitExceededException,
        RequestExpired, ServerShutdownException, ServiceUnavailableException, TimeLimitExceededException
      * TooManyRequestsException, ThrottlingException

  * NeptuneMLAccessError: refused: the cluster cannot be asked with what Airflow has for it at the moment

    * ConnectionNotFound, CredentialsNotFound, ClusterNotServing, CertificateNotTrusted, ClientNotInstalled

  * NeptuneMLConnectionError: no answer came: timeouts, refused or dropped connections
  * InvalidAnswerError: the answer said success and lacks what it must hold
  * NeptuneMLWaitTimeout: the job was still running when our own deadline passed

    * JobTimedOut [fatal]: and the task that had started it has cancelled it

  * JobFailed: the job failed. A task that started it may be retried, and starts another one

    * UpdateRolledBack: the endpoint's update failed, and it serves the old model again
    * WatchedJobFailed [fatal]: what a sensor raises, since it cannot start another one

  * JobStopped [fatal]: somebody stopped the job
  * JobGone [fatal]: the job was there, and Neptune ML does not know it any more
  * TryEnded: the task's process was asked to end

[fatal] errors are AirflowFailException too, so Airflow does not retry the task: only what no moment can
change. Neptune's guide says of the ML errors that a retry does not cure them; what is transient here is what
botocore's model marks as retryable among the errors that an ML request can meet, and HTTP 408, 429 and 5xx.
"""

from airflow_neptune_ml.exceptions.base import (
    CertificateNotTrusted,
    ClientNotInstalled,
    ClusterNotServing,
    ConnectionNotFound,
    CredentialsNotFound,
    InvalidAnswerError,
    InvalidJobIdError,
    JobFailed,
    JobGone,
    JobStopped,
    JobTimedOut,
    NeptuneMLAccessError,
    NeptuneMLConfigurationError,
    NeptuneMLConnectionError,
    NeptuneMLError,
    NeptuneMLWaitTimeout,
    TryEnded,
    UpdateRolledBack,
    WatchedJobFailed,
)
from airflow_neptune_ml.exceptions.service import (
    AccessDeniedException,
    BadRequestException,
    ClientTimeoutException,
    ConcurrentModificationException,
    ConstraintViolationException,
    ExpiredTokenException,
    FatalServiceError,
    IllegalArgumentException,
    IncompleteSignatureException,
    InternalFailureException,
    InvalidArgumentException,
    InvalidParameterException,
    InvalidSignatureException,
    JobAlreadyFinished,
    JobIdInUse,
    MemoryLimitExceededException,
    MethodNotAllowedException,
    MissingAuthenticationTokenException,
    MissingParameterException,
    MLResourceNotFoundException,
    NeptuneMLServiceError,
    OptInRequired,
    PreconditionsFailedException,
    ReadOnlyViolationException,
    RequestExpired,
    S3Exception,
    ServerShutdownException,
    ServiceUnavailableException,
    ThrottlingException,
    TimeLimitExceededException,
    TooManyRequestsException,
    TransientServiceError,
    UnrecognizedClientException,
    UnsupportedOperationException,
)

__all__ = [
    "AccessDeniedException",
    "BadRequestException",
    "CertificateNotTrusted",
    "ClientNotInstalled",
    "ClientTimeoutException",
    "ClusterNotServing",
    "ConcurrentModificationException",
    "ConnectionNotFound",
    "ConstraintViolationException",
    "CredentialsNotFound",
    "ExpiredTokenException",
    "FatalServiceError",
    "IllegalArgumentException",
    "IncompleteSignatureException",
    "InternalFailureException",
    "InvalidAnswerError",
    "InvalidArgumentException",
    "InvalidJobIdError",
    "InvalidParameterException",
    "InvalidSignatureException",
    "JobAlreadyFinished",
    "JobFailed",
    "JobGone",
    "JobIdInUse",
    "JobStopped",
    "JobTimedOut",
    "MLResourceNotFoundException",
    "MemoryLimitExceededException",
    "MethodNotAllowedException",
    "MissingAuthenticationTokenException",
    "MissingParameterException",
    "NeptuneMLAccessError",
    "NeptuneMLConfigurationError",
    "NeptuneMLConnectionError",
    "NeptuneMLError",
    "NeptuneMLServiceError",
    "NeptuneMLWaitTimeout",
    "OptInRequired",
    "PreconditionsFailedException",
    "ReadOnlyViolationException",
    "RequestExpired",
    "S3Exception",
    "ServerShutdownException",
    "ServiceUnavailableException",
    "ThrottlingException",
    "TimeLimitExceededException",
    "TooManyRequestsException",
    "TransientServiceError",
    "TryEnded",
    "UnrecognizedClientException",
    "UnsupportedOperationException",
    "UpdateRolledBack",
    "WatchedJobFailed",
]
