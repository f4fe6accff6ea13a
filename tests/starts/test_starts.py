"""Whatever happens to a start, there is one job for each generation, and no orphaned job runs on."""

import os

import pytest

from demo.airflow_process import AIRFLOW_3
from tests.starts.campaign import campaign
from tests.starts.claims import broken, tally
from tests.starts.plans import MODES, first_tries, plans
from tests.starts.ways import UsualWay

SEEDS = tuple(map(int, os.environ.get("STARTS_SEEDS", "2" if AIRFLOW_3 else "1").split()))
"""Another one for each end, so that both together try more plans."""
RUNS = 130
"""For each mode and seed; enough for every fault of a start with every end."""

PARTS = 3
"""Each has every third run, and so every fault and every end, though not every pair of them."""
CHOSEN = tuple(map(int, os.environ.get("STARTS_PARTS", "0").split()))


def report(history, problems):
    """Return what to look at, with what makes it happen again."""
    tries = "\n".join(
        f"    {record.generation} {record.plan} -> {record.end} {'(struck)' * record.struck} {record.error[:200]} {record.xcom.get('job_id')}"
        for record in history.tries
    )
    return f"{history.plan.mode} {history.plan.seed}: {'; '.join(problems)}\n{tries}\n    {history.creations}"


@pytest.mark.parametrize("part", CHOSEN)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mode", MODES)
def test_there_is_one_job_for_each_generation_whatever_happens(mode, seed, part):
    """No exceptions; every fault and every end occurred, and nearly all that were planned together."""
    with campaign() as running:
        histories = [running.run(plan) for plan in plans(mode, seed, RUNS)[part::PARTS]]
    bad = [report(history, problems) for history in histories if (problems := broken(history))]
    assert not bad, f"{len(bad)} of {len(histories)} runs\n" + "\n".join(bad)
    met = {
        (
            first.plan.fault,
            first.plan.end.by if first.plan.end else "itself",
            first.plan.end.step if first.plan.end else "",
        )
        for first in (history.tries[0] for history in histories)
        if first.struck or first.plan.end is None
    }
    tries = first_tries(mode)
    wanted = {tries[number % len(tries)] for number in range(part, RUNS, PARTS)}
    assert {fault for fault, *_ in met} == {fault for fault, *_ in tries}
    assert {tuple(end) for _, *end in met} == {tuple(end) for _, *end in tries}
    # On a busy machine a try may end before the step at which it is to be ended.
    assert len(wanted - met) < 0.1 * len(wanted), wanted - met


def test_plain_boto3_has_what_the_operator_has_not():
    """The same plans leave duplicates and running jobs behind, or the campaign would show nothing."""
    with campaign() as running:
        counts = tally(running.run(plan, UsualWay) for plan in plans("sync", SEEDS[0], 25))
    assert counts["more than one good job for one generation"] > 0
    assert counts["two jobs of the task at a time"] > 0
    assert counts["a job left running, and the last try's process was not killed"] > 0
    assert counts["a job left running of which no XCom tells"] > 0
