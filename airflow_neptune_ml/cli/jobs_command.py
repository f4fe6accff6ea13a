"""``neptune-ml jobs``: what runs, and whose it is."""

from __future__ import annotations

import sys
import time
from argparse import Namespace

from airflow_neptune_ml.cli.cluster_jobs import (
    ClusterJob,
    hook_for,
    kinds_of,
    list_ids,
    read_jobs,
    tell_unread,
)
from airflow_neptune_ml.cli.job_rows import job_row, owners_if_readable, print_rows
from airflow_neptune_ml.cli.owners import JobKey
from airflow_neptune_ml.cli.process import FINE, FOUND, command
from airflow_neptune_ml.hooks import NeptuneMLHook

_CLEAR = "\x1b[2J\x1b[H"


@command
def jobs(args: Namespace) -> int:
    """List jobs once, or again and again."""
    hook = hook_for(args)
    over: dict[JobKey, ClusterJob] = {}
    code = _list(hook, args, over)
    while args.watch:
        time.sleep(args.interval)
        if sys.stdout.isatty():
            print(_CLEAR, end="")
        code = _list(hook, args, over)
    return code


def _list(hook: NeptuneMLHook, args: Namespace, over: dict[JobKey, ClusterJob]) -> int:
    """List jobs.

    :param over: jobs that have ended, and need not be read again: an id is never used twice
    """
    listed = list_ids(hook, kinds_of(args.kind))
    read = read_jobs(hook, [job for job in listed.jobs if job not in over])
    known = over | {job.key: job for job in read}
    found = [known[job] for job in listed.jobs if job in known]
    over |= {job.key: job for job in found if job.is_over}
    shown = [job for job in found if not (args.active and job.is_over)]
    owners = owners_if_readable(
        [job.key for job in shown],
        active=[job.job_id for job in shown if not job.is_over],
        at=hook.cluster_url,
    )
    print_rows([job_row(job, owners) for job in shown], args.output)
    tell_unread(shown)
    return FOUND if listed.refusal or any(job.error for job in shown) else FINE
