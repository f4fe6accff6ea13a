"""
What waiting costs a triggerer: NeptuneMLJobTrigger against the way the Amazon provider's triggers wait.

Both poll the same loopback server, which runs in a process of its own, every 5 seconds, through the same hook. The
AWS way is a subclass of AwsBaseWaiterTrigger with a waiter for the job: a client per wait. Each measurement runs in a
process of its own, begins after one wait has warmed it up, so that imports count for nobody, and lasts until every wait
has had two polls: the same work for both, on a quiet machine and on a busy one. Logs go nowhere.

    python benchmarks/waits.py            # 1, 100 and 1,000 waits both ways, and ours with 10,000
    python benchmarks/waits.py --waits 100 --ours-alone

Then what first looks cost when many jobs were started at the same moment: the requests of the first minute, with a poll a
minute, against those of the same waits without a moment; and how long the event loop was blocked at most.

    python benchmarks/waits.py --waits --ours-alone --minute 10000
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from functools import cached_property
from pathlib import Path

from loopback import connect, memory_mb, serving
from rows import Row, tell

POLL_INTERVAL = 5
LONGEST_WAIT = 600
TITLES = {
    "cpu_s": ("CPU for two polls of each", "s"),
    "memory_mb": ("memory", "MB"),
    "first_polls_s": ("until each had its first poll", "s"),
    "block_cpu_s": ("longest block of the event loop", "s"),
}
TARGETS = {"cpu_s": 1 / 8, "memory_mb": 1 / 40, "first_polls_s": 1 / 20}
"""Times what the AWS idiom takes, at 1,000 waits."""
LONGEST_BLOCK = 0.25
"""Seconds of the loop's own CPU: on a busy machine other processes hold it up longer, as the wall clock shows."""
MINUTE = 60
MOST_REQUESTS = 1.2
"""Times those without first looks."""
WAITER = {
    "version": 2,
    "waiters": {
        "job_finished": {
            "operation": "GetMLModelTrainingJob",
            "delay": POLL_INTERVAL,
            "maxAttempts": 1000,
            "acceptors": [
                {"matcher": "path", "argument": "status", "expected": "Completed", "state": "success"},
                {"matcher": "path", "argument": "status", "expected": "Failed", "state": "failure"},
            ],
        }
    },
}


def seen(url: str) -> tuple[float, int, int]:
    """Return when the last wait had its first poll, how many had a second one, and the number of all polls."""
    with urllib.request.urlopen(f"{url}/seen") as answer:
        last, twice, polls = json.load(answer)
    return last, twice, polls


def our_trigger(job_id: str, poll_interval: float = POLL_INTERVAL, moment: float = 0.0):
    from airflow_neptune_ml.triggers import NeptuneMLJobTrigger

    return NeptuneMLJobTrigger(
        kind="modeltraining",
        job_id=job_id,
        until="finished",
        poll_interval=poll_interval,
        deadline=time.time() + LONGEST_WAIT,
        moment=moment,
    )


def aws_trigger(job_id: str):
    from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger

    from airflow_neptune_ml.hooks import NeptuneMLHook

    class Hook(NeptuneMLHook):
        @cached_property
        def waiter_path(self):
            return Path(os.environ["WAITER_FILE"])

    class Trigger(AwsBaseWaiterTrigger):
        def hook(self):
            return Hook(aws_conn_id=self.aws_conn_id)

    return Trigger(
        serialized_fields={"job_id": job_id},
        waiter_name="job_finished",
        waiter_args={"id": job_id},
        failure_message="The job failed",
        status_message="The job's status is",
        status_queries=["status"],
        return_value=job_id,
        waiter_delay=POLL_INTERVAL,
        waiter_max_attempts=LONGEST_WAIT // POLL_INTERVAL,
    )


WAYS = {
    "aws": aws_trigger,
    "ours": our_trigger,
    "calm": lambda job_id: our_trigger(job_id, MINUTE),
    "fresh": lambda job_id: our_trigger(job_id, MINUTE, time.time()),
}


async def run(trigger) -> None:
    async for _ in trigger.run():
        pass


