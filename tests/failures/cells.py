"""What docs/what-ends-a-task.md says of each cell, for the Airflow that runs here."""

from __future__ import annotations

from demo.airflow_process import AIRFLOW_3
from docs.what_ends_a_task import read
from tests.failures.plugins.failure_rows import CLEANUP

VERSION = "3.3" if AIRFLOW_3 else "2.11"

CELLS: dict[tuple[str, str], str] = {
    (name, way): row[VERSION][way]
    for name, row in read()["rows"].items()
    for way in row.get(VERSION, {})
    if row[VERSION][way] != "none"
}
"""The word of each row and way. Without the automatic cleanup, what it alone stops is left running."""

if not CLEANUP:
    CELLS |= {
        (name, "as_it_comes"): "running"
        for name, row in read()["rows"].items()
        if VERSION in row.get("cleanup", [])
    }
