"""Jobs in a file, so that they outlive the process."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.lives import Life
from airflow_neptune_ml.local.store import Store

FORM = 1
"""The form of the file; one of another form is refused."""


class StateFile:
    """Writes all jobs into a file, and reads them again.

    Times are kept in seconds since the epoch: a job that ran for a minute when the service ended, an hour
    ago, has run for an hour and a minute. Requests, faults and expected lives are not kept, nor what has
    changed since the last save but the counts of Gets.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, store: Store) -> None:
        """Put the jobs there that the file has; without a file there are none.

        :raises ValueError: The file is none of these.
        """
        try:
            saved = json.loads(self._path.read_text())
            if saved["form"] != FORM:
                raise ValueError(f"its form is {saved['form']}, not {FORM}")
            store.restore(
                [_read(one) for one in saved["jobs"]], [(kind, name) for kind, name in saved["gone"]]
            )
        except FileNotFoundError:
            return
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self._path} holds no jobs of a local Neptune ML: {error}") from error

    def save(self, store: Store) -> None:
        """Write the file whole and rename it into place."""
        jobs = [_write(job) for job in store.all()]
        written = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        written.write_text(json.dumps({"form": FORM, "jobs": jobs, "gone": sorted(store.gone)}))
        written.replace(self._path)


def _write(job: Job) -> dict[str, Any]:
    life = {field.name: getattr(job.life, field.name) for field in fields(Life)}
    return {"kind": job.kind.name, "life": life, "names": asdict(job.names), "state": job.state()}


def _read(saved: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**saved, "life": Life(**saved["life"])}
