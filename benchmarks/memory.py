"""
A triggerer's memory over 100,000 short waits, each of whose jobs has ended: it must not grow.

    python benchmarks/memory.py            # 100,000 waits, a few minutes
    python benchmarks/memory.py --waits 20000
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="memory-")
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"

from loopback import connect, memory_mb, serving
from rows import Row, tell

from airflow_neptune_ml.triggers import NeptuneMLJobTrigger

AT_A_TIME = 500
MOST = 1.05


async def wait_for(job_id: str) -> None:
    trigger = NeptuneMLJobTrigger(
        kind="modeltraining", job_id=job_id, until="finished", poll_interval=5, deadline=time.time() + 600
    )
    async for event in trigger.run():
        assert event.payload["status"]["status"] == "Completed"


async def measure(waits: int) -> tuple[float, float]:
    """Return the memory after a tenth of the waits, and after all."""
    early = 0.0
    for number in range(0, waits, AT_A_TIME):
        async with asyncio.TaskGroup() as group:
            for one in range(number, number + AT_A_TIME):
                group.create_task(wait_for(f"done-{one}"))
        if number < waits // 10:
            early = memory_mb()
    return early, memory_mb()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--waits", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="print the row as JSON")
    waits = parser.parse_args().waits
    with serving() as url:
        connect(url)
        early, late = asyncio.run(measure(waits))
    what = f"A triggerer's memory after {waits:,} short waits"
    return tell([Row(what, "MB", late, early, "itself after a tenth of them", MOST)])


if __name__ == "__main__":
    sys.exit(main())
