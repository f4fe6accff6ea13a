"""Let the same templates work in every callback, also where Airflow's context holds no task instance.

What Airflow 3.3 gives a callback:

* a task's callback: the context of its task instance
* a DAG's callback: mostly the context of the run's last task instance, so that ``ti.xcom_pull`` needs
  ``task_ids``; if Airflow has none for it, only ``dag`` and ``run_id``
* the callback of a DeadlineAlert: ``dag_run`` and ``deadline`` as plain dictionaries, in which the run's id
  is ``dag_run.dag_run_id``
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_neptune_ml.airflow_versions import in_dag_processor, xcoms_are_told


def with_task_instance(context: Any, *, in_triggerer: bool) -> Any:
    """Return the context, with a stand-in for ``ti`` and with ``run_id`` if it has no task instance.

    In the DAG processor of Airflow 3.0 it stands for a task instance too, whose XComs nobody would tell.
    """
    if not context or (context.get("ti") is not None and xcoms_are_told()):
        return context
    # Imported here, not above: a DAG file's parse must not pay for what only a callback needs.
    from airflow_neptune_ml.execution.run_xcoms import RunXComs

    dag_run, dag = context.get("dag_run"), context.get("dag")
    if isinstance(dag_run, Mapping):
        run_id = dag_run.get("dag_run_id") or dag_run.get("run_id")
        xcoms = RunXComs(dag_run["dag_id"], run_id or "", can_read=in_triggerer)
    elif dag is not None and context.get("run_id"):
        told = {
            name: getattr(context.get("ti"), name, None) for name in ("task_id", "try_number", "max_tries")
        }
        xcoms = RunXComs(dag.dag_id, context["run_id"], can_read=xcoms_are_told(), **told)
    else:
        return context
    return {**context, "ti": xcoms, "task_instance": xcoms, "run_id": xcoms.run_id}


def is_tried_again(context: Any) -> bool:
    """Return whether Airflow tries a task again whose callback this is.

    A process that is lost cannot run the callback itself. The DAG processor of Airflow 3.0 to 3.2 then runs
    ``on_failure_callback`` although tries are left, and the next one may run already.
    """
    ti = context.get("ti") if context else None
    number = getattr(ti, "try_number", None)
    # The callback of a DAG has a reason, and that of a task in its own process has the error.
    if number is None or not in_dag_processor() or {"reason", "exception"} & context.keys():
        return False
    # An Airflow that does not tell the first leaves 0.
    retries = getattr(ti, "max_tries", 0) or getattr(context.get("task"), "retries", 0) or 0
    return bool(number <= retries)
