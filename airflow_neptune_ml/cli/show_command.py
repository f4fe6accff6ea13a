"""``neptune-ml show``: everything about one job."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from airflow_neptune_ml.cli.cluster_jobs import hook_for
from airflow_neptune_ml.cli.job_rows import owner_columns, owners_if_readable, print_rows
from airflow_neptune_ml.cli.process import FINE, command
from airflow_neptune_ml.cli.verdicts import verdict_on
from airflow_neptune_ml.job_kinds import kind_of
from airflow_neptune_ml.jobs import JobStatus


@command
def show(args: Namespace) -> int:
    """Show one job."""
    hook = hook_for(args)
    job = hook.get(kind_of(args.kind), args.job_id)
    key = job.kind, job.job_id
    owners = owners_if_readable([key], active=[args.job_id], at=hook.cluster_url)
    facts = {**_facts(job), **owner_columns(key, owners), "cluster": hook.cluster_url}
    owner = owners and owners.of.get(key)
    if owner and job.may_be_abandoned:
        facts["waited for"] = " because ".join(verdict_on(owner))
    if args.output in ("json", "yaml"):
        print_rows([facts], args.output)
    else:
        told = [{"what": what, "value": value} for what, value in facts.items() if value not in ("", None)]
        print_rows(told, args.output)
    return FINE


def _facts(job: JobStatus) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "id": job.job_id,
        "kind": job.kind,
        "status": job.status,
        "phase": str(job.phase),
        "stage": job.stage,
        "arn": job.arn,
        "configuration": job.configuration,
        "models": ", ".join(job.models),
    }
    for sub_job in job.sub_jobs:
        for name, value in vars(sub_job).items():
            if name != "stage":
                facts[f"{sub_job.stage} {name.replace('_', ' ')}"] = value
    return facts
