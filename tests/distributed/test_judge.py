"""The judge of the campaigns, tried with a planted breach of each of its claims."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.distributed.judge import CLEANED_UP_LATE, FOUND_BY_CRON_LATE, broken
from tests.distributed.record import Action, Instance, Job, Key, Record

KEY: Key = ("run-1", "in_worker", 0)
JOB = Job("t-0-8-1", KEY, 8, 1, "Completed", started=100, ended=145)
INSTANCE = Instance(KEY, "success", 1, ended=150, run_ended=160, result="t-0-8-1")
CLEARED = replace(INSTANCE, actions=(Action("clear", 120, 121),), result="t-0-9-1", tries=2)
STOPPED = replace(JOB, status="Stopped", cancelled=122, ended=123)
NEXT = Job("t-0-9-1", KEY, 9, 1, "Completed", started=125, ended=145)
FAILED = replace(JOB, status="Failed", ended=110)
AGAIN = replace(JOB, id="t-0-8-2", attempt=2, started=115)
MARKED = replace(INSTANCE, state="failed", result=None, actions=(Action("failed", 120, 121),))
MARKED_AND_CLEARED = replace(CLEARED, actions=(*MARKED.actions, Action("clear", 130, 131)))


def judged(instance: Instance, *jobs: Job) -> set[str]:
    """Return which claims do not hold."""
    return {claim.partition(":")[0] for claim in broken(Record(list(jobs), [instance], until=1_000))}


@pytest.mark.parametrize(
    ("instance", "jobs"),
    [
        (INSTANCE, [JOB]),
        (replace(INSTANCE, tries=5), [JOB]),
        (CLEARED, [STOPPED, NEXT]),
        (replace(INSTANCE, result="t-0-8-2", tries=2), [FAILED, AGAIN]),
        (replace(INSTANCE, state="failed", result=None), [FAILED]),
        (MARKED, [STOPPED]),
        (MARKED, [replace(STOPPED, started=121.5)]),
        (replace(MARKED, state="success"), [JOB]),
        (replace(MARKED, state="skipped", actions=(Action("run failed", 90, 91),)), []),
    ],
    ids=[
        "one job",
        "adopted by later tries",
        "cleared",
        "its job failed",
        "all failed",
        "marked",
        "marked before it has started",
        "marked too late",
        "skipped",
    ],
)
def test_all_is_well(instance: Instance, jobs: list[Job]) -> None:
    assert judged(instance, *jobs) == set()


@pytest.mark.parametrize(
    ("claim", "instance", "jobs"),
    [
        ("twice", INSTANCE, [JOB, replace(AGAIN, started=150, ended=155)]),
        ("twice", INSTANCE, [replace(JOB, status="Failed"), AGAIN]),
        ("twice", CLEARED, [replace(STOPPED, cancelled=170, ended=171), NEXT]),
        ("cancelled", INSTANCE, [STOPPED, AGAIN]),
        ("cancelled", replace(INSTANCE, state="failed", ended=124), [STOPPED]),
        ("cancelled", CLEARED, [STOPPED, replace(NEXT, status="Stopped", cancelled=130, ended=131)]),
        ("cancelled", MARKED_AND_CLEARED, [replace(STOPPED, started=132, cancelled=135)]),
        ("cancelled", replace(MARKED, actions=(Action("failed", 130, 131),)), [STOPPED]),
        ("nobody", INSTANCE, [JOB, Job("by-hand", None, -1, -1, "InProgress", started=100)]),
        ("nobody", MARKED, [replace(JOB, status="InProgress", ended=None)]),
        ("nobody", MARKED, [replace(JOB, ended=160 + CLEANED_UP_LATE + 1)]),
        ("result", replace(INSTANCE, result=None), [JOB]),
        ("result", replace(INSTANCE, result="t-0-8-2"), [JOB]),
        ("result", INSTANCE, [FAILED]),
        ("result", replace(CLEARED, result="t-0-8-1"), [replace(JOB, ended=119), NEXT]),
        ("result", replace(INSTANCE, state="failed"), [JOB]),
        ("result", replace(INSTANCE, state="failed"), []),
        ("result", replace(INSTANCE, state="deferred", run_ended=None), [JOB]),
        ("result", replace(MARKED, state="success"), [STOPPED]),
    ],
)
def test_a_breach_is_seen(claim: str, instance: Instance, jobs: list[Job]) -> None:
    assert claim in judged(instance, *jobs)


@pytest.mark.parametrize(("late", "holds"), [(FOUND_BY_CRON_LATE, True), (FOUND_BY_CRON_LATE + 1, False)])
def test_only_what_cron_has_found_may_run_longer(late: float, holds: bool) -> None:
    job = replace(STOPPED, cancelled=159 + late, ended=160 + late)
    record = Record([job], [MARKED], until=1_000, by_cron=frozenset({job.id}))

    assert (broken(record) == []) is holds
    assert broken(replace(record, by_cron=frozenset({"another"}))) != []
