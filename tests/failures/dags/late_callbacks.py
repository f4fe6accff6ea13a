"""DAGs whose callbacks come late, and one with a user's own callback beside a cluster that never answers."""

from __future__ import annotations

import os
import time
from pathlib import Path

from failure_rows import HOLD, LATE, SILENT_DAG, TOLD
from holding import AsItComes
from row_dags import make
from setproctitle import getproctitle

from airflow_neptune_ml.airflow_versions import DAG

HOME = Path(os.environ["AIRFLOW_HOME"])


def wait_for_release(longest: float = 40) -> None:
    """Hold a DAG processor up before it gets to callbacks; it kills this process after 50 s."""
    until = time.time() + longest
    while "DagFileProcessor" in getproctitle() and (HOME / HOLD).exists() and time.time() < until:
        time.sleep(0.2)


def tell(context: object) -> None:
    """Write down of which run this callback is: what a user's own alarm would do."""
    with (HOME / TOLD).open("a") as told:
        told.write(f"{context['run_id']}\n")


wait_for_release()

for row in LATE:
    dag = make(row, ("as_it_comes",))
    globals()[dag.dag_id] = dag

with DAG(SILENT_DAG, schedule=None, on_failure_callback=tell, max_active_runs=20) as silent:
    # No worker takes it, since there is no such pool: it is marked failed.
    AsItComes(task_id="hold", holds="running", poll_interval=2, aws_conn_id="silent", pool="missing")
