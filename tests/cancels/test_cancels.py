"""Whatever goes wrong on the way, a cancel tells what is true at the service, or fails with an error of ours.

Seeded plans against the local Neptune ML, whose control API is the judge. `make cancels` carries out a thousand.
"""

import json

import pytest

from demo.airflow_process import AIRFLOW_3
from tests.cancels.campaign import campaign
from tests.cancels.claims import broken, report, tally
from tests.cancels.plans import MODES, plans

RUNS = 100
SEED = 1 if AIRFLOW_3 else 2
"""Another one for each end, so that both together try more plans."""


@pytest.mark.parametrize("mode", MODES)
def test_a_cancel_tells_what_is_true_or_fails_with_an_error_of_ours(record_property, mode):
    """No exceptions; and most of what was planned really struck."""
    with campaign() as running:
        histories = [running.run(plan) for plan in plans(SEED, RUNS) if plan.mode == mode]
    bad = [report(history, problems) for history in histories if (problems := broken(history))]
    assert not bad, f"{len(bad)} of {len(histories)} cancels\n" + "\n".join(bad)
    counts = tally(histories)
    record_property("cancels", json.dumps(counts))
    # A step may never come: who was refused the look does not cancel.
    assert counts["troubles that struck"] > len(histories) / 2
    assert counts["ended with the outcome cancelled"] > len(histories) / 5
