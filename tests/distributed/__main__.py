"""A distributed Airflow under faults: python -m tests.distributed --seed 1 --trainings 300"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.distributed.campaign import Campaign
from tests.distributed.deployment import Deployment
from tests.distributed.faults import SETTINGS
from tests.distributed.judge import broken


def main() -> int:
    """Carry out campaigns, and print what was tried, what survived, and what does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--trainings", type=int, default=300)
    parser.add_argument("--faults", type=int, default=1_000, help="strike so often at most")
    parser.add_argument("--api-server-away", type=float, default=60, metavar="SECONDS")
    parser.add_argument(
        "--keep", type=Path, help="folder for the logs; by default they are kept if something fails"
    )
    parser.add_argument("--cleanup", choices=("automatic", "teardown"), default="automatic")
    given = parser.parse_args()
    result = 0
    for seed in given.seed:
        began = time.monotonic()
        home = (given.keep or Path(tempfile.mkdtemp(prefix="distributed-"))) / f"seed-{seed}"
        campaign = Campaign(seed, given.trainings, given.faults)
        automatic = {"AIRFLOW__NEPTUNE_ML__CANCEL_ORPHANED_JOBS": str(given.cleanup == "automatic")}
        with Deployment(home, settings=SETTINGS | automatic) as deployment:
            try:
                problems = broken(campaign.run(deployment, api_server_away=given.api_server_away))
            finally:
                (home / "report.txt").write_text(deployment.report(lines=60))
        print("\n".join(campaign.lines()))
        if not problems and given.keep is None:
            shutil.rmtree(home.parent)
        kept = f"; logs in {home}" if home.exists() else ""
        print(f"{time.monotonic() - began:.0f} s{kept}")
        print("\n".join(["What does not hold:", *problems] if problems else ["All claims hold."]), flush=True)
        result |= bool(problems)
    return int(result)


if __name__ == "__main__":
    sys.exit(main())
