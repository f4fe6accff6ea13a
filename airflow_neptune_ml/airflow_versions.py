"""Every name that Airflow 2.11 and 3.x keep in different places, and the questions that they answer
differently. Where they differ in another way, the code asks ``IS_AIRFLOW_3``.

A name is looked up when it is first used, at the newest place first, so that nothing is imported that is not
needed. Airflow's own table of such names, in its common-compat provider, is newer than the Airflows that MWAA
offers.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import Any, get_args

IS_AIRFLOW_3 = find_spec("airflow.sdk") is not None

_PLACES = {
    "AirflowException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowFailException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowNotFoundException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowSensorTimeout": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowSkipException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowTaskTimeout": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "BaseHook": ("airflow.sdk", "airflow.hooks.base"),
    "BaseNotifier": ("airflow.sdk", "airflow.notifications.basenotifier"),
    "BaseOperator": ("airflow.sdk", "airflow.models.baseoperator"),
    "BaseSensorOperator": ("airflow.sdk", "airflow.sensors.base"),
    "Context": ("airflow.sdk", "airflow.utils.context"),
    "DAG": ("airflow.sdk", "airflow.models.dag"),
    "MappedOperator": ("airflow.sdk.definitions.mappedoperator", "airflow.models.mappedoperator"),
    "Param": ("airflow.sdk", "airflow.models.param"),
    "PokeReturnValue": ("airflow.sdk", "airflow.sensors.base"),
    "TaskDeferred": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "TaskGroup": ("airflow.sdk", "airflow.utils.task_group"),
    "XCom": ("airflow.sdk.execution_time.xcom", "airflow.models.xcom"),
    "XComArg": ("airflow.sdk", "airflow.models.xcom_arg"),
    "conf": ("airflow.sdk.configuration", "airflow.configuration"),
    "mask_secret": (
        "airflow.sdk.log",
        "airflow.sdk.execution_time.secrets_masker",
        "airflow.utils.log.secrets_masker",
    ),
    "task": ("airflow.sdk", "airflow.decorators"),
}


def __getattr__(name: str) -> Any:
    for place in _PLACES.get(name, ()):
        try:
            found = getattr(importlib.import_module(place), name)
        except (ImportError, AttributeError):
            continue
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def link_base() -> type:
    """Return the class from which the links of a task are derived.

    Airflow 3 asks a link for its name, XCom and address, whatever its class is. Its own base is made by
    attrs, which costs a millisecond in each parse of a DAG file. Airflow 2 serializes a link by attrs.
    """
    if IS_AIRFLOW_3:
        return object
    base: type = importlib.import_module("airflow.models.baseoperatorlink").BaseOperatorLink
    return base


def was_rescheduled(context: Any, retries: int) -> bool:
    """Return whether the task instance of a sensor has looked before, in a process that has ended.

    :param retries: the task's
    """
    ti = context["ti"]
    if IS_AIRFLOW_3:
        return ti.get_first_reschedule_date(context) is not None
    sensors = importlib.import_module("airflow.sensors.base")
    instance = {name: getattr(ti, name) for name in ("dag_id", "task_id", "run_id", "map_index")}
    first_try = (ti.max_tries or 0) - retries + 1
    return sensors._orig_start_date(**instance, try_number=first_try) is not None  # noqa: SLF001 - 2.11 has no other


FINAL_STATES = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States of a task instance in which no try of it runs or will run."""


def task_states(dag_id: str, run_id: str, task_id: str) -> dict[int, str | None]:
    """Return the state of each instance of a task in a DAG run, by its map index (-1: it is not mapped).

    Airflow 3 answers in the processes of tasks, triggers and callbacks; 2.11 reads its database, and so does
    ``dag.test()``, which has nobody to ask when it runs the DAG's callbacks.

    :raises Exception: Airflow did not answer
    """
    # It holds whom to ask. In a process where nobody can be asked it may not be loaded, or hold nobody.
    task_runner: Any = sys.modules.get("airflow.sdk.execution_time.task_runner")
    if hasattr(task_runner, "SUPERVISOR_COMMS"):
        states = task_runner.RuntimeTaskInstance.get_task_states(
            dag_id=dag_id, task_ids=[task_id], run_ids=[run_id]
        )
        found = states.get(run_id, {})
        # A mapped task's instance stands there under the task's id with the map index behind it.
        return {int(name[len(task_id) + 1 :] or -1): state for name, state in found.items()}
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(TaskInstance.map_index, TaskInstance.state).filter(
            TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.task_id == task_id
        )
        return dict(rows.all())


