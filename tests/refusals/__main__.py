"""Carries out plans and prints what became of them: python -m tests.refusals --runs 60"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import sys
import tempfile
import time
from pathlib import Path

import tests.conftest  # noqa: F401  # Airflow's home, before Airflow
from tests.conftest import make_certificate
from tests.refusals.campaign import campaign
from tests.refusals.claims import broken, report, tally
from tests.refusals.plans import MODES, plans


def main() -> int:
    """Carry out the plans, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60, help="for each mode and seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--mode", choices=MODES, action="append")
    parser.add_argument(
        "--only", type=int, nargs="+", help="these runs of the seeds, by the number that a report names"
    )
    parser.add_argument("--first", action="store_true", help="stop at the first broken claim")
    parser.add_argument("--verbose", action="store_true", help="report every run")
    given = parser.parse_args()
    seeds = sorted({number // 10_000 for number in given.only}) if given.only else given.seeds
    runs = max(number % 10_000 for number in given.only) + 1 if given.only else given.runs
    planned = [plan for mode in given.mode or MODES for seed in seeds for plan in plans(mode, seed, runs)]
    if given.only:
        planned = [plan for plan in planned if plan.seed in given.only]
    logging.disable(logging.CRITICAL)
    done, began, cpu = [], time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, campaign(make_certificate(Path(folder))) as running:
        for plan in planned:
            with contextlib.redirect_stdout(io.StringIO()):  # Airflow's log
                history = running.run(plan)
            done.append(history)
            problems = broken(history)
            if problems or given.verbose:
                print(report(history, problems), flush=True)
            if problems and given.first:
                break
    for name, number in tally(done).items():
        print(f"{name}: {number}")
    print(
        f"{time.monotonic() - began:.0f} s, of which {time.process_time() - cpu:.0f} s of this process's CPU"
    )
    return int(any(broken(history) for history in done))


if __name__ == "__main__":
    sys.exit(main())
