"""Everything that this provider raises, in one tree.

* NeptuneMLError (an AirflowException)

  * NeptuneMLConfigurationError [fatal]: the connection, an argument or the environment must change

    * InvalidJobIdError: the job id cannot be one

  * NeptuneMLServiceError: what Neptune or AWS answered; named after its error code

    * StartOverQuota (a QuotaExceeded too): SageMaker's quota is used up, and nothing was started
    * FatalServiceError [fatal]: another try gets the same answer

      * QuotaTooSmall (a QuotaExceeded too): SageMaker's quota is 0, or smaller than the request
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
        ExpiredTokenException, InternalFailureException, MemoryLimitExceededException, RequestExpired,
        ServerShutdownException, ServiceUnavailableException, TimeLimitExceededException
      * TooManyRequestsException, ThrottlingException

  * NeptuneMLAccessError: refused: the cluster cannot be asked with what Airflow has for it at the moment

    * ConnectionNotFound, CredentialsNotFound, ClusterNotServing, CertificateNotTrusted, ClientNotInstalled

  * NeptuneMLConnectionError: no answer came: timeouts, refused or dropped connections
  * InvalidAnswerError: the answer said success and lacks what it must hold
  * NeptuneMLWaitTimeout: the job was still running when our own deadline passed

    * JobTimedOut [fatal]: and the task that had started it has cancelled it

  * QuotaExceeded: a quota of SageMaker leaves no room for the job
  * JobFailed: the job failed. A task that started it may be retried, and starts another one

    * CapacityUnavailable: AWS had no instance for it
    * JobOverQuota (a QuotaExceeded too): it needed more than SageMaker's quota has left
    * JobFailedForGood [fatal]: another one would fail too, or none is wanted
    * UpdateRolledBack: the endpoint's update failed, and it serves the old model again

      * UpdateFailedForGood [fatal]: and another update would fail too, or none is wanted

    * WatchedJobFailed [fatal]: what a sensor raises, since it cannot start another one

  * JobStopped [fatal]: somebody stopped the job
  * JobGone [fatal]: the job was there, and Neptune ML does not know it any more
  * TryEnded: the task's process was asked to end

[fatal] errors are AirflowFailException too, so Airflow does not retry the task: only what no moment can
change. Neptune's guide says of the ML errors that a retry does not cure them; what is transient here is what
botocore's model marks as retryable among the errors that an ML request can meet, and HTTP 408, 429 and 5xx.
"""

from airflow_neptune_ml.exceptions.access import (
    AccessDeniedException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    OptInRequired,
    UnrecognizedClientException,
)
from airflow_neptune_ml.exceptions.base import (
    CertificateNotTrusted,
    ClientNotInstalled,
    ClusterNotServing,
    ConnectionNotFound,
    CredentialsNotFound,
    InvalidAnswerError,
    InvalidJobIdError,
    JobGone,
    JobTimedOut,
    NeptuneMLAccessError,
    NeptuneMLConfigurationError,
    NeptuneMLConnectionError,
    NeptuneMLError,
    NeptuneMLWaitTimeout,
    QuotaExceeded,
    TryEnded,
)
from airflow_neptune_ml.exceptions.job_ended import (
    CapacityUnavailable,
    JobFailed,
    JobFailedForGood,
    JobOverQuota,
    JobStopped,
    UpdateFailedForGood,
    UpdateRolledBack,
    WatchedJobFailed,
)
from airflow_neptune_ml.exceptions.service import (
    BadRequestException,
    ClientTimeoutException,
    ConcurrentModificationException,
    ConstraintViolationException,
    ExpiredTokenException,
    FatalServiceError,
    IllegalArgumentException,
    InternalFailureException,
    InvalidArgumentException,
    InvalidParameterException,
    JobAlreadyFinished,
    JobIdInUse,
    MemoryLimitExceededException,
    MethodNotAllowedException,
    MissingParameterException,
    MLResourceNotFoundException,
    NeptuneMLServiceError,
    PreconditionsFailedException,
    QuotaTooSmall,
    ReadOnlyViolationException,
    RequestExpired,
    S3Exception,
    ServerShutdownException,
    ServiceUnavailableException,
    StartOverQuota,
    ThrottlingException,
    TimeLimitExceededException,
    TooManyRequestsException,
    TransientServiceError,
    UnsupportedOperationException,
)

__all__ = [
    "AccessDeniedException",
    "BadRequestException",
    "CapacityUnavailable",
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
    "JobFailedForGood",
    "JobGone",
    "JobIdInUse",
    "JobOverQuota",
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
    "QuotaExceeded",
    "QuotaTooSmall",
    "ReadOnlyViolationException",
    "RequestExpired",
    "S3Exception",
    "ServerShutdownException",
    "ServiceUnavailableException",
    "StartOverQuota",
    "ThrottlingException",
    "TimeLimitExceededException",
    "TooManyRequestsException",
    "TransientServiceError",
    "TryEnded",
    "UnrecognizedClientException",
    "UnsupportedOperationException",
    "UpdateFailedForGood",
    "UpdateRolledBack",
    "WatchedJobFailed",
]
