"""Carries out cancels with everything going wrong, and prints what became of them: python -m tests.cancels --runs 1000"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import sys
import time

import tests.conftest  # noqa: F401  # Airflow's home, before Airflow
from tests.cancels.campaign import campaign
from tests.cancels.claims import broken, report, tally
from tests.cancels.plans import plans


def main() -> int:
    """Carry out the cancels, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", type=int, nargs="+", help="these of them, by the number that a report names"
    )
    parser.add_argument("--verbose", action="store_true", help="report every cancel")
    given = parser.parse_args()
    runs = max(given.only) + 1 if given.only else given.runs
    planned = [plan for plan in plans(given.seed, runs) if not given.only or plan.number in given.only]
    logging.disable(logging.CRITICAL)
    done, began, cpu = [], time.monotonic(), time.process_time()
    with campaign() as running:
        for plan in planned:
            with contextlib.redirect_stdout(io.StringIO()):  # Airflow's log
                history = running.run(plan)
            done.append(history)
            problems = broken(history)
            if problems or given.verbose:
                print(report(history, problems), flush=True)
    for name, number in sorted(tally(done).items()):
        print(f"{name}: {number}")
    bad = sum(bool(broken(history)) for history in done)
    seconds = f"{time.monotonic() - began:.0f} s, of which {time.process_time() - cpu:.0f} s of CPU"
    print(f"{len(done)} cancels, {bad} of them not as promised, in {seconds}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
