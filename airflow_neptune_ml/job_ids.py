"""Checking job ids before they go anywhere. Standard library only.

Neptune allows 1 to 48 letters, digits or hyphens (its documented errors say so). An id is the last part of
the request's path, so a stray value does harm: ``..`` turns ``DELETE /ml/modeltraining/..`` into
``DELETE /ml/`` behind a proxy, and an empty one is sent as it is.
"""

from __future__ import annotations

import re
from typing import Any

MAX_LENGTH = 48
_JOB_ID = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


def is_missing(job_id: object) -> bool:
    """Tell whether *job_id* stands for no id at all: None, nothing but white space, or a template's "None".

    A Jinja template of an XCom that was never pushed renders as the string ``None``.
    """
    return job_id is None or (isinstance(job_id, str) and job_id.strip() in ("", "None"))


def problem_with(job_id: Any) -> str | None:
    """Return what is wrong with *job_id* as a Neptune ML job id, or None if nothing is."""
    if is_missing(job_id):
        return (
            f"The job id is {job_id!r}, which means that there is none. The task that should have given it "
            "probably did not run, or failed before it pushed its XCom."
        )
    if not isinstance(job_id, str):
        return f"The job id must be a string, not {type(job_id).__name__}: {str(job_id)[:80]!r}."
    if len(job_id) > MAX_LENGTH:
        return f"The job id has {len(job_id)} characters, Neptune ML allows {MAX_LENGTH}: {job_id[:80]!r}."
    if not _JOB_ID.fullmatch(job_id):
        return f"The job id {job_id!r} must contain only letters A to Z, digits and hyphens."
    return None
