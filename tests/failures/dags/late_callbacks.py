"""DAGs whose callbacks come late, and one with a user's own callback beside a cluster that never answers."""

from __future__ import annotations

import os
import time
from pathlib import Path

from failure_rows import HOLD, LATE, SILENT_DAG, TOLD
from holding import AsItComes
from row_dags import make

from airflow_neptune_ml.airflow_versions import DAG

HOME = Path(os.environ["AIRFLOW_HOME"])


def hold_up(context: object, longest: float = 30) -> None:
    """Take long, before the automatic cleanup gets its turn; Airflow kills this process after 50 s."""
    until = time.time() + longest
    while (HOME / HOLD).exists() and time.time() < until:
        time.sleep(0.2)


def tell(context: object) -> None:
    """Write down of which run this callback is, and in which process: what a user's own alarm would do."""
    with (HOME / TOLD).open("a") as told:
        told.write(f"{context['run_id']} {os.getpid()}\n")


for row in LATE:
    dag = make(row, ("as_it_comes",))
    dag.on_failure_callback = dag.on_success_callback = hold_up
    dag.has_on_failure_callback = dag.has_on_success_callback = True
    globals()[dag.dag_id] = dag

with DAG(SILENT_DAG, schedule=None, on_failure_callback=tell, max_active_runs=20) as silent:
    # No worker takes it, since there is no such pool: it is marked failed.
    AsItComes(task_id="hold", holds="running", poll_interval=2, aws_conn_id="silent", pool="missing")
