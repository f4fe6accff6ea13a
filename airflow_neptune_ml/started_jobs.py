"""Which jobs the tasks of a DAG run have started: told by their derived ids, so that no XCom is needed.

A task's worker may have died between starting a job and telling anyone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_neptune_ml.job_ids import JobFamily, is_missing

if TYPE_CHECKING:
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook
    from airflow_neptune_ml.jobs import JobKind

GENERATIONS = range(10)
"""Which generations are looked for one by one where the service's list of jobs is full: the first is a task's retries."""


def namespace() -> str:
    """Return what tells this Airflow deployment from others that use the same cluster.

    ``[neptune_ml] namespace``, else the address of Airflow's web server, which Airflow 3 has under ``[api]`` and
    Airflow 2 under ``[webserver]``. A worker, the DAG processor and the triggerer must find the same.
    """
    given = conf.get("neptune_ml", "namespace", fallback="") or conf.get("api", "base_url", fallback="")
    if given:
        return str(given)
    try:
        import airflow.sdk  # noqa: F401  # Airflow 3, which would warn of the other section
    except ImportError:
        return str(conf.get("webserver", "base_url", fallback=""))
    return ""


def family_of(task_id: str, *, dag_id: str, run_id: str) -> JobFamily:
    """Return the ids of the jobs that a task of this deployment may start in a DAG run."""
    return JobFamily.of(namespace(), dag_id, run_id, task_id)


def find_started(
    hook: NeptuneMLHook,
    kind: JobKind | str,
    task_ids: Sequence[str],
    *,
    dag_id: str,
    run_id: str,
    pushed: Callable[[str], Any],
) -> list[str]:
    """Return the ids of all jobs that the tasks have started in a DAG run, in any try, the oldest first.

    The service is asked for its list, in which the ids are found by their beginning. The list holds 1,024 ids at most,
    with finished jobs and in no promised order; so what the tasks pushed to XCom is taken too, and if the list is
    full, the likeliest ids are tried.

    :param pushed: gives the ``job_id`` that a task has pushed: one, a sequence of them (a mapped task), or None
    """
    from airflow_neptune_ml.hooks.calls import MAX_ITEMS

    listed = hook.list_ids(kind, MAX_ITEMS)
    found: list[str] = []
    for task_id in task_ids:
        family = family_of(task_id, dag_id=dag_id, run_id=run_id)
        ids = {job_id for job_id in listed if family.position(job_id)}
        if len(listed) == MAX_ITEMS:
            ids |= set(_likely(hook, kind, family))
        of_family = sorted(ids, key=lambda job_id: family.position(job_id) or ())
        # An id that the user chose is no derived one.
        found += [*of_family, *(job_id for job_id in _flat(pushed(task_id)) if job_id not in ids)]
    return list(dict.fromkeys(found))


def _likely(hook: NeptuneMLHook, kind: JobKind | str, family: JobFamily) -> Iterable[str]:
    from airflow_neptune_ml.exceptions import MLResourceNotFoundException

    for generation in GENERATIONS:
        attempt = 1
        while True:
            job_id = family.job_id(generation=generation, attempt=attempt)
            try:
                hook.get(kind, job_id)
            except MLResourceNotFoundException:
                break
            yield job_id
            attempt += 1


def _flat(pushed: Any) -> list[str]:
    """Return the ids in what XCom gave; a mapped task's come as a sequence."""
    several = pushed if isinstance(pushed, Iterable) and not isinstance(pushed, str) else [pushed]
    return [str(job_id) for job_id in several if not is_missing(job_id)]
