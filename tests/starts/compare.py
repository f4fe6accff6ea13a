"""Prints what becomes of the same plans with this package's operator and with plain boto3: python -m tests.starts.compare"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import time

import tests.conftest  # noqa: F401  # Airflow's home, before Airflow
from tests.starts.campaign import histories
from tests.starts.claims import broken, tally
from tests.starts.plans import MODES, plans
from tests.starts.ways import OperatorWay, UsualWay


def main() -> None:
    """Carry out the plans in both ways, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=130, help="for each mode and seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    planned = [plan for mode in MODES for seed in given.seeds for plan in plans(mode, seed, given.runs)]
    logging.disable(logging.CRITICAL)
    columns = []
    for way in (OperatorWay, UsualWay):
        began = time.monotonic()
        with contextlib.redirect_stdout(io.StringIO()):  # Airflow's log
            done = histories(planned, way)
        columns.append(tally(done) | {"seconds it took": round(time.monotonic() - began)})
        if way is OperatorWay:
            columns[0]["runs that break a claim"] = sum(bool(broken(history)) for history in done)
    ours, theirs = columns
    print(f"Seeds {', '.join(map(str, given.seeds))}; {given.runs} runs for each seed and mode\n")
    print(f"| in how many runs | {OperatorWay.name} | {UsualWay.name} |\n|---|---|---|")
    for line in ours:
        print(f"| {line} | {ours[line]} | {theirs.get(line, '')} |")


if __name__ == "__main__":
    main()
