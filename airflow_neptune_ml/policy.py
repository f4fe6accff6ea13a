"""Automatic cleanup: every DAG with a start operator gets a callback that stops what its runs leave running.

Airflow's entry point ``airflow.policy`` names this module, and Airflow imports it with its settings, in every
command and every process: an import error here would end them all. So it imports ``airflow.policies``, the
standard library and one module of ours that imports nothing else. Whatever else it needs is imported in
functions, whose errors are logged and go no further.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from airflow.policies import hookimpl

from airflow_neptune_ml import airflow_versions

log = logging.getLogger(__name__)

_START_MODULE = "airflow_neptune_ml.operators.start"


# Last, after a policy that replaces the callbacks: airflow_local_settings, or another package's.
@hookimpl(trylast=True)  # type: ignore[untyped-decorator]  # Airflow is not read by mypy
def dag_policy(dag: Any) -> None:
    """Let the runs of a DAG with start operators end with :func:`cancel_orphaned_jobs`.

    Airflow calls it for each DAG at each parse.
    """
    try:
        # Whoever has a start operator has imported its module.
        if _START_MODULE in sys.modules and start_tasks(dag) and _is_wanted():
            # A run can succeed although a task of it failed.
            for name in ("on_failure_callback", "on_success_callback"):
                setattr(dag, name, _with_ours(getattr(dag, name)))
                setattr(dag, f"has_{name}", True)
    except Exception:
        log.exception("No automatic cleanup of Neptune ML jobs for the DAG %s", getattr(dag, "dag_id", dag))


def cancel_orphaned_jobs(context: Any) -> None:
    """Cancel what a DAG run's start operators have left running. It is the DAG's last callback."""
    try:
        from airflow_neptune_ml.execution.cleanup import clean_up

        clean_up(start_tasks(context["dag"]), context, log)
    except Exception:
        log.exception("Neptune ML jobs of a DAG run may go on costing money: the automatic cleanup failed")


def start_tasks(dag: Any) -> list[Any]:
    """Return the DAG's start operators, mapped ones too."""
    start = getattr(sys.modules.get(_START_MODULE), "NeptuneMLStartJobOperator", ())
    # By class, and only then by task: a thousand tasks may cost a parse one millisecond.
    classes = {type(task) for task in dag.tasks}
    ours = {kind for kind in classes if issubclass(kind, start)}
    mapped = {kind for kind in classes - ours if kind.__name__ == "MappedOperator"}
    if not ours and not mapped:
        return []
    return [
        task
        for task in dag.tasks
        if type(task) in ours or (type(task) in mapped and _is_subclass(task.operator_class, start))
    ]


def _is_subclass(kind: Any, start: Any) -> bool:
    # In a serialized DAG it is a description of the class.
    return isinstance(kind, type) and issubclass(kind, start)


def _is_wanted() -> bool:
    return bool(airflow_versions.conf.getboolean("neptune_ml", "cancel_orphaned_jobs", fallback=True))


def _with_ours(given: Any) -> list[Any]:
    """Return a new list with our callback at its end: the user's own list may be that of several DAGs."""
    callbacks = [] if given is None else list(given) if isinstance(given, list | tuple) else [given]
    others = [callback for callback in callbacks if callback is not cancel_orphaned_jobs]
    return [*others, cancel_orphaned_jobs]
