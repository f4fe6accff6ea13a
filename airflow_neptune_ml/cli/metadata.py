"""Airflow's metadata database, as far as it tells whose a job is. The same for Airflow 2.11 and 3.

Commands may read it with Airflow's models; tasks of Airflow 3 may not. Only columns are selected, never whole
objects, and no table is read as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from airflow.utils.session import create_session
from sqlalchemy import and_, distinct, or_, select
from sqlalchemy.exc import SQLAlchemyError

from airflow_neptune_ml import airflow_versions
from airflow_neptune_ml.airflow_versions import FINAL_STATES, IS_AIRFLOW_3
from airflow_neptune_ml.cli.process import CommandError, user_name

_AT_A_TIME = 500
"""Values in one IN; SQLite takes 999 parameters in older versions."""

_OVER = ("success", "failed")
_WORD = re.compile(r"[A-Za-z0-9-]+")
"""What may be a job's id."""


UNREADABLE = object()
"""The value of an XCom that the deployment's XCom backend cannot read."""


class MetadataUnreadable(CommandError):
    """The metadata database does not answer, or has not the tables that it should."""


class TaskKey(NamedTuple):
    """A task of a DAG run."""

    dag_id: str
    run_id: str
    task_id: str


class InstanceKey(NamedTuple):
    """A task instance; its map index is -1 if the task is not mapped."""

    task: TaskKey
    map_index: int


@dataclass(frozen=True)
class Instance:
    """What a task instance is at.

    :param state: Airflow's word; None if it has none yet
    :param max_tries: the generation of its jobs
    :param run_is_over: its DAG run has succeeded or failed
    """

    state: str | None
    try_number: int
    max_tries: int
    run_is_over: bool = False


class PushedXCom(NamedTuple):
    """One XCom with its value."""

    instance: InstanceKey
    key: str
    value: Any