def is_asking_airflow() -> bool:
    """Return whether this thread is in the middle of a question to Airflow, as a signal handler can be.

    A second question would have to wait for the lock that the first one holds. Airflow 3.0.6 has no lock:
    there the second question would take the first one's answer, and both would wait for ever.
    """
    task_runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    send = getattr(type(getattr(task_runner, "SUPERVISOR_COMMS", None)), "send", None)
    code, frame = getattr(send, "__code__", None), inspect.currentframe()
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


def context_at_timeout() -> Any:
    """Return the running task's context while the error of its execution_timeout is handled, else None.

    Airflow can call ``on_kill`` then in a process that has run nothing of the task yet: 2.11 when a deferral
    has lasted too long, 3 in the first moment of a process that goes on after a deferral.
    """
    try:
        if isinstance(sys.exc_info()[1], __getattr__("AirflowTaskTimeout")):
            place = "airflow.sdk" if IS_AIRFLOW_3 else "airflow.operators.python"
            return importlib.import_module(place).get_current_context()
    except Exception:
        return None
    return None


def states_are_told() -> bool:
    """Return whether :func:`task_states` is answered here: not in the DAG processor of Airflow 3.0."""
    return _is_answered("GetTaskStates")


def xcoms_are_told() -> bool:
    """Return whether XComs can be read here: not in the DAG processor of Airflow 3.0."""
    return _is_answered("GetXCom")


def run_state(dag_id: str, run_id: str, logical_date: datetime | None) -> str | None:
    """Return the state of a DAG run, where :func:`task_states` is not answered.

    The DAG processor of Airflow 3.0 tells the last run before a moment: this one, just after its date.

    :return: None if nothing tells it: a run without a logical date, or an Airflow before 3.0.6
    :raises Exception: Airflow did not answer
    """
    if logical_date is None or not _is_answered("GetPreviousDagRun"):
        return None
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetPreviousDagRun

    question = GetPreviousDagRun(dag_id=dag_id, logical_date=logical_date + timedelta(microseconds=1))
    found = task_runner.SUPERVISOR_COMMS.send(question).dag_run
    # Its enumeration's own text begins with the name of the class.
    return str(found.state.value) if found is not None and found.run_id == run_id else None


def in_dag_processor() -> bool:
    """Return whether this process is one of Airflow 3 that parses a DAG file or runs its callbacks."""
    return IS_AIRFLOW_3 and "airflow.dag_processing.processor" in sys.modules


def _is_answered(name: str) -> bool:
    """Return whether Airflow answers a question, by its name, in this process.

    A DAG processor drops one that it does not know, and who asks waits until the process is killed.
    """
    questions = getattr(sys.modules.get("airflow.dag_processing.processor"), "ToManager", None)
    if questions is None:
        return True
    union, *_ = get_args(questions)
    return name in {question.__name__ for question in get_args(union)}


def rendered_fields() -> list[tuple[Any, Any]]:
    """Return Airflow's models of rendered arguments, each with the condition of its join with task instances.

    Airflow 3.4 keeps them by the task instance's id, and those of before in a table of their own.
    """
    from airflow.models import TaskInstance, renderedtifields
    from sqlalchemy import and_, select

    model = renderedtifields.RenderedTaskInstanceFields
    by_key = getattr(renderedtifields, "LegacyRenderedTaskInstanceFields", model)
    key = ("dag_id", "run_id", "task_id", "map_index")
    found = [(by_key, and_(*(getattr(by_key, name) == getattr(TaskInstance, name) for name in key)))]
    if by_key is not model:  # pragma: no cover - Airflow 3.4
        # Between two tries a task has its next try's id, while its arguments are kept under the last one's.
        # The ORM hides the last try; the table does not.
        tried = TaskInstance.__table__.alias()
        key = ("dag_id", "run_id", "task_id", "region_index")
        same = and_(*(tried.c[name] == getattr(TaskInstance, name) for name in key))
        found.append((model, select(tried.c.id).where(tried.c.id == model.task_instance_id, same).exists()))
    return found


def count(metric: str, number: int, tags: dict[str, str]) -> None:
    """Raise one of Airflow's counters (StatsD, OpenTelemetry), if Airflow has any."""
    places = ("airflow.observability.stats", "airflow.sdk.observability.stats", "airflow.stats")
    for place in places:  # pragma: no branch - one of them is there
        # The first is that of the DAG processor. The SDK's belongs to tasks, and counts nothing elsewhere.
        try:
            stats = importlib.import_module(place)
        except ImportError:
            continue
        getattr(stats, "Stats", stats).incr(metric, number, tags=tags)
        return
