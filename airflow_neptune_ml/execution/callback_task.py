"""A start operator's task as a DAG's callback finds it: not rendered, and perhaps mapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from inspect import Parameter, signature
from typing import Any

from airflow_neptune_ml.airflow_versions import AirflowException, states_are_told, task_states, xcoms_are_told
from airflow_neptune_ml.arguments import CONNECTION_ARGUMENTS, may_be_template, plain
from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.execution.run_xcoms import RunXComs
from airflow_neptune_ml.execution.started_jobs import family_of
from airflow_neptune_ml.execution.xcom import ADDRESS_KEY
from airflow_neptune_ml.job_ids import is_missing
from airflow_neptune_ml.jobs import JobKind, kind_of

ADDRESS_ARGUMENTS = frozenset({"endpoint_url", "db_cluster_id"})


class ArgumentUnknown(Exception):
    """What an argument was in the task's run cannot be known in a callback of its DAG.

    :param argument: its name
    """

    def __init__(self, argument: str, reason: str) -> None:
        super().__init__(f"its {argument} cannot be known here: {reason}")
        self.argument = argument


class CallbackTask:
    """One task of the run.

    :param task: the operator, or what Airflow keeps of a mapped one
    :param context: Airflow's context of the DAG's callback
    """

    def __init__(self, task: Any, context: Mapping[str, Any], dag_id: str, run_id: str) -> None:
        self.task_id = str(task.task_id)
        self.family = family_of(self.task_id, dag_id=dag_id, run_id=run_id)
        self.xcoms = RunXComs(dag_id, run_id, can_read=xcoms_are_told(), task_id=self.task_id)
        # With the run's last task instance there, a template would name another task's values.
        own = {"ti": self.xcoms, "task_instance": self.xcoms, "run_id": run_id}
        self._context = {**context, **own, "task": task}
        self._task = task

    @cached_property
    def operator(self) -> Any:
        """The operator; of a mapped one that with all arguments that are the same for all instances."""
        given = getattr(self._task, "partial_kwargs", None)
        if given is None:
            return self._task
        # Nothing of what is mapped is read here, but a constructor may require it, and gets None then. First
        # those that the class itself requires: it may give its base's arguments itself.
        classes = [each for each in self._task.operator_class.mro() if "__init__" in vars(each)]
        for depth in range(len(classes) + 1):
            missing = _required(classes[:depth])
            with suppress(TypeError, AirflowException):  # the second in 2.11
                return self._task.unmap({name: None for name in missing if name not in given})
        return self._task.unmap({})

    @cached_property
    def mapped(self) -> frozenset[str]:
        """The arguments that differ by instance, but for what `expand_kwargs` takes from another task."""
        if isinstance(self._expanded, Mapping):
            return frozenset(self._expanded)
        several = self._expanded if isinstance(self._expanded, Sequence) else ()
        return frozenset(name for one in several if isinstance(one, Mapping) for name in one)

    @property
    def _expanded(self) -> Any:
        """What `expand` or `expand_kwargs` was given; nothing if the task is not mapped."""
        return getattr(getattr(self._task, "expand_input", None), "value", ())

    @property
    def kind(self) -> JobKind:
        """What it starts."""
        return kind_of(self.operator.kind)

    @property
    def leaves_on_purpose(self) -> str | None:
        """The argument with which its user said that its job shall run on, if any."""
        for name in ("cancel_on_kill", "wait_for_completion"):
            if name not in self.mapped and getattr(self.operator, name) is False:
                return f"{name}=False"
        return None

    @property
    def may_mark_jobs(self) -> bool:
        """Whether it may have left a job on purpose, of which its XCom tells."""
        if not isinstance(self._expanded, Mapping | Sequence):
            return True  # what another task has pushed
        named = {"on_timeout", "cancel_on_kill", "wait_for_completion"}
        return bool(named & self.mapped) or self.operator.on_timeout == "leave"

    @property
    def has_own_ids(self) -> bool:
        """Whether its user chooses the job's id."""
        return "job_id" in self.mapped or self.operator.job_id not in (None, "")

    def connection(self, address: str | None = None) -> ConnectionArguments:
        """Return how the task reaches the cluster, rendered as far as the callback's context allows.

        :param address: the cluster's, in place of what the task's arguments say
        :raises ArgumentUnknown: an argument differs by instance, or needs what only the task's own run has
        """
        known: dict[str, Any] = {} if address is None else {"endpoint_url": address, "db_cluster_id": None}
        asked = (name for name in CONNECTION_ARGUMENTS if name not in known)
        return ConnectionArguments(**known, **{name: plain(self._rendered(name)) for name in asked})

    def instances(self) -> list[int]:
        """Return the map indexes of the task's instances: -1 if it is not mapped, or Airflow does not
        answer."""
        if not states_are_told():
            return [-1]
        try:
            return sorted(task_states(self.xcoms.dag_id, self.xcoms.run_id, self.task_id)) or [-1]
        except Exception:
            return [-1]

    def pushed(self, key: str, instances: Sequence[int]) -> dict[int, str]:
        """Return what the instances have pushed under a key."""
        found = {index: self.xcoms.xcom_pull(self.task_id, key=key, map_indexes=index) for index in instances}
        return {
            index: value for index, value in found.items() if isinstance(value, str) and not is_missing(value)
        }

    def addresses(self) -> list[str]:
        """Return the addresses at which the task's instances have started jobs, as far as they have told."""
        return sorted(set(self.pushed(ADDRESS_KEY, self.instances()).values()))

    def _rendered(self, name: str) -> Any:
        if name in self.mapped:
            raise ArgumentUnknown(name, "it differs by instance of the mapped task")
        value = getattr(self.operator, name)
        if not may_be_template(value):
            return value
        try:
            return self.operator.render_template(value, self._context)
        except Exception as error:
            raise ArgumentUnknown(name, f"{type(error).__name__}: {error}") from error


def _required(classes: Iterable[type]) -> Iterator[str]:
    """Yield the arguments of these classes' constructors that have no default."""
    for each in classes:
        for name, parameter in list(signature(vars(each)["__init__"]).parameters.items())[1:]:
            named = parameter.kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
            if named and parameter.default is Parameter.empty:
                yield name
