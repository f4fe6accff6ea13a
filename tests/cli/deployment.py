"""Runs, task instances and XComs in the metadata database, as a scheduler and tasks would have written them.

Made with Airflow's own models: three hundred real tasks would take half an hour.
"""

from __future__ import annotations

import importlib.metadata
from datetime import UTC, datetime

from airflow import settings
from airflow.models import DagRun, Log, TaskInstance
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.utils.session import create_session
from sqlalchemy import create_engine, delete
from sqlalchemy.orm import sessionmaker

from airflow_neptune_ml.job_families import JobFamily

NAMESPACE = "tests"
AIRFLOW_2 = importlib.metadata.version("apache-airflow").startswith("2.")
if AIRFLOW_2:
    from airflow.models.xcom import XCom
else:
    from airflow.models.xcom import XComModel as XCom


# Airflow 3.4 calls the column otherwise, and keeps rendered arguments by the task instance's id.
MAP_INDEX = "map_index" if "map_index" in TaskInstance.__table__.columns else "region_index"


class Deployment:
    """What the metadata database knows.

    :param namespace: that of the deployment whose jobs :meth:`job_id` names
    """

    def __init__(self, namespace=NAMESPACE):
        self.namespace = namespace
        self._moments = iter(range(10**6))

    def add(
        self,
        dag_id,
        run_id,
        task_id,
        state,
        *,
        map_index=-1,
        max_tries=0,
        generation=None,
        attempt=1,
        run_state="running",
    ):
        """Add a task instance, and its run if it is not there; return the id of its job.

        :param max_tries: of the task instance
        :param generation: of the job, if that is another one
        """
        self.add_run(dag_id, run_id, run_state)
        with create_session() as session:
            session.execute(
                TaskInstance.__table__.insert().values(
                    dag_id=dag_id,
                    run_id=run_id,
                    task_id=task_id,
                    **{MAP_INDEX: map_index},
                    state=state,
                    try_number=1,
                    max_tries=max_tries,
                    pool="default_pool",
                )
            )
            session.add(Log("running", dag_id=dag_id, task_id=task_id, run_id=run_id, map_index=map_index))
        generation = max_tries if generation is None else generation
        return self.job_id(
            dag_id, run_id, task_id, generation=generation, attempt=attempt, map_index=map_index
        )

    def add_run(self, dag_id, run_id, state="running"):
        """Add a run, if it is not there."""
        with create_session() as session:
            if session.query(DagRun.id).filter_by(dag_id=dag_id, run_id=run_id).first():
                return
            moment = datetime.fromtimestamp(next(self._moments), UTC)
            session.execute(DagRun.__table__.insert().values(**run_row(dag_id, run_id, moment, state)))

    def job_id(self, dag_id, run_id, task_id, *, generation=0, attempt=1, map_index=-1):
        family = JobFamily.of(self.namespace, dag_id, run_id, task_id)
        return family.job_id(generation=generation, attempt=attempt, map_index=map_index)

    def push(self, dag_id, run_id, task_id, key, value, *, map_index=-1):
        with create_session() as session:
            XCom.set(
                key=key,
                value=value,
                dag_id=dag_id,
                run_id=run_id,
                task_id=task_id,
                map_index=map_index,
                session=session,
            )

    def render(self, dag_id, run_id, task_id, *, operator=None, **fields):
        """Keep a task instance's rendered arguments, as Airflow does before each try."""
        self._update(dag_id, run_id, task_id, operator=operator)
        key = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id}
        with create_session() as session:
            if MAP_INDEX == "region_index":
                (row,) = session.query(TaskInstance.id).filter_by(**key).one()
                key = {"task_instance_id": row}
            row = {**key, "rendered_fields": fields}
            session.execute(RenderedTaskInstanceFields.__table__.insert().values(**row))

    def set_state(self, dag_id, run_id, task_id, state):
        self._update(dag_id, run_id, task_id, state=state)

    def delete_run(self, dag_id, run_id):
        with create_session() as session:
            session.execute(delete(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))

    def _update(self, dag_id, run_id, task_id, **values):
        with create_session() as session:
            found = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id, task_id=task_id)
            found.update(values)


def take_database_away(patch):
    """Let Airflow's metadata database be one that cannot be read."""
    patch.setattr(settings, "Session", sessionmaker(create_engine("sqlite:////nowhere/airflow.db")))


def run_row(dag_id, run_id, moment, state="running"):
    """Return the columns of a DAG run."""
    date = "execution_date" if AIRFLOW_2 else "logical_date"
    run = {"dag_id": dag_id, "run_id": run_id, "run_type": "manual", "state": state}
    return {**run, date: moment, "data_interval_start": moment, "data_interval_end": moment}
