"""Turn what botocore raises, and answers that it cannot read, into this provider's errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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

from airflow_neptune_ml.exceptions import (
    CertificateNotTrusted,
    CredentialsNotFound,
    NeptuneMLConfigurationError,
    NeptuneMLConnectionError,
    NeptuneMLError,
)
from airflow_neptune_ml.exceptions.answers import CUT_SHORT, error_from_answer
from airflow_neptune_ml.hooks.calls import UNREADABLE

_EXCERPT = 500


def mend_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Rewrite an answer's body so that botocore's parser can read it: a ``before-parse`` handler.

    It serves sync and async clients. Neptune's errors carry their text as ``detailedMessage``, which botocore
    drops unless the model knows the code; it reads ``message``. Proxies answer HTML or plain text, and a JSON
    list makes the parser raise AttributeError.
    """
    raw = response_dict["body"] or b""
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        body = None
    failed = response_dict["status_code"] >= 300
    if isinstance(body, dict):
        if not failed:
            return
        text = body.get("detailedMessage") or body.get("message") or body.get("Message") or ""
        mended = {**body, "message": str(text)}
        if "code" in body:
            mended["code"] = str(body["code"])
        response_dict["body"] = json.dumps(mended).encode()
        return
    excerpt = _plain(raw)
    if failed:
        # Neptune's own body, cut short, may have said anything: that the id is in use, or that there is no
        # such job.
        code = {"code": CUT_SHORT} if raw[:1] == b"{" else {}
        response_dict["body"] = json.dumps({"message": excerpt, **code}).encode()
    else:
        response_dict["body"] = b"{}"
        customized_response_dict[UNREADABLE] = excerpt


@contextmanager
def typed_errors(operation: str, job_id: str | None, address: str) -> Iterator[None]:
    """Turn each error that botocore raises inside into one of this provider's.

    :param operation: the API operation, for the message
    :param job_id: the job that it is about
    :param address: where the request goes, for the message
    """
    try:
        yield
    except ClientError as error:
        raise _answered(error, operation, job_id) from error
    except BotoCoreError as error:
        raise _not_answered(error, operation, job_id, address) from error
    except RuntimeError as error:
        # botocore's word for credentials that it refreshed and that are expired all the same
        if "refreshed credentials are still expired" not in str(error):
            raise
        raise _no_credentials_for_now(f"{operation}{f' for {job_id!r}' if job_id else ''}", error) from error


def _answered(error: ClientError, operation: str, job_id: str | None) -> NeptuneMLError:
    details = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    return error_from_answer(
        code=str(details.get("Code") or metadata.get("HTTPStatusCode") or "unknown"),
        text=str(details.get("Message") or error.response.get("detailedMessage") or ""),
        http_status=metadata.get("HTTPStatusCode"),
        request_id=error.response.get("requestId") or metadata.get("RequestId"),
        # The request that failed may be one for credentials (AssumeRole), on the way to ours.
        operation=error.operation_name or operation,
        job_id=job_id if error.operation_name == operation else None,
    )


def _not_answered(error: BotoCoreError, operation: str, job_id: str | None, address: str) -> NeptuneMLError:
    about = f"{operation}{f' for {job_id!r}' if job_id else ''}"
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return CredentialsNotFound(
            f"{about} was not sent: there are no AWS credentials. Give the Airflow connection a key pair or a role, "
            "or the worker an instance role. For a cluster without IAM authentication put "
            '"config_kwargs": {"signature_version": "unsigned"} into the connection.'
        )
    if isinstance(error, CredentialRetrievalError | MetadataRetrievalError):
        return _no_credentials_for_now(about, error)
    if isinstance(error, NoRegionError):
        return NeptuneMLConfigurationError(
            f'{about} was not sent: no AWS region is known. Put "region_name" into the extra of the Airflow '
            "connection, or pass region_name."
        )
    if isinstance(error, ParamValidationError):
        return NeptuneMLConfigurationError(f"{about} was not sent: {error}")
    if isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return CertificateNotTrusted(
            f"{about} was not sent: the certificate of {address} is not trusted. Set verify (argument, or in the "
            f"connection) to the path of the CA bundle that signed it. {error}"
        )
    cause = error.kwargs.get("error") if isinstance(error, HTTPClientError | SSLError) else None
    # urllib3 hides the file's own error in one of its own.
    while type(cause).__name__ == "SSLError" and cause.args and isinstance(cause.args[0], Exception):
        cause = cause.args[0]
    if isinstance(cause, FileNotFoundError | PermissionError | IsADirectoryError) or "CA cert" in str(cause):
        # urllib3 says so of a CA bundle that is not there; what the network does has classes of its own.
        return CertificateNotTrusted(f"{about} was not sent: the CA bundle of verify cannot be read: {cause}")
    if isinstance(error, HTTPClientError | BotocoreConnectionError | ResponseStreamingError):
        return NeptuneMLConnectionError(
            f"{about} got no answer from {address}: {str(error).rstrip('.')}. Check the cluster's endpoint, port 8182 in its "
            "security group, and that the worker runs in (or is routed to) its VPC."
        )
    return NeptuneMLConfigurationError(f"{about} failed: {type(error).__name__}: {error}")


def _no_credentials_for_now(about: str, error: Exception) -> NeptuneMLError:
    """Return the error for credentials that the agent of ECS, EKS or EC2 does not give now, but may later."""
    return NeptuneMLConnectionError(
        f"{about} was not sent: the AWS credentials could not be renewed. {error}"
    )


def _plain(raw: bytes) -> str:
    """Return the beginning of a body as one line of text, without its HTML tags."""
    text = re.sub(r"<[^>]*>", " ", raw[: 8 * _EXCERPT].decode(errors="replace"))
    return " ".join(text.split())[:_EXCERPT]
