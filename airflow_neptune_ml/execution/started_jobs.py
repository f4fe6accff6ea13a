"""Which jobs the tasks of a DAG run have started: told by their derived ids, so that no XCom is needed.

A task's worker may have died between starting a job and telling anyone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_neptune_ml.airflow_versions import IS_AIRFLOW_3, conf
from airflow_neptune_ml.arguments import configuration_error
from airflow_neptune_ml.exceptions import (
    MLResourceNotFoundException,
    NeptuneMLError,
    NeptuneMLServiceError,
)
from airflow_neptune_ml.execution.xcom import ADDRESS_KEY, KIND_KEY, STARTED_KEY
from airflow_neptune_ml.job_families import JobFamily
from airflow_neptune_ml.job_ids import as_text, is_missing

if TYPE_CHECKING:
    from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook
    from airflow_neptune_ml.jobs import JobKind

_LOOPBACK = re.compile(
    r"https?://(localhost|127\.[\d.]+|0\.0\.0\.0|\[::1?\])(:\d*)?(/.*)?", re.IGNORECASE | re.ASCII
)

GENERATIONS = range(20)
"""The generations that are looked for one by one if the service's list of jobs is full or refused. The first
generation of a task has its ``retries`` as its number."""

EMPTY_INSTANCES = 3
"""After how many instances of a mapped task that have started nothing the others are not looked for then."""


def namespace() -> str:
    """Return what tells this Airflow deployment from others that use the same cluster.

    ``[neptune_ml] namespace``, else the address of Airflow's web server, which Airflow 3 has under ``[api]``
    and Airflow 2 under ``[webserver]``. A worker, the DAG processor and the triggerer must find the same.
    """
    given = conf.get("neptune_ml", "namespace", fallback="") or conf.get("api", "base_url", fallback="")
    if given:
        return str(given)
    # Airflow 3 would warn of the other section.
    return "" if IS_AIRFLOW_3 else str(conf.get("webserver", "base_url", fallback=""))


def is_nameless(name: str) -> bool:
    """Return whether a namespace tells no Airflow from others: none, or an address that each machine has for
    itself, as is Airflow 2's default."""
    return not name or _LOOPBACK.fullmatch(name) is not None


def family_of(task_id: str, *, dag_id: str, run_id: str) -> JobFamily:
    """Return the ids of the jobs that a task of this deployment may start in a DAG run."""
    return JobFamily.of(namespace(), dag_id, run_id, task_id)


class Found(NamedTuple):
    """Jobs that tasks have started.

    :param job_ids: the oldest first
    :param error: why there may be more: the service gave no list, or they are on another cluster
    """

    job_ids: list[str]
    error: NeptuneMLError | None


class Searched(NamedTuple):
    """Jobs of several families.

    :param job_ids: the oldest of each family first
    :param error: why there may be more
    :param in_doubt: the families whose likeliest ids were to be tried, and were not all answered
    """

    job_ids: list[str]
    error: NeptuneMLError | None
    in_doubt: list[JobFamily]


def find_in_families(
    hook: NeptuneMLHook, kind: JobKind | str, families: Iterable[JobFamily], *, map_index: int | None = None
) -> Searched:
    """Return the ids of these families' jobs, finished ones too, the oldest of each family first.

    The service is asked once for its list, which holds 1,024 ids at most, in no promised order. If it is
    full, or refused, the likeliest ids are tried as well.

    :param map_index: only those of this instance of a mapped task
    """
    from airflow_neptune_ml.hooks.calls import MAX_ITEMS

    trouble: NeptuneMLError | None = None
    try:
        listed = hook.list_ids(kind, MAX_ITEMS)
    except NeptuneMLServiceError as error:
        listed, trouble = [], error
    except NeptuneMLError as error:
        return Searched([], error, [])
    try_likely = trouble is not None or len(listed) == MAX_ITEMS
    silent = False
    found: list[str] = []
    in_doubt: list[JobFamily] = []
    for family in families:
        ids = set(listed)
        if try_likely and not silent:
            try:
                for job_id in likely_ids(hook, kind, family, map_index):
                    ids.add(job_id)
            except NeptuneMLError as error:
                trouble = trouble or error
                in_doubt.append(family)
                # Without an answer each further question would take as long.
                silent = not isinstance(error, NeptuneMLServiceError)
        elif try_likely:
            in_doubt.append(family)
        found += _oldest_first(ids, family, map_index)
    return Searched(list(dict.fromkeys(found)), trouble, in_doubt)


