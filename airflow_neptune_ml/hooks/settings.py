"""What of an Airflow connection, and of the arguments beside it, may be used: types, words, what is empty.

The Amazon provider and botocore take what they get, and fail later with errors that name neither field nor
connection. Messages show no value of a field that may be secret.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import (
    AccessDeniedException,
    CertificateNotTrusted,
    ConnectionNotFound,
    CredentialsNotFound,
    MissingParameterException,
    NeptuneMLConfigurationError,
    NeptuneMLConnectionError,
    NeptuneMLError,
)
from airflow_neptune_ml.job_ids import is_missing

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper

CLUSTER_TEXTS = ("endpoint_url", "db_cluster_id", "neptune_iam_role_arn")
"""What ``service_config.neptunedata`` of a connection may say of the cluster."""

_OBJECTS = (
    "service_config",
    "config_kwargs",
    "session_kwargs",
    "assume_role_kwargs",
    "assume_role_with_saml",
)
_NEVER_NULL = ("service_config", "config_kwargs")
_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_TEXTS = (
    *_KEYS,
    "region_name",
    "profile_name",
    "role_arn",
    "assume_role_with_web_identity_token_file",
    *CLUSTER_TEXTS,
)
_ROLE_METHODS = ("assume_role", "assume_role_with_saml", "assume_role_with_web_identity")
_CA_VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


def check_extra(conn_id: str, extra: Any) -> None:
    """Check the extra of a connection of type aws or Neptune ML, as far as it is used.

    :raises NeptuneMLConfigurationError: names the field and the connection
    """
    of = f"the Airflow connection {conn_id!r}"
    if not isinstance(extra, Mapping):
        raise NeptuneMLConfigurationError(f"The extra of {of} must be a JSON object, {_not(extra)}.")
    for field in _OBJECTS:
        value = extra.get(field)
        if (field in extra and field in _NEVER_NULL) or value is not None:
            _object(field, value, of)
    for field in _TEXTS:
        _text(field, extra.get(field), of)
    for field in _KEYS:
        _text(f"session_kwargs.{field}", (extra.get("session_kwargs") or {}).get(field), of)
    for service, settings in extra.get("service_config", {}).items():
        _object(f"service_config.{service}", settings, of)
        for field in CLUSTER_TEXTS:
            _text(f"service_config.{service}.{field}", settings.get(field), of)
    method = extra.get("assume_role_method", _ROLE_METHODS[0])
    if method not in _ROLE_METHODS:
        raise NeptuneMLConfigurationError(
            f"assume_role_method of {of} must be one of {', '.join(_ROLE_METHODS)}, not {method!r}."
        )


def one_word(field: str, value: Any) -> str | None:
    """Return a region, an identifier or an ARN without white space around it; None if there is none."""
    text = given_text(field, value)
    if text is not None and len(text.split()) != 1:
        raise NeptuneMLConfigurationError(f"{field} must have no white space in it: {text!r}.")
    return text


def given_text(field: str, value: Any) -> str | None:
    """Return a text without white space around it; None if it is empty or what a template makes of None."""
    _text(field, value, None)
    return None if is_missing(value) else str(value).strip()


def switch(field: str, value: Any) -> bool:
    """Return a bool, also one that is spelled as a word; what is not given is False."""
    word = str(value).strip().lower()
    if value is None or word in ("true", "false", ""):
        return word == "true"
    raise NeptuneMLConfigurationError(f"{field} must be true or false, not {value!r}.")


def verify_setting(value: Any, field: str = "verify") -> bool | str | None:
    """Return ``verify`` as boto3 takes it.

    The words true and false, as a connection's URI has them, mean what they say.
    """
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise NeptuneMLConfigurationError(
            f"{field} must be true, false, or the path of a CA bundle, not {value!r}."
        )
    if is_missing(value):
        return None
    word = value.strip().lower()
    return word == "true" if word in ("true", "false") else value.strip()


def mend(wrapper: AwsConnectionWrapper, conn_id: str | None) -> AwsConnectionWrapper:
    """Take out of a connection as it was read what is empty, and white space around what is not.

    :raises NeptuneMLConfigurationError: a region, an identifier, an ARN or a key has white space in it
    """
    of = f" of the Airflow connection {conn_id!r}"
    wrapper.verify = verify_setting(wrapper.verify, f"verify{of}")
    wrapper.region_name = one_word(f"region_name{of}", wrapper.region_name)
    for name in _KEYS:
        key = getattr(wrapper, name)
        if key is not None and re.search(r"\s", key):
            # The HTTP library would refuse such a token, and show it.
            raise NeptuneMLConfigurationError(f"{name}{of} has white space or a line break in it.")
    wrapper.endpoint_url = given_text(f"endpoint_url{of}", wrapper.endpoint_url)
    for service, settings in wrapper.service_config.items():
        mended = dict(settings)
        for name in CLUSTER_TEXTS:
            mend_one = given_text if name == "endpoint_url" else one_word
            if (text := mend_one(f"service_config.{service}.{name}{of}", mended.pop(name, None))) is not None:
                mended[name] = text
        wrapper.service_config[service] = mended
    return wrapper


def check_bundle(verify: bool | str | None) -> None:
    """Read the CA bundle that is to be used, if any.

    :raises CertificateNotTrusted: it cannot be read. The file may come later, so this is retried
    """
    where, path = "verify", verify
    if verify is None:
        where = next((name for name in _CA_VARIABLES if os.environ.get(name)), "")
        path = os.environ.get(where)
    if not isinstance(path, str):
        return
    try:
        file = os.stat(path)
        _read_bundle(path, file.st_ino, file.st_size, file.st_ctime_ns)
    except OSError as error:
        # An SSLError is one too: the file holds no certificate.
        raise CertificateNotTrusted(
            f"The CA bundle {path!r} of {where} cannot be read: {error.strerror or error}. It must be a file of "
            "certificates in PEM format, on this machine."
        ) from None


@lru_cache(maxsize=8)
def _read_bundle(path: str, *_version: int) -> None:
    """Read a CA bundle: once for each version of the file, since a large one takes a fiftieth of a second."""
    ssl.create_default_context(cafile=path)


@contextmanager
def unforeseen_errors(
    conn_id: str | None, secrets: tuple[Any, ...] = (), *, sending: bool = False
) -> Iterator[None]:
    """Turn whatever else comes out of the Amazon provider and botocore into one of this provider's errors.

    :param conn_id: the Airflow connection, for the message
    :param secrets: texts that no message may show
    :param sending: a request is sent and its answer read: what goes wrong then may be the answer, and passes
    """
    try:
        yield
    except NeptuneMLError:
        raise
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        shown = _without(text, secrets)
        # With a secret in it, the error itself would show it in the traceback.
        cause = error if shown == text else None
        raise _typed(error, shown, conn_id, sending=sending) from cause


@contextmanager
def doubting(missing_connection: str | None) -> Iterator[None]:
    """Blame what follows from a missing connection on that: Airflow may give it the next time.

    :param missing_connection: the id of the connection that Airflow did not give; None if it gave it
    """
    try:
        yield
    except (AccessDeniedException, MissingParameterException, NeptuneMLConfigurationError) as error:
        if not missing_connection:
            raise
        raise ConnectionNotFound(
            f"Airflow gave no connection {missing_connection!r}, and without it: {error}"
        ) from error


def _typed(error: Exception, text: str, conn_id: str | None, *, sending: bool) -> NeptuneMLError:
    of = f"the Airflow connection {conn_id!r}" if conn_id else "boto3's own settings"
    if isinstance(error, FileNotFoundError | PermissionError):
        # Of a web identity mostly, whose token an agent on the machine writes, and may write a moment later.
        return CredentialsNotFound(f"A file that {of} names cannot be read: {text}")
    if sending:
        return NeptuneMLConnectionError(f"A request with {of} failed unexpectedly: {text}")
    slips = (TypeError, ValueError, LookupError, NotImplementedError, ImportError)
    if isinstance(error, slips) or type(error).__module__.startswith("airflow."):
        return NeptuneMLConfigurationError(f"Something in {of} cannot be used: {text}")
    return NeptuneMLConnectionError(f"No request could be made with {of}: {text}")


def _object(field: str, value: Any, of: str) -> None:
    if not isinstance(value, Mapping):
        raise NeptuneMLConfigurationError(f"{field} of {of} must be a JSON object, {_not(value)}.")


def _text(field: str, value: Any, of: str | None) -> None:
    if value is not None and not isinstance(value, str):
        raise NeptuneMLConfigurationError(
            f"{field}{f' of {of}' if of else ''} must be a text, {_not(value)}."
        )


def _not(value: Any) -> str:
    """Say what a value is without showing it."""
    if value is None:
        return "not null"
    names = {str: "a text", list: "a list", tuple: "a list", dict: "an object", bool: "a truth value"}
    return f"not {names.get(type(value), 'a number' if isinstance(value, int | float) else type(value).__name__)}"


def _without(text: str, secrets: tuple[Any, ...]) -> str:
    for secret in secrets:
        if isinstance(secret, str) and len(secret.strip()) > 3:
            text = text.replace(secret.strip(), "***")
    return text
