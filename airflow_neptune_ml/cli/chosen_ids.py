"""Jobs whose ids users chose: whose they are is told by the XComs of their tasks, and by nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_neptune_ml.cli.metadata import UNREADABLE, InstanceKey, Metadata, TaskKey
from airflow_neptune_ml.execution.xcom import ADDRESS_KEY, KIND_KEY, LEFT_KEY, STARTED_KEY

_FOUND_KEY = "job_id"


@dataclass
class Told:
    """What a task instance has told about its jobs.

    :param instance: which one
    :param ids: by the key of the XCom
    :param kind: of the jobs that it has started; None if it has not told
    :param address: of the cluster on which it has started them; None if it has not told
    """

    instance: InstanceKey
    ids: dict[str, set[str]] = field(default_factory=dict)
    kind: Any = None
    address: Any = None

    def has_started(self, kind: str, job_id: str) -> bool:
        """Whether it has started such a job, on whichever cluster."""
        return self.kind in (None, kind) and job_id in self.started

    def has_left(self, job_id: str) -> bool:
        """Whether it leaves such a job running on purpose."""
        return job_id in self.ids.get(LEFT_KEY, ())

    def has_found(self, job_id: str) -> bool:
        """Whether it knows a job of this id, and has started none."""
        return not self.started and job_id in self.ids.get(_FOUND_KEY, ())

    def is_at(self, address: str) -> bool:
        """Whether it has started its jobs on this cluster: elsewhere such an id is another job's."""
        return self.address in (None, address)

    @property
    def all_ids(self) -> set[str]:
        """The ids of all jobs that it knows."""
        return set().union(*self.ids.values())

    @property
    def started(self) -> set[str]:
        """The ids of all jobs that it has started."""
        return self.ids.get(STARTED_KEY, set()) | self.ids.get(LEFT_KEY, set())


class AllTold(NamedTuple):
    """What task instances have told.

    :param unread: how many XComs the deployment's XCom backend could not read
    """

    told: list[Told]
    unread: int


def all_told(
    metadata: Metadata,
    *,
    of: Collection[str] | None = None,
    tasks: Iterable[TaskKey] | None = None,
) -> AllTold:
    """Read what task instances have told about their jobs.

    :param of: about jobs of these ids only; about all if None
    :param tasks: by these only; by all if None
    """
    found: dict[InstanceKey, Told] = {}
    unread, blind = 0, set[InstanceKey]()
    # A deployment may have millions of XComs: what is not about these jobs is not kept.
    for xcom in metadata.xcoms([STARTED_KEY, LEFT_KEY, _FOUND_KEY], tasks=tasks):
        # Other operators push "job_id" too, and it only tells who has found a job.
        unread += xcom.value is UNREADABLE and xcom.key != _FOUND_KEY
        ids = set(ids_in(xcom.value))
        if ids := ids if of is None else ids.intersection(of):
            found.setdefault(xcom.instance, Told(xcom.instance)).ids.setdefault(xcom.key, set()).update(ids)
    for xcom in metadata.xcoms([KIND_KEY, ADDRESS_KEY], tasks={instance.task for instance in found}):
        if (told := found.get(xcom.instance)) is None:
            continue
        if xcom.value is UNREADABLE:
            unread += 1
            blind.add(xcom.instance)
        elif xcom.key == KIND_KEY:
            told.kind = xcom.value
        else:
            told.address = xcom.value
    # If a task's kind or address cannot be read, nothing tells which jobs its ids mean.
    return AllTold([told for told in found.values() if told.instance not in blind], unread)


def ids_in(value: object) -> list[str]:
    """Return the ids in an XCom's value: one, or several."""
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []
