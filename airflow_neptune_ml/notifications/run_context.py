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
from dataclasses import dataclass
from typing import Any

from airflow_neptune_ml.airflow_versions import AirflowException


@dataclass(frozen=True)
class RunXComs:
    """What templates get as ``ti`` if Airflow gives no task instance: it can read the run's XComs only.

    :param can_read: whether XComs can be read in this process. In the process of a SyncCallback they cannot:
        its supervisor drops the request, and the reader waits forever (seen in 3.3.2)
    """

    dag_id: str
    run_id: str
    can_read: bool

    def xcom_pull(
        self,
        task_ids: str,
        dag_id: str | None = None,
        key: str = "return_value",
        *,
        map_indexes: int | None = None,
        default: Any = None,
    ) -> Any:
        """Return one XCom of the run, or *default*; the arguments are those of Airflow's own."""
        if not self.can_read:
            raise AirflowException(
                "A SyncCallback cannot read XComs. Use AsyncCallback, or a job id that needs no XCom."
            )
        from airflow_neptune_ml.airflow_versions import XCom

        value = XCom.get_one(
            key=key,
            dag_id=dag_id or self.dag_id,
            task_id=task_ids,
            run_id=self.run_id,
            map_index=map_indexes,
        )
        return default if value is None else value


def with_task_instance(context: Any, *, in_triggerer: bool) -> Any:
    """Return the context, with a stand-in for ``ti`` and with ``run_id`` if it has no task instance."""
    if not context or context.get("ti") is not None:
        return context
    dag_run, dag = context.get("dag_run"), context.get("dag")
    if isinstance(dag_run, Mapping):
        run_id = dag_run.get("dag_run_id") or dag_run.get("run_id")
        xcoms = RunXComs(dag_run["dag_id"], run_id or "", can_read=in_triggerer)
    elif dag is not None and context.get("run_id"):
        xcoms = RunXComs(dag.dag_id, context["run_id"], can_read=True)
    else:
        return context
    return {**context, "ti": xcoms, "task_instance": xcoms, "run_id": xcoms.run_id}
