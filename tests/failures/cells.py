"""What docs/what-ends-a-task.md says of each cell, for the Airflow that runs here."""

from __future__ import annotations

from demo.airflow_process import AIRFLOW_3
from docs.what_ends_a_task import read
from tests.failures.plugins.failure_rows import CANCEL_ON_KILL, CLEANUP

VERSION = "3.3" if AIRFLOW_3 else "2.11"

CELLS: dict[tuple[str, str], str] = {
    (name, way): row[VERSION][way]
    for name, row in read()["rows"].items()
    for way in row.get(VERSION, {})
    if row[VERSION][way] != "none"
}
"""The word of each row and way; without the mechanism that stops the job of a start operator as it comes, "running"."""

if not (CLEANUP and CANCEL_ON_KILL):
    CELLS |= {
        (name, "as_it_comes"): "running"
        for name, row in read()["rows"].items()
        if row.get(VERSION, {}).get("as_it_comes") == "stopped"
        and (name != "deferral_timeout" or CANCEL_ON_KILL)  # on_timeout="cancel" stops that one
        and (not CANCEL_ON_KILL or VERSION in row.get("cleanup", []))
    }