async def measure(way: str, waits: int, url: str) -> dict[str, float]:
    """Start the waits one after the other, as the triggerer does, until each had its second poll, or for a minute."""
    make = WAYS[way]
    await run(make("done"))
    gc.collect()
    # What Airflow and botocore imported is no part of the waits; a pass over it alone takes 0.15 s.
    gc.freeze()
    memory, cpu, began = memory_mb(), time.process_time(), time.time()
    longest = longest_cpu = most = 0.0
    watching = True

    async def watch() -> None:
        nonlocal longest, longest_cpu
        while watching:
            before, used = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.01)
            longest = max(longest, time.perf_counter() - before - 0.01)
            longest_cpu = max(longest_cpu, time.thread_time() - used)

    watcher = asyncio.create_task(watch())
    tasks = []
    for number in range(waits):
        tasks.append(asyncio.create_task(run(make(f"job-{number}"))))
        await asyncio.sleep(0)
    for_a_minute = way in ("calm", "fresh")
    while True:
        await asyncio.sleep(0.5)
        most = max(most, memory_mb())
        last, twice, polls = await asyncio.to_thread(seen, url)
        if time.time() - began >= MINUTE if for_a_minute else twice == waits:
            break
        assert time.time() - began < LONGEST_WAIT / 2, f"only {twice} of {waits} waits had two polls"
    spent = time.process_time() - cpu
    watching = False
    await watcher
    assert not any(task.done() for task in tasks), "a wait ended early"
    return {
        "seconds": time.time() - began,
        "polls": polls,
        "cpu_s": spent,
        "memory_mb": max(most - memory, 0.0),
        "first_polls_s": last - began,
        "block_s": longest,
        "block_cpu_s": longest_cpu,
    }


def child(way: str, waits: int, url: str, out: str) -> None:
    Path(out).write_text(json.dumps(asyncio.run(measure(way, waits, url))))


def in_a_child(way: str, waits: int) -> dict[str, float]:
    with serving() as url, tempfile.TemporaryDirectory() as folder:
        connect(url)
        out, waiter = Path(folder, "result.json"), Path(folder, "waiter.json")
        waiter.write_text(json.dumps(WAITER))
        asked = ["--child", way, "--waits", str(waits), "--url", url]
        done = subprocess.run(
            [sys.executable, __file__, *asked, "--out", str(out)],
            env={**os.environ, "AIRFLOW_HOME": folder, "WAITER_FILE": str(waiter)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=allow_many_files,
        )
        if done.returncode or not out.exists():
            sys.exit(f"{way} with {waits} waits failed:\n{done.stderr[-4000:]}")
        return json.loads(out.read_text())


def allow_many_files() -> None:
    """The AWS way needs a socket per wait."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def line(waits: int, way: str, found: dict[str, float]) -> str:
    return (
        f"{waits:>7,} {way:5} {found['seconds']:6.0f} {found['polls']:7,} {found['cpu_s']:9.2f} {found['memory_mb']:9.1f}"
        f" {found['first_polls_s']:13.2f} {found['block_s']:9.3f} {found['block_cpu_s']:8.3f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--waits", type=int, nargs="*", default=[1, 100, 1000])
    parser.add_argument("--ours-alone", type=int, nargs="*", default=[10_000])
    parser.add_argument("--minute", type=int, nargs="*", default=[10_000])
    parser.add_argument("--json", action="store_true", help="print the rows of the table as JSON")
    for inner in ("--child", "--url", "--out"):
        parser.add_argument(inner, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.waits[0], arguments.url, arguments.out)
        # A thousand clients need not be closed one by one.
        os._exit(0)

    rows: list[Row] = []
    for waits in arguments.waits:
        aws, ours = (measured(way, waits, alone=arguments.json) for way in ("aws", "ours"))
        for name, (title, unit) in TITLES.items():
            bound = TARGETS.get(name) if waits == 1000 else None
            rows.append(Row(f"{waits:,} waits: {title}", unit, ours[name], aws[name], "the AWS idiom", bound))
    rows.extend(
        block_row(f"{waits:,} waits", measured("ours", waits, alone=arguments.json))
        for waits in arguments.ours_alone
    )
    for waits in arguments.minute:
        calm, fresh = (measured(way, waits, alone=arguments.json) for way in ("calm", "fresh"))
        what = f"{waits:,} fresh waits: requests of the first minute"
        rows.append(Row(what, "", fresh["polls"], calm["polls"], "waits without first looks", MOST_REQUESTS))
        rows.append(block_row(f"{waits:,} fresh waits", fresh))
    return tell(rows)


def measured(way: str, waits: int, *, alone: bool) -> dict[str, float]:
    """Measure one way, and print its line, unless the rows shall stand alone."""
    found = in_a_child(way, waits)
    if not alone:
        print(line(waits, way, found), flush=True)
    return found


def block_row(what: str, found: dict[str, float]) -> Row:
    """Return the row of the longest block of the event loop."""
    title, unit = TITLES["block_cpu_s"]
    return Row(f"{what}: {title}", unit, found["block_cpu_s"], LONGEST_BLOCK, "what is allowed", 1)


if __name__ == "__main__":
    sys.exit(main())
