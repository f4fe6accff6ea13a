"""The XComs of a DAG run, for callbacks that have no task instance, or another one than they need."""

from __future__ import annotations

from typing import Any

from airflow_neptune_ml.airflow_versions import AirflowException, states_are_told, task_states


class RunXComs:
    """What templates get as ``ti`` if Airflow gives no task instance: it can read the run's XComs only.

    :param can_read: whether XComs can be read in this process. In the process of a SyncCallback they cannot,
        nor in the DAG processor of Airflow 3.0: the request is dropped, and the reader waits forever (seen in
        3.3.2)
    :param known: what is known of the task instance that it stands for, such as ``task_id``. A template that
        needs something else fails
    """

    def __init__(self, dag_id: str, run_id: str, *, can_read: bool, **known: Any) -> None:
        self.dag_id = dag_id
        self.run_id = run_id
        self.can_read = can_read
        vars(self).update(known)

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
                "A SyncCallback cannot read XComs, nor can a DAG's callback in Airflow 3.0. Use AsyncCallback, or a job id "
                "that needs no XCom."
            )
        # Here, since Airflow resolves its XCom backend at this import.
        from airflow_neptune_ml.airflow_versions import XCom

        dag_id = dag_id or self.dag_id

        def get(map_index: int | None) -> Any:
            return XCom.get_one(
                key=key, dag_id=dag_id, task_id=task_ids, run_id=self.run_id, map_index=map_index
            )

        value = get(map_indexes)
        if value is None and map_indexes is None and states_are_told():
            # Without an index Airflow 3 gives the XCom of a task that is not mapped.
            instances = sorted(index for index in task_states(dag_id, self.run_id, task_ids) if index >= 0)
            value = [found for index in instances if (found := get(index)) is not None] or None
        return default if value is None else value
