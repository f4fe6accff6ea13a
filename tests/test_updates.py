"""When an endpoint's update is over, for every order in which its signs can come. No I/O."""

import pytest

from airflow_neptune_ml.jobs import JobStatus
from airflow_neptune_ml.updates import EndpointUpdate

OVER, ROLLED_BACK, NOT_YET = "over", "rolled back", "not yet"


def follow(replaces, *looks, was="InService"):
    """Return what the last of some looks, as (status, configuration), tells."""
    update = EndpointUpdate(replaces, was)
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
        (None, [("Updating", "old"), ("RollingBack", "old"), ("InService", "old")], ROLLED_BACK),
        ("old", [("Deleting", "old")], NOT_YET),
        ("old", [("A new word", "old")], NOT_YET),
    ],
)
def test_an_update_is_over_when_the_new_configuration_serves(replaces, looks, told):
    """Neither the old InService nor a rollback counts as success; what is not known is not guessed."""
    assert follow(replaces, *looks) == told


@pytest.mark.parametrize("status", ["Failed", "OutOfService", "UpdateRollbackFailed"])
def test_what_was_broken_before_is_not_the_end(status):
    """Until it moved, or broke in another way."""
    assert follow("old", (status, "old"), was=status) == NOT_YET
    assert follow("old", (status, "old"), ("Updating", "old"), ("InService", "new"), was=status) == OVER
    assert follow("old", ("Updating", "old"), (status, "old"), was=status) == OVER
    assert follow("old", ("A", "old"), ("Failed", "old"), was=status) == OVER


@pytest.mark.parametrize("status", ["Failed", "OutOfService", "UpdateRollbackFailed"])
def test_an_endpoint_that_broke_is_the_end(status):
    """What cannot get better by itself is not waited for."""
    assert follow("old", ("Updating", "old"), (status, "old")) == OVER
