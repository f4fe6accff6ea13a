"""The DAG of a row of the matrix and of the ways that share its run."""

from __future__ import annotations

from datetime import timedelta

from failure_rows import (
    ALONE,
    DAGRUN_TIMEOUT,
    DEFERRAL_TIMEOUT,
    EXECUTION_TIMEOUT,
    POLL_INTERVAL,
    ROWS,
    Row,
    chosen,
)
from holding import AsItComes, HoldTraining, Nothing

from airflow_neptune_ml.airflow_versions import DAG
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator

try:
    from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference
except ImportError:
    try:  # 3.1
        from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference
    except ImportError:  # Airflow 2
        DeadlineAlert = None


def job_of(way: str) -> str:
    return f"{{{{ ti.xcom_pull(task_ids='hold', key='{way}') }}}}"


def deadline(row: Row) -> dict[str, object]:
    if DeadlineAlert is None:
        return {}
    return {
        "deadline": DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(seconds=row.deadline),
            callback=AsyncCallback(NeptuneMLCancelJobNotifier, kwargs={"job_id": job_of("deadline")}),
        )
    }


def dags_of(name: str) -> dict[str, DAG]:
    """Return the DAGs of a row by their ids: one that a teardown cleans up after, and one for the other ways."""
    (row,) = (row for row in ROWS if row.name == name)
    groups = [group for group in row.groups if group != ("deadline",) or DeadlineAlert is not None]
    return {row.dag_id(group): make(row, group) for group in groups if chosen(row, group)}


def make(row: Row, group: tuple[str, ...]) -> DAG:
    def notifier(way: str) -> NeptuneMLCancelJobNotifier | None:
        return NeptuneMLCancelJobNotifier(job_id=job_of(way)) if way in group else None

    with DAG(
        row.dag_id(group),
        schedule=None,
        dagrun_timeout=timedelta(seconds=DAGRUN_TIMEOUT) if row.name.startswith("dagrun_timeout") else None,
        on_failure_callback=notifier("notifier_dag"),
        **(deadline(row) if "deadline" in group else {}),
    ) as dag:
        common: dict[str, object] = {
            "task_id": "hold",
            "holds": row.holds,
            "poll_interval": POLL_INTERVAL,
            "defer_timeout": DEFERRAL_TIMEOUT if row.name == "deferral_timeout" else None,
            "execution_timeout": timedelta(seconds=EXECUTION_TIMEOUT)
            if row.name.startswith("execution_timeout")
            else None,
            "retries": row.retries,
            "retry_delay": timedelta(seconds=row.retry_delay),
        }
        if group in ALONE:
            common |= {"aws_conn_id": row.conn_id, "breaks": row.name}
            one = (
                AsItComes.partial(**common).expand(number=list(range(row.instances)))
                if row.instances
                else None
            )
            hold = one or AsItComes(**common)
            if row.succeeds:
                hold >> Nothing(task_id="last", trigger_rule="all_done")
            return dag
        hold = HoldTraining(
            **common,
            # A cleared task has another job, as with the start operators, which derive the id.
            job_ids={way: row.job_id(way).removesuffix("1") + "{{ ti.try_number }}" for way in group},
            cancel_on_kill="cancel_on_kill" in group,
            on_failure_callback=notifier("notifier_task"),
        )
        if group[0].startswith("teardown"):
            cancel = NeptuneMLCancelTrainingOperator(
                task_id="cancel", job_id=job_of(group[0]), deferrable=False, poll_interval=1, retries=0
            )
            hold >> cancel.as_teardown(setups=[hold] if group[0] == "teardown_of_setup" else [])
    return dag
