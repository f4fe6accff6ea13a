"""Turn what botocore raises into this provider's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ResponseStreamingError,
    SSLError,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.parsers import ResponseParserError

from airflow_neptune_ml.exceptions import (
    CertificateNotTrusted,
    CredentialsNotFound,
    InvalidAnswerError,
    NeptuneMLConfigurationError,
    NeptuneMLConnectionError,
    NeptuneMLError,
)
from airflow_neptune_ml.exceptions.answers import error_from_answer


@contextmanager
def typed_errors(operation: str, job_id: str | None, address: str) -> Iterator[None]:
    """Turn each error that botocore raises inside into one of this provider's.

    :param operation: the API operation, for the message
    :param job_id: the job that it is about
    :param address: where the request goes, for the message
    """
    about = f"{operation}{f' for {job_id!r}' if job_id else ''}"
    try:
        yield
    except ClientError as error:
        # Not "from" it: what it says is all in ours, and its frames would hide where a user has to look.
        raise _answered(error, operation, job_id) from None
    except BotoCoreError as error:
        raise _not_answered(error, about, address) from None
    except ResponseParserError as error:
        raise InvalidAnswerError(
            f"The answer is not Neptune's: check that the cluster's address is its own, and no proxy's or web page's. {error} "
            f"[{about}]"
        ) from None
    except RuntimeError as error:
        # botocore's word for credentials that it refreshed and that are expired all the same
        if "refreshed credentials are still expired" not in str(error):
            raise
        raise _no_credentials_for_now(about, error) from None


def _answered(error: ClientError, operation: str, job_id: str | None) -> NeptuneMLError:
    details = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    return error_from_answer(
        code=str(details.get("Code") or metadata.get("HTTPStatusCode") or "unknown"),
        text=str(details.get("Message") or ""),
        http_status=metadata.get("HTTPStatusCode"),
        request_id=error.response.get("requestId") or metadata.get("RequestId"),
        # The request that failed may be one for credentials (AssumeRole), on the way to ours.
        operation=error.operation_name or operation,
        job_id=job_id if error.operation_name == operation else None,
    )


def _not_answered(error: BotoCoreError, about: str, address: str) -> NeptuneMLError:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return CredentialsNotFound(
            "There are no AWS credentials: give the Airflow connection a key pair or a role, or the worker an instance "
            'role. For a cluster without IAM authentication put "config_kwargs": {"signature_version": "unsigned"} into the '
            f"connection. [{about} was not sent]"
        )
    if isinstance(error, CredentialRetrievalError | MetadataRetrievalError):
        return _no_credentials_for_now(about, error)
    if isinstance(error, NoRegionError):
        return NeptuneMLConfigurationError(
            'No AWS region is known: put "region_name" into the extra of the Airflow connection, or pass '
            f"region_name. [{about} was not sent]"
        )
    if isinstance(error, ParamValidationError):
        return NeptuneMLConfigurationError(f"The request is wrong, and was not sent: {error} [{about}]")
    if isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return CertificateNotTrusted(
            "The cluster's certificate is not trusted: set verify to the path of the CA bundle that signed it, as an "
            f"argument or in the connection. {error} [{about} to {address} was not sent]"
        )
    cause: object = error.kwargs.get("error") if isinstance(error, HTTPClientError | SSLError) else None
    # urllib3 hides the file's own error in one of its own.
    while isinstance(cause, Exception) and type(cause).__name__ == "SSLError" and cause.args:
        cause = cause.args[0]
    if isinstance(cause, FileNotFoundError | PermissionError | IsADirectoryError) or "CA cert" in str(cause):
        # urllib3 says so of a CA bundle that is not there; what the network does has classes of its own.
        return CertificateNotTrusted(
            f"The CA bundle of verify cannot be read: {cause} [{about} was not sent]"
        )
    if isinstance(error, HTTPClientError | BotocoreConnectionError | ResponseStreamingError):
        return NeptuneMLConnectionError(
            "The cluster gave no answer: check its endpoint, port 8182 in its security group, and the way from the worker "
            f"into its VPC. {str(error).rstrip('.')}. [{about} got no answer from {address} ]"
        )
    return NeptuneMLConfigurationError(f"{type(error).__name__}: {error} [{about} failed]")


def _no_credentials_for_now(about: str, error: Exception) -> NeptuneMLError:
    """Return the error for credentials that the agent of ECS, EKS or EC2 does not give now, but may later."""
    return NeptuneMLConnectionError(
        f"The AWS credentials could not be renewed: check the role, or the agent that gives them. {error} "
        f"[{about} was not sent]"
    )
