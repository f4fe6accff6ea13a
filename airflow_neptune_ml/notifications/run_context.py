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
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.airflow_versions import in_dag_processor, states_are_told, xcoms_are_told

if TYPE_CHECKING:
    from airflow_neptune_ml.execution.final_jobs import Kept


def with_task_instance(context: Any, *, in_triggerer: bool) -> Any:
    """Return the context, with a stand-in for ``ti`` and with ``run_id`` if it has no task instance.

    In the DAG processor of Airflow 3.0, where XComs cannot be read, it replaces a task instance too.
    """
    if not context or (context.get("ti") is not None and xcoms_are_told()):
        return context
    from airflow_neptune_ml.execution.run_xcoms import RunXComs

    dag_run, dag = context.get("dag_run"), context.get("dag")
    if isinstance(dag_run, Mapping):
        run_id = dag_run.get("dag_run_id") or dag_run.get("run_id")
        xcoms = RunXComs(dag_run["dag_id"], run_id or "", can_read=in_triggerer)
    elif dag is not None and context.get("run_id"):
        ti, names = context.get("ti"), ("task_id", "map_index", "try_number", "max_tries")
        known = {name: getattr(ti, name) for name in names if hasattr(ti, name)}
        xcoms = RunXComs(dag.dag_id, context["run_id"], can_read=xcoms_are_told(), **known)
    else:
        return context
    return {**context, "ti": xcoms, "task_instance": xcoms, "run_id": xcoms.run_id}


def why_outdated(context: Any) -> Kept | None:
    """Return why the callback of a task may not cancel anything, None if it may.

    A process that is lost cannot run the callback itself: the DAG processor does, some time later. A user may
    have cleared the task meanwhile, and Airflow 3.0 to 3.2 run ``on_failure_callback`` although tries are
    left. So the task's state decides. Airflow 3.0 does not tell it there; then the numbers do.
    """
    ti: Any = context.get("ti") if context else None
    number = getattr(ti, "try_number", None)
    # The callback of a DAG has a reason, and that of a task in its own process has the error.
    if number is None or not in_dag_processor() or {"reason", "exception"} & context.keys():
        return None
    from airflow_neptune_ml.execution.final_jobs import Kept, why_task_goes_on

    if states_are_told():
        return why_task_goes_on(ti.dag_id, ti.run_id, ti.task_id, getattr(ti, "map_index", -1))
    # An Airflow that does not tell the first leaves 0.
    retries = getattr(ti, "max_tries", 0) or getattr(context.get("task"), "retries", 0) or 0
    return Kept(f"{ti.task_id} has tries left", in_doubt=False) if number <= retries else None
