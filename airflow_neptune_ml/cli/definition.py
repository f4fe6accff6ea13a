"""What ``neptune-ml`` can be asked, in the form in which Airflow describes its own commands.

Airflow 3.2 and later call :func:`get_commands` with **every** command, ``airflow version`` too: it imports
Airflow's ``cli_config``, which is loaded then, and one light module of ours.
"""

from __future__ import annotations

from typing import Any

from airflow_neptune_ml.arguments import KIND_NAMES

EXIT_CODES = """exit codes:
  0  everything is fine
  1  something was found, or failed
  2  the command was used wrongly
130  interrupted"""

CRON = """from cron, every 15 minutes:
  */15 * * * *  neptune-ml orphaned --cancel --yes

A job is orphaned if one of these holds, and nothing else:
  - its task instance is failed, skipped, upstream_failed or removed
  - its task instance was cleared since, so that it belongs to an earlier generation

Shown, but cancelled only if you say so: jobs of tasks in success (--include-success), and of
runs or task instances that were deleted, whose XComs are gone (--include-deleted).
Never touched: jobs that a task left running on purpose (wait_for_completion=False,
on_timeout="leave", cancel_on_kill=False), jobs with an id of your own, jobs of other
deployments, and endpoints that serve."""


def get_commands() -> list[Any]:
    """Return the group of commands, as the key ``cli`` of the provider info wants it."""
    from airflow.cli.cli_config import GroupCommand

    return [
        GroupCommand(
            name="neptune-ml",
            help="See and stop jobs of Amazon Neptune ML",
            description="See and stop jobs of Amazon Neptune ML, and learn what is wrong between Airflow and the cluster.",
            subcommands=commands(),
            epilog=EXIT_CODES,
        )
    ]


def commands() -> tuple[Any, ...]:
    """Return the commands of the group."""
    return (_jobs(), _show(), _cancel(), _orphaned(), _doctor())


def _jobs() -> Any:
    from airflow.cli.cli_config import Arg

    return _command(
        "jobs",
        "List jobs, and whose they are",
        "List the jobs of a cluster: id, kind, status, stage, and the task that started each of them.\n"
        "Metadata database: needed to say whose jobs they are. Without it the jobs are listed all the same.",
        Arg(("--kind",), help="only jobs of this kind", choices=KIND_NAMES),
        Arg(
            ("--active",), help="only jobs that run or are being stopped, and endpoints", action="store_true"
        ),
        Arg(("--watch",), help="list them again and again, until Ctrl-C", action="store_true"),
        Arg(
            ("--interval",),
            help="with --watch: seconds between two lists (default: %(default)g)",
            metavar="SECONDS",
            type=_seconds,
            default=30.0,
        ),
    )


def _show() -> Any:
    from airflow.cli.cli_config import Arg

    return _command(
        "show",
        "Show everything about one job",
        "Show all that Neptune ML says about a job, with the links to its logs, and whose it is.\n"
        "Metadata database: needed to say whose job it is. Without it the job is shown all the same.",
        Arg(("kind",), help="what the job is: " + ", ".join(KIND_NAMES), choices=KIND_NAMES, metavar="KIND"),
        Arg(("job_id",), help="its Neptune ML id", metavar="ID"),
    )


def _cancel() -> Any:
    from airflow.cli.cli_config import ARG_YES, Arg

    return _command(
        "cancel",
        "Cancel jobs",
        "Cancel jobs; an endpoint is deleted. It shows the jobs and asks first. Finished jobs are left alone.\n"
        "Endpoints that serve, or cannot be read, are deleted only if the kind endpoint is named.\n"
        "Metadata database: not needed for ids that you name. What was cancelled is written into\n"
        "Airflow's audit log if it can be, on the page of the task that had started the job.",
        Arg(
            ("kind",),
            help="what the jobs are: " + ", ".join(KIND_NAMES),
            choices=KIND_NAMES,
            metavar="KIND",
            nargs="?",
        ),
        Arg(("job_ids",), help="their Neptune ML ids", metavar="ID", nargs="*"),
        Arg(
            ("--started-by",),
            help="in place of ids: what this task has started in this run, in any try (needs the database)",
            nargs=3,
            metavar=("DAG", "RUN", "TASK"),
        ),
        Arg(("--prefix",), help="in place of ids: all jobs whose id begins with this", metavar="PREFIX"),
        Arg(
            ("--all",),
            help="in place of ids: all jobs of this Airflow deployment; asks you to type the cluster's name\n"
            "(needs the database)",
            action="store_true",
            dest="everything",
        ),
        Arg(
            ("--include-others",),
            help="with --all: also jobs of other deployments, and those that nobody knows",
            action="store_true",
        ),
        Arg(("--cluster",), help="with --all: the cluster's name, in place of typing it", metavar="NAME"),
        Arg(("--reason",), help="why, for Airflow's audit log", metavar="TEXT"),
        Arg(("--clean",), help="let the service delete the jobs' artifacts in S3 too", action="store_true"),
        Arg(("--wait",), help="wait until the jobs have stopped", action="store_true"),
        Arg(
            ("--timeout",),
            help="with --wait: seconds after which the wait ends (default: %(default)g)",
            metavar="SECONDS",
            type=_seconds,
            default=900.0,
        ),
        ARG_YES,
    )


def _orphaned() -> Any:
    from airflow.cli.cli_config import ARG_YES, Arg

    return _command(
        "orphaned",
        "Find, and cancel, jobs that nobody waits for any more",
        "Find jobs of this Airflow deployment that run although nobody waits for them any more.\n"
        "Metadata database: needed. Exit code 1 if there are any, or if one could not be cancelled.",
        Arg(("--kind",), help="only jobs of this kind", choices=KIND_NAMES),
        Arg(("--cancel",), help="cancel them; asks first, unless --yes is given", action="store_true"),
        Arg(("--include-success",), help="also cancel jobs of tasks in success", action="store_true"),
        Arg(
            ("--include-deleted",),
            help="also cancel jobs whose run or task instance was deleted",
            action="store_true",
        ),
        Arg(("--reason",), help="why, for Airflow's audit log", metavar="TEXT"),
        ARG_YES,
        epilog=f"{CRON}\n\n{EXIT_CODES}",
    )


def _doctor() -> Any:
    return _command(
        "doctor",
        "Check everything between Airflow and the cluster",
        "Check everything between Airflow and the cluster, with one line and one cure for each check.\n"
        "Nothing is started, changed or cancelled. Exit code 1 if a check fails; warnings do not count.\n"
        "Metadata database: not needed. It may find something else on workers and triggerers: run it there too.",
    )


def _command(name: str, help: str, description: str, *args: Any, epilog: str = EXIT_CODES) -> Any:
    from airflow.cli.cli_config import ARG_OUTPUT, ARG_VERBOSE, ActionCommand, Arg, lazy_load_command

    cluster = (
        Arg(("--conn-id",), help="the Airflow connection (default: %(default)s)", default="aws_default"),
        Arg(("--endpoint-url",), help="the cluster's address, in place of the connection's", metavar="URL"),
        Arg(("--db-cluster-id",), help="the cluster's identifier, in place of its address", metavar="ID"),
    )
    return ActionCommand(
        name=name,
        help=help,
        description=description,
        func=lazy_load_command(f"airflow_neptune_ml.cli.{name}_command.{name}"),
        args=(*args, *cluster, ARG_OUTPUT, ARG_VERBOSE),
        epilog=epilog,
    )


def _seconds(text: str) -> float:
    import argparse
    import math

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return value