class Metadata:
    """Answers questions about tasks; each with a session of its own, so always with what holds now."""

    def dag_ids(self, *, logged: bool = False) -> list[str]:
        """Return the ids of the DAGs that have runs.

        :param logged: of those instead that Airflow's audit log names; it keeps them when runs are deleted
        """
        from airflow.models import DagRun, Log

        column = Log.dag_id if logged else DagRun.dag_id
        with self._session() as session:
            return [dag_id for (dag_id,) in session.execute(select(distinct(column))) if dag_id]

    def task_ids(self, dag_id: str) -> list[str]:
        """Return the ids of all tasks that a DAG has ever run."""
        from airflow.models import TaskInstance

        with self._session() as session:
            rows = session.execute(
                select(distinct(TaskInstance.task_id)).where(TaskInstance.dag_id == dag_id)
            )
            return [task_id for (task_id,) in rows]

    def run_ids(self, dag_id: str) -> Iterator[str]:
        """Yield the ids of a DAG's runs, the newest first."""
        from airflow.models import DagRun

        query = select(DagRun.run_id).where(DagRun.dag_id == dag_id).order_by(DagRun.id.desc())
        with self._session() as session:
            for (run_id,) in session.execute(query.execution_options(yield_per=1000)):
                yield run_id

    def logged_tasks(self, dag_id: str) -> Iterator[TaskKey]:
        """Yield the tasks of a DAG that the audit log names, whether or not they are still there."""
        from airflow.models import Log

        query = (
            select(Log.run_id, Log.task_id)
            .where(Log.dag_id == dag_id, Log.run_id.is_not(None), Log.task_id.is_not(None))
            .distinct()
        )
        with self._session() as session:
            for run_id, task_id in session.execute(query.execution_options(yield_per=1000)):
                yield TaskKey(dag_id, run_id, task_id)

    def instances(self, tasks: Iterable[TaskKey]) -> dict[InstanceKey, Instance]:
        """Return all instances of tasks."""
        from airflow.models import DagRun
        from airflow.models import TaskInstance as TI

        columns = (TI.run_id, TI.map_index, TI.state, TI.try_number, TI.max_tries, DagRun.state)
        found: dict[InstanceKey, Instance] = {}
        with self._session() as session:
            for dag_id, task_id, run_ids in _by_task(tasks):
                query = (
                    select(*columns)
                    .join(DagRun, and_(DagRun.dag_id == TI.dag_id, DagRun.run_id == TI.run_id))
                    .where(TI.dag_id == dag_id, TI.task_id == task_id, TI.run_id.in_(run_ids))
                )
                for run_id, index, state, try_number, max_tries, run_state in session.execute(query):
                    key = InstanceKey(TaskKey(dag_id, run_id, task_id), index)
                    over = str(run_state) in _OVER
                    found[key] = Instance(state and str(state), try_number or 0, max_tries or 0, over)
        return found

    def unfinished_with(self, job_ids: Collection[str]) -> Iterator[tuple[str, InstanceKey]]:
        """Yield some of the ids, each with an unfinished task instance whose rendered arguments name it.

        Those of the cancel operators are left out: they wait for a job's end, and not for its result.
        """
        from airflow.models import TaskInstance as TI

        columns = (TI.dag_id, TI.run_id, TI.task_id, TI.map_index, TI.operator)
        unfinished = or_(TI.state.is_(None), TI.state.not_in(FINAL_STATES))
        wanted = set(job_ids)
        for model, belongs in airflow_versions.rendered_fields() if wanted else ():
            query = select(*columns, model.rendered_fields).join(model, belongs).where(unfinished)
            with self._session() as session:
                for *task, index, operator, fields in session.execute(
                    query.execution_options(yield_per=1000)
                ):
                    if not str(operator).startswith(("NeptuneMLCancel", "NeptuneMLDelete")):
                        named = _WORD.findall(json.dumps(fields, default=str))
                        for job_id in wanted.intersection(named):
                            yield job_id, InstanceKey(TaskKey(*task), index)

    def xcoms(
        self,
        keys: Sequence[str],
        *,
        tasks: Iterable[TaskKey] | None = None,
        dag_ids: Collection[str] | None = None,
    ) -> Iterator[PushedXCom]:
        """Yield what was pushed under some keys; what the XCom backend cannot read is :data:`UNREADABLE`.

        :param tasks: by these only; by all if None
        :param dag_ids: by tasks of these DAGs only; of all if None
        """
        model, deserialize = self._xcom
        columns = (model.dag_id, model.run_id, model.task_id, model.map_index, model.key, model.value)
        query = select(*columns).where(model.key.in_(keys))
        if dag_ids is not None:
            query = query.where(model.dag_id.in_(dag_ids))
        queries = (
            [query]
            if tasks is None
            else [
                query.where(model.dag_id == dag_id, model.task_id == task_id, model.run_id.in_(run_ids))
                for dag_id, task_id, run_ids in _by_task(tasks)
            ]
        )
        with self._session() as session:
            for query in queries:
                for row in session.execute(query.execution_options(yield_per=1000)):
                    key = InstanceKey(TaskKey(row.dag_id, row.run_id, row.task_id), row.map_index)
                    try:
                        value = deserialize(row)
                    except Exception:
                        value = UNREADABLE
                    yield PushedXCom(key, row.key, value)

    def note(self, event: str, text: str, instance: InstanceKey | None) -> None:
        """Write into Airflow's audit log, which the page of a task shows too.

        :param event: what happened, in one word
        :param instance: the task instance that it happened to
        """
        from airflow.models import Log

        where: dict[str, Any] = {}
        if instance is not None:
            where = {**instance.task._asdict(), "map_index": instance.map_index}
        with self._session() as session:
            session.add(Log(event, owner=user_name(), extra=text, **where))

    @cached_property
    def _xcom(self) -> tuple[Any, Callable[[Any], Any]]:
        from airflow.models import xcom

        backend = airflow_versions.XCom  # the configured one
        if not IS_AIRFLOW_3:
            return xcom.BaseXCom, backend.deserialize_value
        from airflow.sdk.bases.xcom import BaseXCom

        # The model reads what tasks and what the API have written. It knows no backend of somebody's own.
        has_own = backend.deserialize_value is not BaseXCom.deserialize_value
        return xcom.XComModel, (backend if has_own else xcom.XComModel).deserialize_value

    @contextmanager
    def _session(self) -> Iterator[Any]:
        try:
            with create_session() as session:
                yield session
        except SQLAlchemyError as error:
            raise MetadataUnreadable(
                f"Airflow's metadata database cannot be read: {_reason(error)}. Check [database] sql_alchemy_conn where "
                "this command runs, and that `airflow db migrate` was run."
            ) from error


def _by_task(tasks: Iterable[TaskKey]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield DAG, task and a number of runs, so that a query can use the index that begins with them."""
    runs: dict[tuple[str, str], list[str]] = {}
    for task in dict.fromkeys(tasks):
        runs.setdefault((task.dag_id, task.task_id), []).append(task.run_id)
    for (dag_id, task_id), run_ids in runs.items():
        for start in range(0, len(run_ids), _AT_A_TIME):
            yield dag_id, task_id, run_ids[start : start + _AT_A_TIME]


def _reason(error: SQLAlchemyError) -> str:
    """Return the driver's words without the statement and its parameters."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]
