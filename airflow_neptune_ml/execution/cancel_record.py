"""What a cancel operator tells of each job that it was to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_neptune_ml.wait_result import member

RESULT_KEYS = ("job_id", "status", "previous_status", "cancel_status", "outcome")

Record = dict[str, Any]
"""What is known of one job, under the keys above; None before anything is."""

_WEIGHT = ("no_job", "not_found", "already_finished", "cancelling", "cancelled", None)


def record_of(job_id: Any) -> Record:
    """Return the record of a job of which nothing is known yet.

    What is no string, as a native template may make of an id, names no job, and may hold a secret.
    """
    return dict.fromkeys(RESULT_KEYS) | {"job_id": job_id if isinstance(job_id, str) else None}


def records_in(carried: Mapping[str, Any]) -> list[Record]:
    """Return the records that a worker gave its trigger, as far as they are whole."""
    records = member(carried, "records", list, [])
    return [record for record in records if isinstance(record, dict) and record.keys() >= set(RESULT_KEYS)]


def summary(records: Sequence[Record], *, of_tasks: bool) -> dict[str, Any]:
    """Return the XCom: of several jobs the last that was cancelled, or that is in the way of success, stands
    for all.

    :param of_tasks: whether tasks were named and no job, so that there may be several
    """
    newest_first = records[::-1] or [record_of(None)]
    record = max(newest_first, key=lambda record: _WEIGHT.index(record["outcome"]))
    if not of_tasks:
        return dict(record)
    return {**record, "jobs": [record for record in records if record["job_id"]]}


def outcome_sentence(record: Record) -> str:
    """Return what became of one job, as a sentence for the task's log."""
    job, before, now = record["job_id"], record["previous_status"], record["status"]
    sentences = {
        "cancelled": f"Cancelled {job}: it was {before} and is now {now or 'gone'}.",
        "cancelling": f"Asked Neptune ML to stop {job}: it was {before} and is {now or 'gone'}. Nothing waits for its end.",
        "already_finished": f"No cancel was needed: {job} is {now or 'gone'}.",
        "not_found": f"No cancel was needed: Neptune ML does not know {job}.",
        "no_job": "No cancel was needed: there is no job.",
    }
    return sentences.get(record["outcome"], f"What became of {job} is not known; it was {before}.")
