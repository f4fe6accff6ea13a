"""Checking job ids before they go anywhere. Standard library only.

Neptune ML allows 1 to 48 letters, digits or hyphens, as its documented errors say. An id is the last part of
the request's path, so a wrong value does harm: behind a proxy, ``..`` turns ``DELETE /ml/modeltraining/..``
into ``DELETE /ml/``, and an empty id leaves the path without its last part.
"""

from __future__ import annotations

import re
from typing import Any

MAX_LENGTH = 48


def is_missing(job_id: object) -> bool:
    """Tell whether *job_id* means that there is no id: None, only white space, or the text "None".

    A Jinja template of an XCom that was never pushed renders as the string ``None``.
    """
    return job_id is None or (isinstance(job_id, str) and job_id.strip() in ("", "None"))


def as_text(job_id: Any) -> Any:
    """Return a number as its digits, and anything else as it is.

    One of Airflow's native templates makes a number of an id of digits.
    """
    return str(job_id) if isinstance(job_id, int) and not isinstance(job_id, bool) else job_id


def problem_with(job_id: Any) -> str | None:
    """Return what is wrong with *job_id* as a Neptune ML job id, or None if nothing is."""
    job_id = as_text(job_id)
    if is_missing(job_id):
        return (
            f"The job id is {job_id!r}, which means that there is none. The task that should have given it "
            "probably did not run, or failed before it pushed its XCom."
        )
    if not isinstance(job_id, str):
        return f"The job id must be a string, not {type(job_id).__name__}: {str(job_id)[:80]!r}."
    if len(job_id) > MAX_LENGTH:
        return f"The job id has {len(job_id)} characters, Neptune ML allows {MAX_LENGTH}: {job_id[:80]!r}."
    if not re.fullmatch(r"[A-Za-z0-9-]+", job_id, re.ASCII):
        return f"The job id {job_id!r} must contain only letters A to Z, digits and hyphens."
    return None
