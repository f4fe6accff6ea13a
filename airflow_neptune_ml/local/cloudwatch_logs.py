"""What CloudWatch Logs has of the jobs: a stream for each SageMaker job, trial and endpoint that has
begun."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.local.errors import ServiceError, invalid
from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.store import Store
from airflow_neptune_ml.local.sub_jobs import SubJob

NO_GROUP = "The specified log group does not exist."
NO_STREAM = "The specified log stream does not exist."
MOST_STREAMS, MOST_EVENTS = 50, 10_000
"""How many come in an answer, at most and by default."""


@dataclass(frozen=True)
class Stream:
    """A log stream: its lines, and when the first of them was written, in seconds since the epoch."""

    group: str
    name: str
    started: float
    lines: list[str]

    def events(self) -> list[dict[str, Any]]:
        """Return its lines as log events, a millisecond apart."""
        begun = int(self.started * 1000)
        return [
            {"timestamp": begun + number, "ingestionTime": begun + number, "message": line}
            for number, line in enumerate(self.lines)
        ]


def streams_of(job: Job) -> Iterator[Stream]:
    """Find the streams of a job. A sub-job that was given an empty list of lines has none."""
    subs = job.sub_jobs()
    for sub in subs:
        lines = _lines(job, sub, is_last=sub is subs[-1])
        if not lines:
            continue
        if sub.stage.resource == "endpoint":
            instance = f"i-{zlib.crc32(sub.name.encode()):017x}"
            yield Stream(f"{sub.stage.log_group}/{sub.name}", f"AllTraffic/{instance}", sub.started, lines)
        elif sub.stage.key == "hpoJob":
            for trial in job.trials():
                yield Stream(sub.stage.log_group, _container(trial.name, trial.started), trial.started, lines)
        else:
            yield Stream(sub.stage.log_group, _container(sub.name, sub.started), sub.started, lines)


def _container(name: str, started: float) -> str:
    return f"{name}/algo-1-{int(started)}"


def _lines(job: Job, sub: SubJob, is_last: bool) -> list[str]:
    if sub.stage.key in job.log_lines:
        return job.log_lines[sub.stage.key]
    if is_last and job.life.log_lines is not None:
        return list(job.life.log_lines)
    lines = [f"{sub.stage.key} of {job.id} has started"]
    if sub.status == "Failed":
        lines += job.life.reason.splitlines()
    elif sub.ended is not None:
        lines.append(f"{sub.stage.key} of {job.id} has ended: {sub.status}")
    return lines


class CloudWatchLogs:
    """Serves the two operations by which the lines of a job are found."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def serve(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an operation answers.

        :raises ServiceError: There is no such group or stream, or the arguments do not go together.
        """
        # In the console and in the API, a group can be given by name or by ARN.
        wanted = (
            params.get("logGroupName") or str(params.get("logGroupIdentifier", "")).split(":log-group:")[-1]
        )
        found = [
            stream
            for job in self._store.all()
            for stream in streams_of(job)
            if stream.group == wanted.rstrip(":*")
        ]
        if not found:
            raise ServiceError("ResourceNotFoundException", NO_GROUP)
        answer = _describe_streams if operation == "DescribeLogStreams" else _get_events
        return answer(found, params)


def _describe_streams(streams: list[Stream], params: Mapping[str, Any]) -> dict[str, Any]:
    prefix, by_time = params.get("logStreamNamePrefix"), params.get("orderBy") == "LastEventTime"
    if prefix is not None and by_time:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    found = [stream for stream in streams if stream.name.startswith(prefix or "")]
    found.sort(
        key=lambda stream: (stream.started if by_time else 0.0, stream.name),
        reverse=params.get("descending", False),
    )
    first, most = _place(params.get("nextToken")), params.get("limit", MOST_STREAMS)
    page = found[first : first + most]
    answer: dict[str, Any] = {"logStreams": [_describe_stream(stream) for stream in page]}
    if first + most < len(found):
        answer["nextToken"] = str(first + most)
    return answer


def _describe_stream(stream: Stream) -> dict[str, Any]:
    events = stream.events()
    return {
        "logStreamName": stream.name,
        "creationTime": int(stream.started * 1000),
        "firstEventTimestamp": events[0]["timestamp"],
        "lastEventTimestamp": events[-1]["timestamp"],
        "lastIngestionTime": events[-1]["timestamp"],
    }


def _get_events(streams: list[Stream], params: Mapping[str, Any]) -> dict[str, Any]:
    stream = next((stream for stream in streams if stream.name == params["logStreamName"]), None)
    if stream is None:
        raise ServiceError("ResourceNotFoundException", NO_STREAM)
    begun, until = params.get("startTime", 0), params.get("endTime")
    events = [
        event
        for event in stream.events()
        if event["timestamp"] >= begun and (until is None or event["timestamp"] < until)
    ]
    most, token = params.get("limit", MOST_EVENTS), params.get("nextToken")
    if token is None:
        first = 0 if params.get("startFromHead") else max(len(events) - most, 0)
        last = first + most
    elif token.startswith("f/"):
        first = _place(token[2:])
        last = first + most
    else:
        last = _place(token[2:])
        first = max(last - most, 0)
    last = min(last, len(events))
    return {
        "events": events[first:last],
        "nextForwardToken": f"f/{last}",
        "nextBackwardToken": f"b/{first}",
    }


def _place(token: str | None) -> int:
    if token is None:
        return 0
    if not token.isascii() or not token.isdigit():
        raise invalid("The specified nextToken is invalid.")
    return int(token)