def find_started(
    hook: NeptuneMLHook, kind: JobKind, task_ids: Sequence[str], ti: Any, map_index: int | None
) -> Found:
    """Return what tasks have started in the run of a task instance, in any try: jobs with derived ids, and
    jobs whose ids users have chosen, which only XComs tell."""
    families = [family_of(task_id, dag_id=ti.dag_id, run_id=ti.run_id) for task_id in task_ids]
    found, error, _ = find_in_families(hook, kind, families, map_index=map_index)
    for task_id in task_ids:
        chosen, elsewhere = pull_started(ti, kind, task_id, map_index, at=hook.cluster_url)
        found += chosen
        error = error or elsewhere
    return Found(list(dict.fromkeys(found)), error)


def ids_of_family(
    hook: NeptuneMLHook, kind: JobKind | str, family: JobFamily, *, map_index: int | None = None
) -> list[str]:
    """Return what :func:`find_in_families` finds for one family; a list that is refused is an error."""
    from airflow_neptune_ml.hooks.calls import MAX_ITEMS

    listed = hook.list_ids(kind, MAX_ITEMS)
    likely = likely_ids(hook, kind, family, map_index) if len(listed) == MAX_ITEMS else ()
    return _oldest_first({*listed, *likely}, family, map_index)


def _oldest_first(job_ids: Iterable[str], family: JobFamily, map_index: int | None) -> list[str]:
    places = sorted((place, job_id) for job_id in job_ids if (place := family.position(job_id)))
    return [job_id for place, job_id in places if map_index in (None, place[0])]


def likely_ids(
    hook: NeptuneMLHook, kind: JobKind | str, family: JobFamily, map_index: int | None
) -> Iterator[str]:
    """Ask for one id after the other; of a mapped task's instances until several in a row have started
    nothing."""
    if map_index is not None:
        yield from _of_instance(hook, kind, family, map_index)
        return
    found = list(_of_instance(hook, kind, family, -1))
    yield from found
    index, empty = 0, 0
    while not found and empty < EMPTY_INSTANCES:
        of_instance = list(_of_instance(hook, kind, family, index))
        yield from of_instance
        index, empty = index + 1, 0 if of_instance else empty + 1


def _of_instance(
    hook: NeptuneMLHook, kind: JobKind | str, family: JobFamily, map_index: int
) -> Iterator[str]:
    for generation in GENERATIONS:
        for attempt in count(1):  # pragma: no branch - it has no end of its own
            job_id = family.job_id(generation=generation, attempt=attempt, map_index=map_index)
            try:
                hook.get(kind, job_id)
            except MLResourceNotFoundException:
                break
            yield job_id


def map_index_of(value: int | str | None) -> int | None:
    """Return a map index as a number; a template renders one as its digits. None means all instances.

    :raises NeptuneMLConfigurationError: it is none, or was given and is empty, which must not mean all
    """
    if value is None:
        return None
    text = as_text(value)
    # int would read "1_0" as 10, another instance's.
    if not isinstance(text, str) or not re.fullmatch(r"\s*-?\d{1,9}\s*", text, re.ASCII):
        raise configuration_error(f"map_index must be a number, not {value!r}.")
    return int(text)


def pull_started(ti: Any, kind: JobKind, task_id: str, map_index: int | None, *, at: str) -> Found:
    """Return the ids that a task has pushed under :data:`~.xcom.STARTED_KEY`, but none of another kind's
    jobs, and none that was started at another address: such an id, which a user has chosen, is another job's
    here.

    :param map_index: of which instance of a mapped task; None: of all
    :param at: the address of the cluster on which they are to be stopped
    """

    def pulled(key: str) -> list[str]:
        which = {} if map_index is None else {"map_indexes": map_index}
        value = ti.xcom_pull(task_ids=task_id, key=key, **which)
        several = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
        return [str(one) for one in several if not is_missing(one)]

    if not (started := pulled(STARTED_KEY)):
        return Found([], None)
    # All instances of a task start the same kind. Of derived ids it is not told.
    if (kinds := pulled(KIND_KEY)) and kind.name not in kinds:
        return Found([], None)
    family = family_of(task_id, dag_id=ti.dag_id, run_id=ti.run_id)
    derived = [job_id for job_id in started if family.position(job_id)]  # on no cluster anybody else's
    places = pulled(ADDRESS_KEY) if len(derived) < len(started) else []
    if not places or places == [at] * len(started):
        return Found(started, None)
    if len(places) != len(started):  # one for each instance that has started a job
        text = f"Not each instance of {task_id} has told where it has started its job: stop those yourself that still run."
        return Found(derived, configuration_error(text))
    here = [job_id for job_id, place in zip(started, places, strict=True) if place == at or job_id in derived]
    error = configuration_error(
        f"{task_id} has started jobs at {', '.join(sorted(set(places) - {at}))}, and this connection leads to {at}. Give "
        "both the same connection."
    )
    return Found(here, error if len(here) < len(started) else None)
