"""Which DAGs get the cleanup callback, and what that does to them and to every process of Airflow."""

import ast
import datetime
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Union

import pluggy
import pytest
from airflow import policies

from airflow_neptune_ml import policy
from airflow_neptune_ml.airflow_versions import DAG, BaseOperator, TaskGroup, states_are_told
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator, NeptuneMLStartTrainingOperator
from airflow_neptune_ml.policy import cancel_orphaned_jobs, dag_policy
from demo.airflow_process import AIRFLOW_3
from tests.policy.conftest import TRAINING


class GetTaskStates:
    """A question that a DAG processor answers."""


CALLBACKS = ("on_failure_callback", "on_success_callback")


def dag(dag_id="d", **arguments):
    """Return an empty DAG."""
    return DAG(dag_id, schedule=None, start_date=datetime.datetime(2026, 1, 1), **arguments)


def with_start(made=None, task_id="train"):
    """Return a DAG with a start operator."""
    made = made or dag()
    NeptuneMLStartTrainingOperator(task_id=task_id, dag=made, **TRAINING)
    return made


def mapped():
    with dag() as made:
        NeptuneMLStartTrainingOperator.partial(task_id="train", train_model_s3_location="s3://b/m").expand(
            data_processing_job_id=["a", "b"]
        )
    return made


def in_a_group():
    with dag() as made, TaskGroup("group"):
        NeptuneMLStartTrainingOperator(task_id="train", **TRAINING)
    return made


def of_a_subclass():
    class Ours(NeptuneMLStartTrainingOperator):
        pass

    made = dag()
    Ours(task_id="train", dag=made, **TRAINING)
    return made


def without_start():
    made = dag()
    NeptuneMLCancelTrainingOperator(task_id="cancel", job_id="j", dag=made)
    BaseOperator(task_id="other", dag=made)
    return made


def mapped_cancel():
    with dag() as made:
        NeptuneMLCancelTrainingOperator.partial(task_id="cancel").expand(job_id=["a", "b"])
    return made


def test_airflow_finds_the_policy_under_a_name_of_our_own():
    """Of two entry points with the same name, such as the "_" of Airflow's docs, only one is loaded."""
    ours = [
        entry
        for entry in importlib.metadata.entry_points(group="airflow.policy")
        if entry.value == "airflow_neptune_ml.policy"
    ]
    assert [entry.name for entry in ours] == ["airflow_neptune_ml"]


@pytest.mark.parametrize("make", [with_start, mapped, in_a_group, of_a_subclass])
def test_a_dag_with_a_start_operator_gets_the_callback(make):
    """In both lists, since a run can succeed although a task of it failed; and Airflow is told that there is one."""
    made = make()
    dag_policy(made)
    for name in CALLBACKS:
        assert getattr(made, name) == [cancel_orphaned_jobs]
        assert getattr(made, f"has_{name}") is True


@pytest.mark.parametrize("make", [without_start, mapped_cancel, dag])
def test_every_other_dag_stays_as_it_is(make):
    """Also one with other operators of this package."""
    made = make()
    dag_policy(made)
    assert [getattr(made, name) for name in CALLBACKS] == [None, None]
    assert not made.has_on_failure_callback


def test_the_option_turns_it_off(monkeypatch):
    """[neptune_ml] cancel_orphaned_jobs."""
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__CANCEL_ORPHANED_JOBS", "False")
    made = with_start()
    dag_policy(made)
    assert [getattr(made, name) for name in CALLBACKS] == [None, None]


@pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 2 reads its database")
@pytest.mark.parametrize(("questions", "told"), [((int, str), False), ((int, GetTaskStates), True)])
def test_states_are_not_asked_where_nobody_answers(monkeypatch, questions, told):
    """The DAG processor of Airflow 3.0 drops the question, and a callback that asks would wait until it is killed."""
    processor = SimpleNamespace(ToManager=Annotated[Union[questions], "by type"])  # noqa: UP007  no literal
    monkeypatch.setitem(sys.modules, "airflow.dag_processing.processor", processor)
    assert states_are_told() is told


def test_a_list_that_two_dags_share_stays_as_it_is():
    """Airflow keeps the user's own list, in which ours would come twice, and into DAGs of others."""
    shared = [print]
    one, two = dag("one", on_failure_callback=shared), dag("two", on_failure_callback=shared)
    for made in (one, two):
        dag_policy(with_start(made))
        assert made.on_failure_callback == [print, cancel_orphaned_jobs]
    assert shared == [print]


@pytest.mark.parametrize("given", [print, [print], (print,)])
def test_ours_comes_after_the_users_own(given):
    """What the user wants told comes first: the DAG processor may be ended before the last."""
    made = with_start(dag(on_failure_callback=given))
    dag_policy(made)
    dag_policy(made)  # as where Airflow calls it twice
    assert made.on_failure_callback == [print, cancel_orphaned_jobs]


