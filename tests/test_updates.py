"""When an endpoint's update is over, for every order in which its signs can come. No I/O."""

import pytest

from airflow_neptune_ml.jobs import JobStatus
from airflow_neptune_ml.updates import EndpointUpdate

OVER, ROLLED_BACK, NOT_YET = "over", "rolled back", "not yet"


def follow(replaces, *looks, begun=False):
    """Return what the last of some looks, as (status, configuration), tells."""
    update = EndpointUpdate(replaces, begun)
    over = False
    for status, configuration in looks:
        assert not over, "a look came after the end"
        over = update.is_over(JobStatus("endpoint", "e", status, configuration=configuration))
    return (ROLLED_BACK if update.rolled_back else OVER) if over else NOT_YET


@pytest.mark.parametrize(
    ("replaces", "looks", "told"),
    [
        ("old", [("InService", "old")], NOT_YET),
        ("old", [("InService", "old")] * 50, NOT_YET),
        ("old", [("InService", "new")], OVER),
        ("old", [("Updating", "old"), ("InService", "new")], OVER),
        ("old", [("Updating", "new")], NOT_YET),
        ("old", [("Updating", "new"), ("InService", "new")], OVER),
        ("old", [("Updating", "old"), ("InService", "old")], ROLLED_BACK),
        ("old", [("Updating", "old"), ("RollingBack", "old"), ("InService", "old")], ROLLED_BACK),
        ("old", [("RollingBack", "old")], NOT_YET),
        ("old", [("RollingBack", "old"), ("Updating", "old"), ("InService", "new")], OVER),
        ("old", [("Updating", None), ("InService", None)], OVER),
        ("old", [("RollingBack", None), ("InService", None)], ROLLED_BACK),
        ("old", [("InService", None)], NOT_YET),
        (None, [("InService", "old")], NOT_YET),
        (None, [("Updating", "old"), ("InService", "new")], OVER),
        (None, [("Updating", "old"), ("InService", "old")], OVER),
        (None, [("Updating", "old"), ("RollingBack", "old"), ("InService", "old")], ROLLED_BACK),
        ("old", [("Deleting", "old")], NOT_YET),
        ("old", [("A new word", "old")], NOT_YET),
    ],
)
def test_an_update_is_over_when_the_new_configuration_serves(replaces, looks, told):
    """Neither the old InService nor a rollback counts as success; what is not known is not guessed."""
    assert follow(replaces, *looks) == told


def test_an_update_that_was_seen_before_is_over_at_the_first_in_service():
    """It may end between the worker's look and the trigger's first one."""
    assert follow(None, ("InService", "new"), begun=True) == OVER
    assert follow(None, ("RollingBack", "old"), ("InService", "old"), begun=True) == ROLLED_BACK


@pytest.mark.parametrize("status", ["Failed", "OutOfService", "UpdateRollbackFailed"])
def test_an_endpoint_that_broke_is_the_end(status):
    """What cannot get better by itself is not waited for."""
    assert follow("old", ("Updating", "old"), (status, "old")) == OVER
