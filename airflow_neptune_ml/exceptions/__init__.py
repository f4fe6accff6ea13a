"""Everything that this provider raises, in one tree.

* NeptuneMLError (an AirflowException)

  * NeptuneMLConfigurationError [fatal]: the connection, an argument or the environment must change

    * InvalidJobIdError: the job id is not valid

  * NeptuneMLServiceError: an error that Neptune or AWS answered; the class has the name of its error code

    * StartOverQuota (a QuotaExceeded too): SageMaker's quota is used up, and nothing was started
    * FatalServiceError [fatal]: another try gets the same answer

      * QuotaTooSmall (a QuotaExceeded too): SageMaker's quota is 0, or smaller than the request
      * BadRequestException, IllegalArgumentException, InvalidArgumentException, MethodNotAllowedException,
        MissingParameterException, PreconditionsFailedException, ReadOnlyViolationException, S3Exception,
        UnsupportedOperationException
      * InvalidParameterException

        * JobAlreadyFinished, JobIdInUse: they have the same code, and the text tells which it is

      * MLResourceNotFoundException

    * AccessDeniedException (a NeptuneMLAccessError too)

      * IncompleteSignatureException, InvalidSignatureException, MissingAuthenticationTokenException,
        OptInRequired, UnrecognizedClientException

    * TransientServiceError: another try may get another answer

      * ClientTimeoutException, ConcurrentModificationException, ConstraintViolationException,
        ExpiredTokenException, InternalFailureException, MemoryLimitExceededException, RequestExpired,
        ServerShutdownException, ServiceUnavailableException, TimeLimitExceededException
      * TooManyRequestsException, ThrottlingException

  * NeptuneMLAccessError: the cluster cannot be asked for now

    * ConnectionNotFound, CredentialsNotFound, ClusterNotServing, CertificateNotTrusted, ClientNotInstalled

  * NeptuneMLConnectionError: no answer came: timeouts, refused or dropped connections
  * InvalidAnswerError: the answer reported success, and is empty, cut short, or no JSON
  * NeptuneMLWaitTimeout: the job still ran when the wait's deadline passed

    * JobTimedOut [fatal]: the task that had started the job has cancelled it then

  * QuotaExceeded: a quota of SageMaker leaves no room for the job
  * JobFailed: the job failed. If the task had started it, its next try starts another one

    * CapacityUnavailable: AWS had no instance for it
    * JobOverQuota (a QuotaExceeded too): it needed more than SageMaker's quota has left
    * JobFailedForGood [fatal]: no other job is started, since it would fail too, or is not wanted
    * UpdateRolledBack: the endpoint's update failed, and the endpoint serves its old model again

      * UpdateFailedForGood [fatal]: no other update is started, since it would fail too, or is not wanted

    * WatchedJobFailed [fatal]: a sensor raises it, since a sensor cannot start another job

  * JobStopped [fatal]: somebody stopped the job
  * JobGone [fatal]: the job existed, and Neptune ML does not know it any more
  * TryEnded: the task's process was asked to end

An error with [fatal] is an AirflowFailException too, so Airflow does not retry the task: time alone does not
cure it. Neptune's guide says that a retry does not cure the ML errors. So only these errors are transient:
those that botocore's model marks as retryable, and HTTP 408, 429 and 5xx.
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
