"""The root of the error tree, and the errors that no answer of a service is behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any

from airflow_neptune_ml.airflow_versions import AirflowException, AirflowFailException
from airflow_neptune_ml.jobs import JobStatus
from airflow_neptune_ml.sagemaker_parts import failed_part


class NeptuneMLError(AirflowException):
    """Root of all errors of this provider."""

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values, enough to make this error again elsewhere."""
        return {"message": self.args[0]}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> NeptuneMLError:
        """Make the error again from :meth:`arguments`; those of a newer version may be more."""
        known = signature(cls).parameters
        return cls(**{name: value for name, value in arguments.items() if name in known})

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_again, (type(self), self.arguments())


class NeptuneMLConfigurationError(NeptuneMLError, AirflowFailException):
    """The connection, an argument or the environment must change before this can work."""


class InvalidJobIdError(NeptuneMLConfigurationError):
    """The job id cannot be one: missing, too long, or with characters that Neptune ML does not allow."""


class NeptuneMLAccessError(NeptuneMLError):
    """The cluster cannot be asked with what Airflow has for it now. That may change: it is retried."""


class ConnectionNotFound(NeptuneMLAccessError):
    """Airflow did not give the connection: it does not exist, or its database or backend is away."""


class CredentialsNotFound(NeptuneMLAccessError):
    """There are no AWS credentials. An agent on the machine (EC2, ECS, EKS) may give some later."""


class ClusterNotServing(NeptuneMLAccessError):
    """The cluster is starting, stopped, or being deleted, and answers nobody."""


class CertificateNotTrusted(NeptuneMLAccessError):
    """The cluster's certificate is not trusted, or the CA bundle cannot be read."""


class ClientNotInstalled(NeptuneMLAccessError):
    """aiobotocore, which deferrable mode needs, is not installed on this machine."""


class NeptuneMLConnectionError(NeptuneMLError):
    """No answer came. The request may or may not have been acted on."""


class InvalidAnswerError(NeptuneMLError):
    """The answer said success (HTTP 200) and lacks what it must hold: empty, cut short, or no JSON."""


class NeptuneMLWaitTimeout(NeptuneMLError):
    """The job still ran when the wait's deadline passed. What became of it then, its operator says."""


class JobTimedOut(NeptuneMLWaitTimeout, AirflowFailException):
    """The job took longer than its task's timeout and was cancelled. Another one would cost as much."""


class JobGone(NeptuneMLError, AirflowFailException):
    """The job was there, and Neptune ML has not known it any more for a minute: somebody deleted it."""


class TryEnded(NeptuneMLError):
    """The task's process was asked to end while it started its job or waited for it."""


class _JobEnded(NeptuneMLError):
    """The job ended in another way than the task needs.

    :param status: the job's whole last answer, with each sub-job's failure reason and log link
    :param log: where in CloudWatch the log of the part is that failed
    """

    outcome = ""

    def __init__(self, status: JobStatus, log: str | None = None) -> None:
        self.status = status
        self.log = log
        outcome = self.outcome.format(configuration=status.configuration or "that it had before")
        place = f"Its log: {log}." if log else ""
        parts = (self._what_to_do(status), f"{status.describe()}.", outcome, place)
        super().__init__(" ".join(filter(None, parts)))

    def _what_to_do(self, status: JobStatus) -> str:
        """Return what stands first: Airflow's UI shows about the first 100 characters of an error."""
        return ""

    def arguments(self) -> dict[str, Any]:
        """Return the job's status, and where its log is, as plain values."""
        return {"status": self.status.to_dict(), "log": self.log}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> _JobEnded:
        """Make the error again from :meth:`arguments`."""
        # A trigger of an earlier version tells no log.
        return cls(JobStatus.from_dict(arguments["status"]), arguments.get("log"))


class JobFailed(_JobEnded):
    """The job failed; the message holds the reason and the log link of the part that did.

    Airflow retries a task that had started the job, and the new try starts another one.
    """

    def _what_to_do(self, status: JobStatus) -> str:
        part = failed_part(status)
        return (
            f"{part.stage.capitalize()} failed: see its CloudWatch log, above or in the task's links."
            if part
            else ""
        )


class UpdateRolledBack(JobFailed):
    """The endpoint's update failed, and the endpoint serves its old model again."""

    outcome = "Its update was rolled back: it still serves the configuration {configuration}."


class WatchedJobFailed(JobFailed, AirflowFailException):
    """The job that a sensor waited for failed. Waiting again changes nothing, so Airflow does not retry."""


class JobStopped(_JobEnded, AirflowFailException):
    """The job was stopped by somebody, who would not want another try to start it again."""


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


def tree(root: type[NeptuneMLError]) -> Iterator[type[NeptuneMLError]]:
    """Yield *root* and everything below it."""
    yield root
    for subclass in root.__subclasses__():
        yield from tree(subclass)


def _make_again(cls: type[NeptuneMLError], arguments: Mapping[str, Any]) -> NeptuneMLError:
    return cls.from_arguments(arguments)
