"""The tasks that ``started_by`` of a cancel operator or of the notifier names, as the DAG at hand knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_neptune_ml.arguments import configuration_error
from airflow_neptune_ml.job_ids import as_text, is_missing
from airflow_neptune_ml.job_kinds import KINDS, JobKind

if TYPE_CHECKING:
    from airflow_neptune_ml.exceptions import NeptuneMLError


class NamedTasks(NamedTuple):
    """The tasks that were named.

    :param task_ids: of those that may have started jobs of the kind
    :param problem: what is wrong with the others, to be raised after these tasks' jobs were stopped; None if nothing is
    """

    task_ids: list[str]
    problem: NeptuneMLError | None

    @classmethod
    def of(cls, started_by: Any, kind: JobKind, context: Any) -> NamedTasks:
        """Look up the tasks that a rendered ``started_by`` names; without a DAG at hand all are taken as they are.

        :param kind: of the jobs that are to be stopped
        :raises NeptuneMLConfigurationError: no task that was named can have started such a job
        """
        named, dag = _ids_in(started_by), context.get("dag")
        if dag is None:
            return cls(named, None)
        unknown = [task_id for task_id in named if not dag.has_task(task_id)]
        kinds = {
            task_id: kind_started_by(dag.get_task(task_id)) for task_id in named if task_id not in unknown
        }
        others = {task_id: other for task_id, other in kinds.items() if other not in (None, kind)}
        problems = [
            f"started_by names {task_id!r}, which starts a {other.title} and no {kind.title}. What stops a {other.title} "
            f"has the kind {other.name!r}."
            for task_id, other in others.items()
            if other
        ]
        if unknown:
            problems.append(
                f"started_by names {', '.join(map(repr, unknown))}, and {dag.dag_id} has no such task. A task in a group has "
                f"the group's id in front, as in 'group.train'. It has: {', '.join(sorted(dag.task_ids))}."
            )
        problem = configuration_error(" ".join(problems)) if problems else None
        right = [task_id for task_id in kinds if task_id not in others]
        if problem and not right:
            raise problem
        return cls(right, problem)


def kind_started_by(task: Any) -> JobKind | None:
    """Return the kind of jobs that a task starts; None if it is no start operator, or not known to be one."""
    # Of a mapped task there is the class of what it will be, and of a serialized one neither.
    operator = getattr(task, "operator_class", None) or type(task)
    return KINDS.get(getattr(operator, "kind", "")) if hasattr(operator, "members") else None


def _ids_in(started_by: Any) -> list[str]:
    several = (
        started_by if isinstance(started_by, Sequence) and not isinstance(started_by, str) else [started_by]
    )
    task_ids = [as_text(task_id) for task_id in several]
    if not task_ids or not all(isinstance(task, str) and not is_missing(task) for task in task_ids):
        raise configuration_error(
            f"started_by must be the id of a task, or a list of them, and is {started_by!r}. What its template was to give "
            "is probably missing."
        )
    return list(dict.fromkeys(task_ids))
