"""``neptune-ml orphaned``: jobs of this deployment that nobody waits for any more. Meant for cron."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
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
from airflow_neptune_ml.cli.confirmation import cluster_name, confirm, needs_terminal
from airflow_neptune_ml.cli.job_rows import print_rows, task_columns
from airflow_neptune_ml.cli.metadata import Metadata
from airflow_neptune_ml.cli.owners import Owner, owners_of, prefix_of, read_again, started_elsewhere
from airflow_neptune_ml.cli.process import FINE, FOUND, CommandError, command, say
from airflow_neptune_ml.cli.verdicts import Standing, Verdict, verdict_on
from airflow_neptune_ml.execution.started_jobs import is_nameless, namespace
from airflow_neptune_ml.hooks import NeptuneMLHook

REASON = "Nobody waited for this job any more (neptune-ml orphaned)."

_SHOWN = (Standing.ORPHANED, Standing.SUCCEEDED, Standing.RUN_OVER, Standing.DELETED)


class Suspect(NamedTuple):
    """A job that may run for nobody."""

    job: ClusterJob
    owner: Owner
    verdict: Verdict

    def row(self) -> dict[str, Any]:
        """Return what is printed."""
        return {
            "id": self.job.job_id,
            "kind": self.job.kind.name,
            "status": self.job.word,
            "standing": str(self.verdict.standing),
            "because": self.verdict.reason,
            **task_columns(self.owner),
        }


@command
def orphaned(args: Namespace) -> int:
    """Find orphaned jobs, and cancel them."""
    if args.cancel and is_nameless(namespace()):
        raise CommandError(
            "This Airflow deployment has no name, so jobs of another one may look like its own. Set [neptune_ml] "
            "namespace, on all machines of the deployment, before you cancel."
        )
    if args.cancel and not args.yes:
        needs_terminal("--yes")
    cancelled = {Standing.ORPHANED}
    if args.include_success:
        cancelled.add(Standing.SUCCEEDED)
    if args.include_deleted:
        cancelled.add(Standing.DELETED)
    hook = hook_for(args)
    suspects, overlooked = find_suspects(hook, args.kind)
    orphans = [suspect for suspect in suspects if suspect.verdict.standing in cancelled]
    rows = [suspect.row() for suspect in suspects]
    if not args.cancel:
        print_rows(rows, args.output)
        return FOUND if suspects or overlooked else FINE
    # The output proper is what became of them. If there was nothing, programs get an empty list, and cron
    # nothing at all.
    print_rows(rows, "table", to_stderr=True)
    question = f"Cancel {len(orphans)} orphaned jobs on {cluster_name(hook.cluster_url)}?"
    if orphans and not confirm(question, yes=args.yes):
        say("Nothing was cancelled.")
        return FOUND
    outcomes = cancel_all(
        hook, [suspect.job for suspect in orphans], still=_look_again(hook, orphans, cancelled)
    )
    write_down(outcomes, {suspect.job.key: suspect.owner for suspect in orphans}, args.reason or REASON)
    if outcomes or args.output in ("json", "yaml"):
        print_rows([outcome.row() for outcome in outcomes], args.output)
    kept = len(suspects) > len(orphans) or any(outcome.failed for outcome in outcomes)
    return FOUND if kept or overlooked else FINE


def find_suspects(hook: NeptuneMLHook, kind: str | None) -> tuple[list[Suspect], bool]:
    """Return the active jobs of this deployment that may be orphaned, and whether some may be overlooked.

    The jobs are listed before the database is read: a job that a task starts meanwhile is not on the list,
    and what is on the list has its run in the database, unless that was deleted.
    """
    listed = list_ids(hook, kinds_of(kind))
    read = read_jobs(hook, [job for job in listed.jobs if prefix_of(job[1])])
    tell_unread(read)
    active = [job for job in read if job.status is not None and job.status.may_be_abandoned]
    ids = [job.job_id for job in active]
    metadata = Metadata()
    owners = owners_of([job.key for job in active], metadata, active=ids).of
    elsewhere = started_elsewhere([job.job_id for job in active if job.key not in owners], metadata)
    for job_id, task in elsewhere.items():
        say(
            f"{task.dag_id}.{task.task_id} has started {job_id} under another [neptune_ml] namespace than this command's, "
            f"{namespace()!r}. Set the one here that Airflow's other processes have."
        )
    suspects = [Suspect(job, owner, verdict_on(owner)) for job in active if (owner := owners.get(job.key))]
    shown = [suspect for suspect in suspects if suspect.verdict.standing in _SHOWN]
    return shown, bool(elsewhere) or not listed.complete or any(job.error for job in read)


def _look_again(
    hook: NeptuneMLHook, suspects: Sequence[Suspect], cancelled: set[Standing]
) -> Callable[[ClusterJob], str | None]:
    """Return what is asked right before each cancel: a user may have cleared the task meanwhile."""
    owners = {suspect.job.job_id: suspect.owner for suspect in suspects}
    metadata = Metadata()

    def still(job: ClusterJob) -> str | None:
        now = read_job(hook, job.key)
        if now and now.error:
            raise now.error
        if now is None or now.status is None or not now.status.may_be_abandoned:
            return f"it is {now.word if now else 'gone'} now"
        verdict = verdict_on(read_again(job.job_id, owners[job.job_id], metadata))
        return None if verdict.standing in cancelled else verdict.reason

    return still
