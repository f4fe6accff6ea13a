"""Jobs as rows for Airflow's console: what a command prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow.cli.simple_table import AirflowConsole
from rich.markup import escape

from airflow_neptune_ml.cli.cluster_jobs import ClusterJob
from airflow_neptune_ml.cli.metadata import Metadata, MetadataUnreadable
from airflow_neptune_ml.cli.owners import JobKey, Owner, Owners, owners_of
from airflow_neptune_ml.cli.process import one_line, say

NOBODY = "another deployment's or nobody's"
NOT_READ = "not known"


def print_rows(rows: Sequence[Mapping[str, Any]], output: str, *, to_stderr: bool = False) -> None:
    """Print rows as Airflow's own commands do.

    :param to_stderr: they are not the output proper; no rows are nothing to tell then
    """
    if rows or not to_stderr:
        # rich would take "[neptune_ml]" in a table for an instruction to itself.
        shown = (lambda value: escape(str(value))) if output == "table" else (lambda value: value)
        data = [{name: shown(value) for name, value in row.items()} for row in rows]
        AirflowConsole(stderr=to_stderr).print_as(data, output)


def owners_if_readable(jobs: Sequence[JobKey], *, active: Iterable[str] = (), at: str) -> Owners | None:
    """Return the owners of jobs; None, with a line that says why, if the metadata database cannot be read.

    :param active: ids of those of the jobs that are not over
    :param at: the address of the jobs' cluster
    """
    try:
        owners = owners_of(jobs, Metadata(), active=active, at=at)
    except MetadataUnreadable as error:
        say(f"Whose the jobs are is not known. {one_line(error)}")
        return None
    tell_unread_xcoms(owners)
    return owners


def tell_unread_xcoms(owners: Owners) -> None:
    """Say that a job whose id somebody chose may have an owner that is not known."""
    if owners.unread:
        say(
            f"Some owners may not be known: this deployment's XCom backend cannot read {owners.unread} XComs here."
        )


def job_row(job: ClusterJob, owners: Owners | None) -> dict[str, Any]:
    """Return one job with its owner."""
    return {
        "id": job.job_id,
        "kind": job.kind.name,
        "status": job.word,
        "stage": (job.status and job.status.stage) or "",
        **owner_columns(job.key, owners),
    }


def owner_columns(job: JobKey, owners: Owners | None) -> dict[str, Any]:
    """Return whose a job is: DAG, run, task with its map index, try, and the state of that task instance."""
    owner = owners and owners.of.get(job)
    if not owner:
        columns: dict[str, Any] = dict.fromkeys(("dag_id", "run_id", "task_id", "try", "state"), "")
        return {**columns, "owner": NOBODY if owners and not owners.unread else NOT_READ}
    did = "found" if owner.only_found else "started"
    where = f" at {owner.elsewhere}" if owner.elsewhere else ""
    return {**task_columns(owner), "owner": f"{did} by this task{where}"}


def task_columns(owner: Owner) -> dict[str, Any]:
    """Return DAG, run, task with its map index, try, and the state of that task instance."""
    task, map_index = owner.key
    instance = owner.instance
    return {
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        "task_id": f"{task.task_id}[{map_index}]" if map_index >= 0 else task.task_id,
        "try": instance.try_number if instance else "",
        "state": (instance.state or "no state") if instance else "deleted",
    }