@pytest.mark.parametrize("first", ["ours", "the other"])
def test_a_policy_that_replaces_callbacks_comes_before_ours(first):
    """That of another package, whichever Airflow finds first."""

    class Other:
        @policies.hookimpl
        def dag_policy(self, dag):
            dag.on_failure_callback = [print]

    manager = pluggy.PluginManager("airflow.policy")
    manager.add_hookspecs(policies)
    for plugin in (policy, Other()) if first == "ours" else (Other(), policy):
        manager.register(plugin)
    made = with_start()
    manager.hook.dag_policy(dag=made)
    assert made.on_failure_callback == [print, cancel_orphaned_jobs]


WITH_ANOTHER_PACKAGE = """
import airflow
from airflow import settings
from tests.policy.test_policy import with_start
made = with_start()
settings.dag_policy(made)
print([callback.__name__ for callback in made.on_failure_callback], sorted(made.tags))
"""


def test_another_policy_package_works_beside_ours(tmp_path, monkeypatch):
    """It is installed, under the name that Airflow's docs use for entry points of policies."""
    (tmp_path / "anothers.py").write_text(
        "from airflow.policies import hookimpl\n"
        "@hookimpl\n"
        "def dag_policy(dag):\n"
        "    dag.on_failure_callback = [print]\n"
        "    dag.tags = {'of another package'}\n"
    )
    metadata = tmp_path / "another-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[airflow.policy]\n_ = anothers\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert printed(WITH_ANOTHER_PACKAGE) == "['print', 'cancel_orphaned_jobs'] ['of another package']"


def test_a_dag_that_it_cannot_read_is_loaded_all_the_same(written):
    """A policy that raises keeps a DAG from being loaded."""
    dag_policy(SimpleNamespace(dag_id="d", tasks=None))
    assert "No automatic cleanup of Neptune ML jobs for the DAG d" in written()


def test_a_callback_that_cannot_work_says_so_and_raises_nothing(written):
    """As with a context that has not even a DAG."""
    cancel_orphaned_jobs({})
    assert "the automatic cleanup failed" in written()


WHAT_IT_IMPORTS = """
import sys
import airflow.policies
for name in [name for name in sys.modules if name.startswith("airflow_neptune_ml")]:
    del sys.modules[name]  # Airflow may have imported it
before = set(sys.modules)
import airflow_neptune_ml.policy
print(sorted(set(sys.modules) - before - sys.stdlib_module_names))
"""


def printed(code):
    """Return what Python code prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip().splitlines()[-1]


def test_it_imports_nothing_that_could_fail():
    """Airflow imports it in every command, and an import error would end each of them."""
    tree = ast.parse(Path(policy.__file__).read_text())
    imported = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module)
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    assert imported - sys.stdlib_module_names == {"airflow.policies", "airflow_neptune_ml"}


def test_importing_it_imports_nothing_else():
    """Every command of Airflow pays for it: 1.6 ms were measured, on a busy machine."""
    assert set(json.loads(printed(WHAT_IT_IMPORTS).replace("'", '"'))) <= {
        "airflow_neptune_ml",
        "airflow_neptune_ml.airflow_versions",
        "airflow_neptune_ml.policy",
    }


def lines_run(function, *arguments):
    """Return how many lines of Python a call runs, Airflow's own with them: a count that no busy machine changes."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return count


def test_a_dag_without_start_operators_costs_next_to_nothing():
    """Each parse of each DAG pays it."""
    assert lines_run(dag_policy, without_start()) < 60


def test_a_dag_with_a_thousand_tasks_costs_a_few_lines_for_each():
    """It is looked at task by task."""
    made = with_start()
    few = lines_run(dag_policy, made)
    made = with_start()
    for number in range(999):
        BaseOperator(task_id=f"t{number}", dag=made)
    # From Python 3.12 on a comprehension's lines are counted with the function that it is in.
    assert (lines_run(dag_policy, made) - few) / 999 < 6
    assert made.on_failure_callback == [cancel_orphaned_jobs]


SERIALIZE = """
import json
from tests.policy.test_policy import dag, with_start
from airflow_neptune_ml.policy import dag_policy
try:
    from airflow.serialization.serialized_objects import DagSerialization as Serialized
except ImportError:
    from airflow.serialization.serialized_objects import SerializedDAG as Serialized
made = with_start(dag(on_failure_callback=print))
dag_policy(made)
print(json.dumps(Serialized.to_dict(made), sort_keys=True))
"""


def test_a_dag_is_serialized_the_same_in_two_processes():
    """Else Airflow 3 makes a new version of the DAG at each parse."""
    one, two = printed(SERIALIZE), printed(SERIALIZE)
    assert one == two
    assert json.loads(one)["dag"]["has_on_success_callback"] is True
