"""The rules of `neptune-ml orphaned`, over all that they look at."""

import itertools

import pytest
from airflow.utils.state import TaskInstanceState

from airflow_neptune_ml.cli.metadata import Instance, InstanceKey, TaskKey
from airflow_neptune_ml.cli.owners import Owner
from airflow_neptune_ml.cli.verdicts import OVER, Standing, verdict_on

KEY = InstanceKey(TaskKey("dag", "run", "task"), -1)
OTHER = InstanceKey(TaskKey("other", "run", "wait"), -1)
STATES = [None, *(str(state.value) for state in TaskInstanceState), "a_state_of_airflow_4"]
WAITING = set(STATES) - OVER - {"success"}


@pytest.mark.parametrize(
    ("state", "generation", "left", "awaited_by", "run_is_over"),
    list(itertools.product(STATES, (0, 1, 2), (False, True), (None, OTHER), (False, True))),
)
def test_nobody_waits_for_a_job_only_if_it_is_certain(state, generation, left, awaited_by, run_is_over):
    """For every state of Airflow, each generation, with a mark and without, in a run that goes on or not."""
    instance = Instance(state, 1, max_tries=1, run_is_over=run_is_over)
    verdict = verdict_on(Owner(KEY, generation, instance, left, awaited_by=awaited_by))
    if awaited_by:
        assert verdict == (Standing.WANTED, "other.wait in run waits for it")
    elif left:
        assert verdict.standing is Standing.LEFT
    elif state == "success":
        assert verdict.standing is Standing.SUCCEEDED
    elif generation == 2:
        assert verdict.standing is Standing.DELETED
    elif generation == 1 and (state in WAITING or state == "removed") and not run_is_over:
        assert verdict.standing is Standing.WANTED
    elif generation == 1 and state in WAITING:
        assert verdict.standing is Standing.RUN_OVER
    else:
        assert verdict.standing is Standing.ORPHANED


def test_the_states_are_those_of_airflow():
    """A state that is final in Airflow is one that waits for nothing, or success."""
    from airflow.utils.state import State

    assert {str(getattr(state, "value", state)) for state in State.finished} == OVER | {"success"}


@pytest.mark.parametrize("left", [False, True])
def test_a_deleted_instance_is_told_apart(left):
    """Its XComs are gone with it, so that a mark may have been there."""
    assert verdict_on(Owner(KEY, 0, None, left)).standing is (Standing.LEFT if left else Standing.DELETED)


def test_an_unknown_owner_is_never_a_reason():
    """Nor is a task whose job has an id of its user's own: another DAG may have adopted it."""
    assert verdict_on(None).standing is Standing.UNKNOWN
    assert verdict_on(Owner(KEY, None, Instance("failed", 1, 0))).standing is Standing.UNKNOWN
