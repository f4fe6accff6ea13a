"""Two hundred waits, twenty to a DAG: the triggerer is given a whole serialized DAG with each of them."""

from __future__ import annotations

from failure_rows import MANY_WAITS, WAITS_PER_DAG, many_waits_job_id
from holding import WaitWithoutWorker

from airflow_neptune_ml.airflow_versions import DAG

for first in range(0, MANY_WAITS, WAITS_PER_DAG):
    with DAG(f"many_waits_{first:03}", schedule=None, max_active_tasks=WAITS_PER_DAG) as dag:
        for number in range(first, first + WAITS_PER_DAG):
            WaitWithoutWorker(
                task_id=f"wait_{number:03}", job_id=many_waits_job_id(number), poll_interval=5, retries=0
            )
    globals()[dag.dag_id] = dag
