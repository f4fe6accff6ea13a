"""Whatever fails around a task for a while: no wanted job is cancelled, none is left, and there is no second one.

Seeded plans, with real processes against the local Neptune ML. `REFUSALS_RUNS` says how many, 60 by default.
`python -m tests.refusals` carries out the same plans.
"""

import json
import os

import pytest

from demo.airflow_process import AIRFLOW_3
from tests.refusals.campaign import campaign
from tests.refusals.claims import broken, report, tally
from tests.refusals.plans import MODES, PLATFORM, USERS, plans

# A thread of the campaign that died would leave jobs running for no fault of the package.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")

RUNS = int(os.environ.get("REFUSALS_RUNS", "60"))
SHARES = {"sync": 5 / 12, "deferrable": 7 / 12}
"""Of the runs: a deferral has more moments at which something can fail."""

SEED = 1 if AIRFLOW_3 else 2
"""Another one for each end, so that both together try more plans."""

PARTS = max(1, RUNS // 60)
"""For as many processes of pytest; in each of them most of what is planned should strike."""


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("mode", MODES)
def test_what_fails_around_a_task_takes_no_job_from_who_wants_it(certificate, record_property, mode, part):
    """No exceptions; and most of what was planned really struck."""
    with campaign(certificate) as running:
        histories = [running.run(plan) for plan in plans(mode, SEED, round(RUNS * SHARES[mode]))[part::PARTS]]
    bad = [report(history, problems) for history in histories if (problems := broken(history))]
    assert not bad, f"{len(bad)} of {len(histories)} runs\n" + "\n".join(bad)
    counts = tally(histories)
    record_property("refusals", json.dumps(counts))
    struck = {name.split(":")[0] for name, number in counts.items() if name.endswith(": struck") and number}
    assert struck & set(USERS)
    assert struck & set(PLATFORM)
    # Which trouble still meets somebody, processes decide; most of it does.
    assert len(struck) > 8, counts
