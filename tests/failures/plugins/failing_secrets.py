"""A secrets backend whose lookups fail for a while, as one that throttles, or that is away.

Airflow says then that the connection is not defined, as of one that nobody has ever made.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.secrets import BaseSecretsBackend

LOOKUPS_FAIL = 20.0
"""Seconds for which no lookup of the connection succeeds, from the first that fails."""

FOLDER = Path(os.environ.get("AIRFLOW_HOME", ".")) / "secrets"


class FailingSecrets(BaseSecretsBackend):
    """Give the connections of a folder; fail while a file says so."""

    def get_conn_value(self, conn_id: str, *_: Any, **__: Any) -> str | None:
        """Return the connection as JSON; None: it stands elsewhere."""
        found = FOLDER / f"{conn_id}.json"
        if not found.is_file():
            return None
        armed = FOLDER / f"{conn_id}.armed"
        if armed.exists():
            armed.write_text(str(time.time() + LOOKUPS_FAIL))
            armed.rename(FOLDER / f"{conn_id}.until")
        if time.time() < fails_until(conn_id):
            with (FOLDER / f"{conn_id}.struck").open("a") as struck:
                struck.write(f"{os.getpid()} {time.time()}\n")
            raise RuntimeError("The secrets backend throttles.")
        return found.read_text()


def fail(conn_id: str, folder: Path = FOLDER) -> None:
    """Let the lookups of a connection fail for a while, from the next one on."""
    (folder / f"{conn_id}.armed").touch()


def fails_until(conn_id: str, folder: Path = FOLDER) -> float:
    """Return until when the lookups of a connection fail, in seconds since the epoch; 0: none has failed yet."""
    until = folder / f"{conn_id}.until"
    return float(until.read_text() or 0) if until.exists() else 0.0


def struck(conn_id: str, folder: Path = FOLDER) -> int:
    """Return how many lookups of a connection have failed."""
    failed = folder / f"{conn_id}.struck"
    return len(failed.read_text().splitlines()) if failed.exists() else 0


def keep(connections: Mapping[str, str], folder: Path = FOLDER) -> None:
    """Take connections, as JSON, by their ids."""
    folder.mkdir(parents=True, exist_ok=True)
    for conn_id, connection in connections.items():
        (folder / f"{conn_id}.json").write_text(connection)
