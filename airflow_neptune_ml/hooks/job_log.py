"""The last lines that a failed part of a job wrote into CloudWatch.

Best effort: what a job's failure says and does must not depend on CloudWatch. So nothing here raises, and
nothing takes longer than a few seconds. It asks for ``logs:DescribeLogStreams`` and ``logs:GetLogEvents``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_neptune_ml.sagemaker_parts import LogStreams, failed_part

if TYPE_CHECKING:
    from airflow_neptune_ml.hooks.cluster import NeptuneClusterHook
    from airflow_neptune_ml.jobs import JobStatus

PATIENCE = 6.0
"""Seconds for all of it, STS included."""

_QUICK = Config(
    connect_timeout=2,
    read_timeout=3,
    retries={"total_max_attempts": 1, "mode": "standard"},
    signature_version=None,
)
_MOST_STREAMS = 50
_MOST_LINES = 10_000
_MOST_PAGES = 3
_LONGEST_LINE = 2_000


@dataclass(frozen=True)
class FailingLog:
    """What could be read.

    :param place: the log group and the stream, or what the streams' names begin with
    :param lines: the last lines, the oldest first
    :param problem: why there are none
    """

    place: str
    lines: tuple[str, ...] = ()
    problem: str | None = None

    def report(self) -> list[str]:
        """Return the lines for the task's log: what they are, and they themselves."""
        if not self.lines:
            return [f"No lines from {self.place}: {self.problem or 'it is empty'}."]
        count = f"{len(self.lines)} lines" if len(self.lines) > 1 else "line"
        return [f"The last {count} from {self.place}:", *self.lines]


def failing_log(hook: NeptuneClusterHook, status: JobStatus, lines: int) -> FailingLog | None:
    """Read the end of the log of the part that failed. Raises nothing.

    :param lines: how many lines; 0 reads nothing
    :return: None if no part failed, or if nothing tells where its log is
    """
    part = failed_part(status)
    streams = LogStreams.of(part) if part else None
    if streams is None:
        return None
    if lines <= 0:
        return FailingLog(str(streams))
    found: list[FailingLog] = []

    def read() -> None:
        try:
            found.append(_read(_client(hook, streams), streams, min(lines, _MOST_LINES)))
        except Exception as error:
            found.append(FailingLog(str(streams), problem=_reason(error)))

    try:
        # Looked up here, not in the thread: a task's requests to Airflow are for its own thread.
        _ = hook.conn_config
        # botocore's timeouts count per attempt and per byte, and do not hold for what gives the credentials.
        thread = threading.Thread(target=read, name="neptune-ml-job-log", daemon=True)
        thread.start()
        thread.join(PATIENCE)
    except Exception as error:
        return FailingLog(str(streams), problem=_reason(error))
    return found[0] if found else FailingLog(str(streams), problem=f"no answer within {PATIENCE:g} s")


def _client(hook: NeptuneClusterHook, streams: LogStreams) -> Any:
    region = streams.place.region or hook.region_name
    return hook.get_session(region_name=region).client(
        "logs",
        endpoint_url=hook.conn_config.get_service_endpoint_url("logs"),
        config=hook.config.merge(_QUICK),
        verify=hook.verify,
    )


def _read(client: Any, streams: LogStreams, lines: int) -> FailingLog:
    # With a prefix CloudWatch sorts by name only. From the end: the last of many trials are the newest.
    request = {"logGroupName": streams.group, "limit": _MOST_STREAMS, "descending": True}
    if streams.prefix:
        request |= {"logStreamNamePrefix": streams.prefix, "orderBy": "LogStreamName"}
    else:
        request |= {"orderBy": "LastEventTime"}
    found = client.describe_log_streams(**request)["logStreams"]
    # What a transform job was given and gave is in a stream of its own.
    logs = [stream for stream in found if not stream["logStreamName"].endswith("/data-log")]
    if not logs:
        return FailingLog(str(streams), problem="there is no such stream yet")
    newest = max(
        logs, key=lambda stream: (stream.get("lastEventTimestamp") or 0, stream.get("creationTime") or 0)
    )
    name = newest["logStreamName"]
    place = f"CloudWatch log group {streams.group}, stream {name}"
    return FailingLog(place, tuple(_shortened(_last_events(client, streams.group, name, lines))))


def _last_events(client: Any, group: str, stream: str, lines: int) -> Sequence[dict[str, Any]]:
    more: dict[str, Any] = {}
    for _ in range(_MOST_PAGES):
        page = client.get_log_events(
            logGroupName=group, logStreamName=stream, limit=lines, startFromHead=False, **more
        )
        events: list[dict[str, Any]] = page["events"]
        token = page.get("nextBackwardToken")
        if events or not token or token == more.get("nextToken"):
            return events
        # A page may be empty although there is more.
        more = {"nextToken": token}
    return ()


def _shortened(events: Sequence[dict[str, Any]]) -> list[str]:
    texts = [str(event.get("message", "")).rstrip() for event in events]
    return [text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}..." for text in texts]


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        text = f"{error.operation_name} was answered {details.get('Code')}: {details.get('Message')}"
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split()).rstrip(".")
