"""The root of the error tree, and the errors that no answer of a service is behind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any, TypeVar

from airflow_neptune_ml.airflow_versions import AirflowException, AirflowFailException

E = TypeVar("E", bound="NeptuneMLError")


class NeptuneMLError(AirflowException):
    """Root of all errors of this provider."""

    def __init__(self, message: str) -> None:
        super().__init__(writable(without_secrets(message)))

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values, enough to make this error again elsewhere."""
        return {"message": self.args[0]}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> NeptuneMLError:
        """Make the error again from :meth:`arguments`, also from those of a newer version, which may be
        more."""
        known = signature(cls).parameters
        return cls(**{name: value for name, value in arguments.items() if name in known})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_arguments, (self.arguments(),)


class NeptuneMLConfigurationError(NeptuneMLError, AirflowFailException):
    """The connection, an argument or the environment must change before this can work."""


class InvalidJobIdError(NeptuneMLConfigurationError):
    """The job id is not valid: it is missing, too long, or has characters that Neptune ML does not allow."""


class NeptuneMLAccessError(NeptuneMLError):
    """The cluster cannot be asked for now: a permission, credentials, the connection or a package is missing,
    or the cluster does not serve. This may change by itself."""


class ConnectionNotFound(NeptuneMLAccessError):
    """Airflow did not give the connection. Airflow also says so while its database, its API or its secrets
    backend does not answer."""


class CredentialsNotFound(NeptuneMLAccessError):
    """There are no AWS credentials. An agent on the machine (of EC2, ECS or EKS) may give them a moment
    later."""


class ClusterNotServing(NeptuneMLAccessError):
    """The cluster is starting, stopped, or being deleted, and does not answer."""


class CertificateNotTrusted(NeptuneMLAccessError):
    """The cluster's certificate is not trusted, or the CA bundle cannot be read."""


class ClientNotInstalled(NeptuneMLAccessError):
    """aiobotocore, which deferrable mode needs, is not installed on this machine."""


class NeptuneMLConnectionError(NeptuneMLError):
    """No answer came. The service may or may not have acted on the request."""


class InvalidAnswerError(NeptuneMLError):
    """The answer reported success (HTTP 200), but is empty, cut short, or no JSON."""


class NeptuneMLWaitTimeout(NeptuneMLError):
    """The job still ran when the wait's deadline passed. The operator decides what happens to the job."""


class JobTimedOut(NeptuneMLWaitTimeout, AirflowFailException):
    """The job took longer than its task's timeout, and was cancelled. Another job would take as long, and
    cost as much."""


class JobGone(NeptuneMLError, AirflowFailException):
    """The job existed, but Neptune ML has not known it for a minute: somebody deleted it."""


class TryEnded(NeptuneMLError):
    """The task's process was asked to end while it started its job or waited for it."""


class QuotaExceeded(NeptuneMLError):
    """A quota of SageMaker leaves no room for the job: the start was refused, or a job that was accepted
    failed."""


_QUOTES = r"(?:[\\'\"]|&quot;|&#0?3[49];|&#x2[27];)*"
"""As texts have them, JSON in JSON, and web pages."""

_SPACE = r"(?:\s|\\{1,8}[nrt])"
_TAG = r"(?:<[^<>]{0,60}>|(?:&lt;|\\{1,8}u003c)[^<>&\\]{0,60}(?:&gt;|\\{1,8}u003e))"
"""As web pages have them, and web pages in JSON."""

_SECRETS = (
    # The user and the password of a proxy's URL; the query and the headers with which a request is signed.
    (re.compile(r"(?<=://)[^/\s@'\"<>]*:[^/\s'\"<>]*@"), "***:***@"),
    (
        re.compile(
            # Behind the name stands a sign; in a table of headers, below, tags or white space.
            rf"(X-Amz-(?:Security-Token|Signature|Credential){_QUOTES}{_SPACE}*(?:[:=]|%3D){_SPACE}*{_QUOTES})"
            r"[^\s&'\",\\<]+",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
    (
        re.compile(
            rf"(X-Amz-(?:Security-Token|Signature|Credential)(?:{_SPACE}|{_TAG})+)[^\s&'\",\\<]{{16,}}",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
    (
        re.compile(r"AWS4-HMAC-SHA256\s+Credential=\S+(?:\s+(?:SignedHeaders|Signature)=\S+)*"),
        "AWS4-HMAC-SHA256 ***",
    ),
)


def without_secrets(text: str) -> str:
    """Return a text without passwords in URLs, and without what signs a request."""
    # Most texts have nothing of it, and each one of each answer comes here.
    if "@" in text or "AWS4" in text or "amz-" in text.lower():
        for pattern, instead in _SECRETS:
            text = pattern.sub(instead, text)
    return text


def writable(text: str) -> str:
    """Return a text that each log can write: half a surrogate pair, as in an answer that was cut, is a
    question mark then."""
    return text.encode(errors="replace").decode()


def as_sentence(text: str) -> str:
    """Return a text with a full stop behind it, but for one that ends with a URL: UIs link what follows it
    too."""
    text = text.rstrip()
    return text if text.endswith((".", "!", "?")) or "://" in text.rpartition(" ")[2] else f"{text}."


def error_to_dict(error: NeptuneMLError) -> dict[str, Any]:
    """Return plain values for a trigger's event."""
    return {"class": type(error).__name__, "arguments": error.arguments()}


def error_from_dict(data: Mapping[str, Any]) -> NeptuneMLError:
    """Make again, as the same class, the error that :func:`error_to_dict` wrote."""
    for cls in tree(NeptuneMLError):
        if cls.__name__ == data["class"]:
            return cls.from_arguments(data["arguments"])
    # The triggerer may run another version of this package than the worker.
    return NeptuneMLError(f"{data['class']}: {data['arguments']}")


def tree(root: type[E]) -> Iterator[type[E]]:
    """Yield *root* and everything below it."""
    yield root
    for subclass in root.__subclasses__():
        yield from tree(subclass)
