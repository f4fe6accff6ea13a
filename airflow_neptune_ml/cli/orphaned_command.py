"""``neptune-ml orphaned``: jobs of this deployment that nobody waits for any more. Meant for cron."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any, NamedTuple

from airflow_neptune_ml.cli.cancelling import cancel_all, write_down
from airflow_neptune_ml.cli.cluster_jobs import (
    ClusterJob,
    hook_for,
    kinds_of,
    list_ids,
    read_job,
    read_jobs,
    tell_unread,
)
from airflow_neptune_ml.cli.confirmation import cluster_name, confirm
from airflow_neptune_ml.cli.job_rows import owner_columns, print_rows
from airflow_neptune_ml.cli.metadata import Metadata
from airflow_neptune_ml.cli.owners import Owner, owners_of, prefix_of
from airflow_neptune_ml.cli.process import FINE, FOUND, CommandError, command, say
from airflow_neptune_ml.cli.verdicts import Standing, Verdict, verdict_on
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.started_jobs import NAMELESS, namespace

REASON = "Nobody waited for this job any more (neptune-ml orphaned)."


class Suspect(NamedTuple):
    """A job that may run for nobody."""

    job: ClusterJob
    owner: Owner
    verdict: Verdict

    def row(self, owners: dict[str, Owner]) -> dict[str, Any]:
        """Return what is printed."""
        return {
            "id": self.job.job_id,
            "kind": self.job.kind.name,
            "status": self.job.word,
            "standing": str(self.verdict.standing),
            "because": self.verdict.reason,
            **{
                name: value
                for name, value in owner_columns(self.job.job_id, owners).items()
                if name != "owner"
            },
        }


@command
def orphaned(args: Namespace) -> int:
    """Find orphaned jobs, and cancel them."""
    if args.cancel and namespace() in NAMELESS:
        raise CommandError(
            "This Airflow deployment has no name, so jobs of another one may look like its own. Set [neptune_ml] "
            "namespace, on all machines of the deployment, before you cancel."
        )
    cancelled = {Standing.ORPHANED}
    if args.include_success:
        cancelled.add(Standing.SUCCEEDED)
    if args.include_deleted:
        cancelled.add(Standing.DELETED)
    hook = hook_for(args)
    suspects = find_suspects(hook, args.kind)
    orphans = [suspect for suspect in suspects if suspect.verdict.standing in cancelled]
    owners = {suspect.job.job_id: suspect.owner for suspect in suspects}
    if not (args.cancel and args.output != "table"):
        print_rows([suspect.row(owners) for suspect in suspects], args.output)
    if not args.cancel or not orphans:
        return FOUND if orphans else FINE
    question = f"Cancel {len(orphans)} orphaned jobs on {cluster_name(hook.cluster_url)}?"
    if not confirm(question, yes=args.yes):
        say("Nothing was cancelled.")
        return FOUND
    outcomes = cancel_all(
        hook, [suspect.job for suspect in orphans], still=look_again(hook, cancelled, Metadata())
    )
    write_down(outcomes, owners, args.reason or REASON)
    print_rows([outcome.row() for outcome in outcomes], args.output)
    return FOUND if any(outcome.failed for outcome in outcomes) else FINE


def find_suspects(hook: NeptuneMLHook, kind: str | None) -> list[Suspect]:
    """Return the active jobs of this deployment that are orphaned, or may be.

    The jobs are listed before the database is read: a job that a task starts meanwhile is not on the list, and what is on
    the list has its run in the database, unless that was deleted.
    """
    derived = [item for item in list_ids(hook, kinds_of(kind)) if prefix_of(item[1])]
    read = read_jobs(hook, derived)
    tell_unread(read)
    active = [job for job in read if job.status is not None and job.status.may_be_abandoned]
    owners = owners_of([job.job_id for job in active], Metadata(), deleted_runs=True, own_ids=False)
    suspects = [
        Suspect(job, owner, verdict_on(owner)) for job in active if (owner := owners.get(job.job_id))
    ]
    return [
        suspect
        for suspect in suspects
        if suspect.verdict.standing in (Standing.ORPHANED, Standing.SUCCEEDED, Standing.DELETED)
    ]


def look_again(
    hook: NeptuneMLHook, cancelled: set[Standing], metadata: Metadata
) -> Callable[[ClusterJob], str | None]:
    """Return the question that is asked right before each cancel: a user may have cleared the task meanwhile."""

    def still(job: ClusterJob) -> str | None:
        owners = owners_of([job.job_id], metadata, deleted_runs=True, own_ids=False)
        verdict = verdict_on(owners.get(job.job_id))
        if verdict.standing not in cancelled:
            return verdict.reason
        now = read_job(hook, job.kind, job.job_id)
        if now is None or now.status is None or not now.status.may_be_abandoned:
            return f"it is {now.word if now else 'gone'} now"
        return None

    return still
