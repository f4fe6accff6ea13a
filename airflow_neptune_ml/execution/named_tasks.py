"""The tasks that ``started_by`` of a cancel operator or of the notifier names, as the DAG at hand knows
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple

from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError, NeptuneMLError
from airflow_neptune_ml.job_ids import as_text, is_missing
from airflow_neptune_ml.job_kinds import KINDS, JobKind


class NamedTasks(NamedTuple):
    """The tasks that were named.

    :param of_kind: the name of each kind of job that they start, to the ids of the tasks that start it
    :param problem: what is wrong with the others, to be raised after these tasks' jobs were stopped; None if
        nothing is
    """

    of_kind: Mapping[str, Sequence[str]]
    problem: NeptuneMLError | None

    @classmethod
    def of(cls, started_by: Any, kind: JobKind, context: Any) -> NamedTasks:
        """Look up the tasks that a rendered ``started_by`` names; without a DAG at hand all are taken as they
        are.

        :param kind: of the jobs that a task starts which does not tell it
        :raises NeptuneMLConfigurationError: it names no task
        """
        named, dag = _ids_in(started_by), context.get("dag")
        unknown = [task_id for task_id in named if dag is not None and not dag.has_task(task_id)]
        of_kind: dict[str, list[str]] = {}
        for task_id in named:
            if task_id not in unknown:
                started = kind_started_by(dag.get_task(task_id)) if dag is not None else None
                of_kind.setdefault((started or kind).name, []).append(task_id)
        if not unknown:
            return cls(of_kind, None)
        return cls(
            of_kind,
            NeptuneMLConfigurationError(
                f"started_by names {', '.join(map(repr, unknown))}, and {dag.dag_id} has no such task. A task in a group has "
                f"the group's id in front, as in 'group.train'. It has: {', '.join(sorted(dag.task_ids))}."
            ),
        )

    def only(self, kind: JobKind) -> tuple[Sequence[str], NeptuneMLError | None]:
        """Return the tasks that start this kind of job, and what is wrong with all others.

        :raises NeptuneMLConfigurationError: no task that was named can have started such a job
        """
        problems = [
            f"started_by names {task_id!r}, which starts a {KINDS[other].title} and no {kind.title}. What stops a "
            f"{KINDS[other].title} has the kind {other!r}."
            for other, task_ids in self.of_kind.items()
            for task_id in task_ids
            if other != kind.name
        ]
        problems += [str(self.problem)] if self.problem else []
        problem = NeptuneMLConfigurationError(" ".join(problems)) if problems else None
        right = self.of_kind.get(kind.name, ())
        if problem and not right:
            raise problem
        return right, problem


def kind_started_by(task: Any) -> JobKind | None:
    """Return the kind of jobs that a task starts; None if it is no start operator, or not known to be one.

    :param task: an operator, what Airflow keeps of a mapped one, or a serialized one, as ``dag.test()`` gives
        callbacks
    """
    operator = getattr(task, "operator_class", None) or type(task)
    if module := getattr(task, "_task_module", None):
        with suppress(ImportError):
            operator = getattr(import_module(module), task.task_type, operator)
    return KINDS.get(getattr(operator, "kind", "")) if hasattr(operator, "members") else None


def _ids_in(started_by: Any) -> list[str]:
    several = (
        started_by if isinstance(started_by, Sequence) and not isinstance(started_by, str) else [started_by]
    )
    task_ids = [as_text(task_id) for task_id in several]
    if not task_ids or not all(isinstance(task, str) and not is_missing(task) for task in task_ids):
        raise NeptuneMLConfigurationError(
            f"started_by must be the id of a task, or a list of them, and is {started_by!r}. What its template was to give "
            "is probably missing."
        )
    return list(dict.fromkeys(task_ids))
