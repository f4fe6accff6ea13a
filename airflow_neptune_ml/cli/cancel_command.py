"""``neptune-ml cancel``: stop jobs by their ids, by the task that has started them, by a prefix, or all."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence

from airflow_neptune_ml.cli.cancelling import cancel_all, wait_for, write_down
from airflow_neptune_ml.cli.cluster_jobs import (
    ClusterJob,
    hook_for,
    kinds_of,
    list_ids,
    read_job,
    read_jobs,
    tell_unread,
)
from airflow_neptune_ml.cli.confirmation import cluster_name, confirm, confirm_cluster, needs_terminal
from airflow_neptune_ml.cli.job_rows import job_row, owners_if_readable, print_rows, tell_unread_xcoms
from airflow_neptune_ml.cli.metadata import Metadata, TaskKey
from airflow_neptune_ml.cli.owners import JobKey, Owners, jobs_started_by
from airflow_neptune_ml.cli.process import FINE, FOUND, USAGE, CommandError, command, say
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.job_kinds import KINDS


@command
def cancel(args: Namespace) -> int:
    """Cancel jobs."""
    _check(args)
    hook = hook_for(args)
    chosen, owners, complete = _chosen(args, hook)
    jobs = read_jobs(hook, chosen)
    read = {job.key for job in jobs}
    unknown = [job for job in chosen if job not in read]
    for kind, job_id in unknown:
        say(f"There is no {KINDS[kind].title} {job_id} on {hook.cluster_url}.")
    # What was named by its id is a mistake if it does not exist; what was listed has just gone.
    missing = not complete or bool(unknown and args.job_ids)
    wanted = _cancellable(args, jobs)
    missing = missing or any(job.error for job in jobs if job not in wanted)
    if not wanted:
        say("There is nothing to cancel.")
        if args.output != "table":
            print_rows([], args.output)
        return FOUND if missing else FINE
    if not args.yes:
        print_rows([job_row(job, owners) for job in wanted], "table", to_stderr=True)
    if not _agreed(args, hook, len(wanted)):
        say("Nothing was cancelled.")
        return FOUND
    outcomes = cancel_all(hook, wanted, clean=args.clean, still=_why_kept_after_all(args, hook))
    write_down(outcomes, owners.of if owners else {}, args.reason)
    if args.wait:
        outcomes = wait_for(hook, outcomes, args.timeout)
    print_rows([outcome.row() for outcome in outcomes], args.output)
    return FOUND if missing or any(outcome.failed for outcome in outcomes) else FINE


def _check(args: Namespace) -> None:
    ways = [bool(args.job_ids), args.started_by is not None, args.prefix is not None, args.everything]
    if sum(ways) != 1:
        raise CommandError("Give either KIND and ids, or --started-by, or --prefix, or --all.", USAGE)
    if args.prefix == "":
        raise CommandError("An empty --prefix is every job: --all says so.", USAGE)
    for job_id in args.job_ids:
        if problem := problem_with(job_id):
            raise CommandError(problem, USAGE)
    if (args.include_others or args.cluster) and not args.everything:
        raise CommandError("--include-others and --cluster belong to --all.", USAGE)
    if not (args.cluster if args.everything else args.yes):
        needs_terminal("--cluster NAME" if args.everything else "--yes")


def _chosen(args: Namespace, hook: NeptuneMLHook) -> tuple[list[JobKey], Owners | None, bool]:
    """Return the jobs that the arguments name, whose they are, and whether there are no others."""
    at = hook.cluster_url
    if args.job_ids:
        named = [(args.kind, job_id) for job_id in dict.fromkeys(args.job_ids)]
        return named, owners_if_readable(named, at=at), True
    listed, complete, refusal = list_ids(hook, kinds_of(args.kind))
    if refusal:
        raise refusal
    if args.prefix:
        listed = [job for job in listed if job[1].startswith(args.prefix)]
    if args.started_by:
        owners, elsewhere = _started_by(TaskKey(*args.started_by), listed, at, args.kind or "job")
        ours = [job for job in listed if job in owners.of]
        return ours, owners, complete and not elsewhere and not owners.unread
    known = owners_if_readable(listed, active=[job_id for _, job_id in listed], at=at)
    if args.everything and not args.include_others:
        if known is None:
            raise CommandError("Which jobs are this deployment's is not known: --include-others cancels all.")
        ours = [job for job in listed if (owner := known.of.get(job)) and owner.is_starter]
        if others := len(listed) - len(ours):
            say(
                f"{others} jobs of other deployments, or that nobody here has started, are kept: "
                "--include-others cancels them too."
            )
        return ours, known, complete and not known.unread
    return listed, known, complete


def _started_by(task: TaskKey, jobs: Sequence[JobKey], at: str, what: str) -> tuple[Owners, list[str]]:
    """Return the owners of those of the jobs that a task has started, and where it has started others."""
    owners, elsewhere, is_known = jobs_started_by(task, jobs, Metadata(), at=at)
    if not is_known:
        raise CommandError(
            f"Airflow knows no task {task.task_id} in a run {task.run_id} of {task.dag_id}, and no {what} has "
            "an id of such a task."
        )
    tell_unread_xcoms(owners)
    if elsewhere:
        say(
            f"{task.dag_id}.{task.task_id} has started jobs at {', '.join(elsewhere)}, which are not looked at: this "
            f"connection leads to {at}. Give --endpoint-url to look there."
        )
    return owners, elsewhere


def _cancellable(args: Namespace, jobs: Sequence[ClusterJob]) -> list[ClusterJob]:
    """Return the jobs for which a cancel has something to do; say which are left alone."""
    wanted = [job for job in jobs if job.is_cancellable]
    tell_unread(wanted)
    if args.job_ids:
        for job in jobs:
            if job not in wanted:
                say(f"The {job.kind.title} {job.job_id} needs no cancel: it is {job.word}.")
    if args.kind is None:
        serving = [job for job in wanted if job.serves]
        if serving:
            say(
                f"{len(serving)} endpoints that serve, or cannot be read, are kept: name the kind endpoint to delete "
                "them."
            )
        wanted = [job for job in wanted if not job.serves]
    return wanted


def _why_kept_after_all(args: Namespace, hook: NeptuneMLHook) -> Callable[[ClusterJob], str | None]:
    """Return what is asked right before each cancel: an endpoint may have come into service meanwhile."""

    def still(job: ClusterJob) -> str | None:
        if args.kind is not None or not job.kind.serves:
            return None
        now = read_job(hook, job.key)
        if now and now.error:
            raise now.error
        return f"it is {now.word} now" if now and now.serves else None

    return still


def _agreed(args: Namespace, hook: NeptuneMLHook, number: int) -> bool:
    what = "1 job" if number == 1 else f"{number} jobs"
    if args.everything:
        return confirm_cluster(f"Cancel {what}?", hook.cluster_url, given=args.cluster)
    return confirm(f"Cancel {what} on {cluster_name(hook.cluster_url)}?", yes=args.yes)
