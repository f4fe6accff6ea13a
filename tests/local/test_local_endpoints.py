"""How endpoints are updated, and what they serve meanwhile."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_neptune_ml.local import Life, LocalNeptuneML


@pytest.fixture
def endpoint(clocked: LocalNeptuneML, clocked_client: Any) -> LocalNeptuneML:
    """An endpoint `e` that serves the training `old`, on two machines."""
    for job_id in ("old", "new", "newer"):
        clocked.add_job("modeltraining", job_id, status="Completed")
    clocked.add_job("modeltransform", "transformed", status="Completed")
    clocked.expect("endpoint", Life(seconds=0))
    clocked_client.create_ml_endpoint(id="e", mlModelTrainingJobId="old", instanceCount=2)
    return clocked


def update(client: Any, training: str = "new", **more: Any) -> dict[str, Any]:
    return dict(client.create_ml_endpoint(id="e", mlModelTrainingJobId=training, update=True, **more))


def seen(client: Any) -> tuple[str, str]:
    """Get, and return the status and the name of the endpoint configuration."""
    answer = client.get_ml_endpoint(id="e")
    assert answer["endpoint"]["status"] == answer["status"]
    assert answer["endpointConfig"]["arn"].endswith(f":endpoint-config/{answer['endpointConfig']['name']}")
    return answer["status"], answer["endpointConfig"]["name"]


def served(neptune: LocalNeptuneML) -> Any:
    return neptune.job("endpoint", "e").request.get("mlModelTrainingJobId")


def test_an_update_brings_a_new_configuration(
    endpoint: LocalNeptuneML, clocked_client: Any, clock: Any
) -> None:
    """The old configuration is shown and served until the update is done, then the new one; each update has its own."""
    configs = [seen(clocked_client)[1]]
    name = clocked_client.get_ml_endpoint(id="e")["endpoint"]["name"]
    for training in ("new", "newer"):
        before = served(endpoint)
        endpoint.expect("endpoint", Life(seconds=30))
        update(clocked_client, training)
        for _ in range(2):
            assert seen(clocked_client) == ("Updating", configs[-1])
            assert served(endpoint) == before
            clock.now += 14.9
        clock.now += 1
        status, config = seen(clocked_client)
        assert status == "InService"
        assert config not in configs
        assert served(endpoint) == training
        configs.append(config)
        assert seen(clocked_client) == ("InService", config)
    assert clocked_client.get_ml_endpoint(id="e")["endpoint"]["name"] == name


def test_an_update_answers_as_the_creation_did(endpoint: LocalNeptuneML, clocked_client: Any) -> None:
    """An update answers the endpoint's id and its ARN, which stays."""
    arn = clocked_client.get_ml_endpoint(id="e")["endpoint"]["arn"]
    answer = update(clocked_client)
    assert (answer["id"], answer["arn"]) == ("e", arn)


def test_an_update_keeps_what_it_does_not_name(endpoint: LocalNeptuneML, clocked_client: Any) -> None:
    """Members of the earlier request stay in force, but for the job that was served in place of the new one."""
    endpoint.expect("endpoint", Life(seconds=0))
    clocked_client.create_ml_endpoint(id="e", mlModelTransformJobId="transformed", update=True)
    expected = {"id": "e", "instanceCount": 2, "mlModelTransformJobId": "transformed", "update": True}
    assert endpoint.job("endpoint", "e").request == expected


def test_an_update_can_be_rolled_back(endpoint: LocalNeptuneML, clocked_client: Any, clock: Any) -> None:
    """Such an update is Updating, RollingBack, each for half of its time, then serves the old configuration for ever."""
    _, old = seen(clocked_client)
    endpoint.expect("endpoint", Life(seconds=30, rolls_back=True))
    update(clocked_client, instanceCount=5)
    words = []
    for _ in range(5):
        status, config = seen(clocked_client)
        words.append(status)
        assert config == old
        assert endpoint.job("endpoint", "e").request == {
            "id": "e",
            "mlModelTrainingJobId": "old",
            "instanceCount": 2,
        }
        clock.now += 10
    assert words == ["Updating", "Updating", "RollingBack", "InService", "InService"]
    endpoint.expect("endpoint", Life(seconds=0))
    update(clocked_client)
    status, config = seen(clocked_client)
    assert (status, served(endpoint), config != old) == ("InService", "new", True)


def test_a_rollback_can_go_by_gets_or_fail(endpoint: LocalNeptuneML, clocked_client: Any) -> None:
    """With `reads` the rollback goes by Gets, and with another `end` it fails itself."""
    _, old = seen(clocked_client)
    endpoint.expect("endpoint", Life(reads=2, rolls_back=True, end="UpdateRollbackFailed"))
    update(clocked_client)
    words = ["Updating", "RollingBack", "UpdateRollbackFailed"]
    assert [seen(clocked_client) for _ in range(3)] == [(word, old) for word in words]


def test_a_failed_update_changes_nothing(endpoint: LocalNeptuneML, clocked_client: Any) -> None:
    """An update that ends as Failed leaves the old configuration, and can be followed by another update."""
    _, old = seen(clocked_client)
    endpoint.expect("endpoint", Life(reads=1, end="Failed"))
    update(clocked_client)
    assert [seen(clocked_client) for _ in range(2)] == [("Updating", old), ("Failed", old)]
    endpoint.expect("endpoint", Life(seconds=0))
    update(clocked_client, "newer")
    assert (seen(clocked_client)[1] != old, served(endpoint)) == (True, "newer")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (("InService", "Updating", "InService"), ["old", "old", "new"]),
        (("Updating", "InService"), ["old", "new"]),
        (("InService", "InService", "Updating", "InService"), ["old", "old", "old", "new"]),
        (("Updating", "SystemUpdating", "InService", "OutOfService"), ["old", "old", "new", "new"]),
        (("Updating", "RollingBack", "InService"), ["old", "old", "old"]),
        (("InService", "RollingBack", "InService"), ["old", "old", "old"]),
        (("Updating", "Failed"), ["old", "old"]),
        (("InService",), ["new"]),
    ],
)
def test_scripted_updates(
    script: tuple[str, ...], expected: list[str], endpoint: LocalNeptuneML, clocked_client: Any
) -> None:
    """In a script the new configuration serves from the InService after the last Updating, and never with a rollback."""
    _, old = seen(clocked_client)
    endpoint.expect("endpoint", Life(statuses=script))
    update(clocked_client)
    for word, config in zip((*script, script[-1]), [*expected, expected[-1]], strict=True):
        assert served(endpoint) == config
        status, name = seen(clocked_client)
        assert (status, "old" if name == old else "new") == (word, config)


def test_an_update_that_only_a_script_tells_of(endpoint: LocalNeptuneML, clocked_client: Any) -> None:
    """A script with an Updating brings a new configuration also when it is the life of an endpoint put there."""
    request = {"mlModelTrainingJobId": "old"}
    script = ("InService", "Updating", "InService")
    endpoint.add_job("endpoint", "e", life=Life(statuses=script), request=request)
    configs = [seen(clocked_client)[1] for _ in range(4)]
    assert configs[0] == configs[1] != configs[2] == configs[3]
    assert endpoint.job("endpoint", "e").request == request
    endpoint.add_job("endpoint", "e", status="Updating", life=Life(reads=1), request=request)
    (_, old), (_, new) = seen(clocked_client), seen(clocked_client)
    assert old != new
    assert endpoint.job("endpoint", "e").request == request


@pytest.mark.parametrize("rolls_back", [False, True])
def test_an_answer_is_of_one_moment(rolls_back: bool, client_of: Any) -> None:
    """However the time goes on while a Get is answered, its parts agree."""
    with LocalNeptuneML(clock=itertools.count().__next__) as neptune:
        client = client_of(neptune.url)
        for seconds in range(8, 18):
            life = Life(seconds=seconds, rolls_back=rolls_back)
            neptune.add_job("endpoint", "e", status="Updating", life=life)
            answers = [seen(client) for _ in range(20)]
            old = answers[0][1]
            assert answers[-1][0] == "InService"
            for status, config in answers:
                assert (config != old) == (status == "InService" and not rolls_back)


@pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack", "Deleting"])
def test_no_update_while_something_is_under_way(
    status: str, endpoint: LocalNeptuneML, clocked_client: Any
) -> None:
    """An update is refused while the endpoint is created, updated, rolled back or deleted, and nothing changes."""
    life = Life(reads=3, stop_reads=3)
    endpoint.add_job("endpoint", "e", status=status, life=life, request={"mlModelTrainingJobId": "old"})
    before = seen(clocked_client)
    with pytest.raises(ClientError) as caught:
        update(clocked_client)
    assert caught.value.response["Error"]["Code"] == "BadRequestException"
    assert "changed already" in caught.value.response["detailedMessage"]
    assert seen(clocked_client) == before
    assert (before[0], served(endpoint)) == (status, "old")


def test_a_refused_update_uses_up_no_life(endpoint: LocalNeptuneML, clocked_client: Any) -> None:
    """The life that a test expects is for the update that is accepted."""
    endpoint.expect("endpoint", Life(reads=1))
    endpoint.expect("endpoint", Life(seconds=0, rolls_back=True))
    update(clocked_client)
    with pytest.raises(ClientError):
        update(clocked_client, "newer")
    assert [seen(clocked_client)[0] for _ in range(2)] == ["Updating", "InService"]
    update(clocked_client, "newer")
    assert served(endpoint) == "new"


@pytest.mark.parametrize(("reads", "expected"), [(1, "old"), (2, "new")])
def test_a_deletion_keeps_the_configuration(
    reads: int, expected: str, endpoint: LocalNeptuneML, clocked_client: Any
) -> None:
    """While an endpoint is deleted it shows the configuration that served when the deletion was asked for."""
    _, old = seen(clocked_client)
    endpoint.expect("endpoint", Life(reads=2, stop_reads=3))
    update(clocked_client)
    for _ in range(reads):
        seen(clocked_client)
    clocked_client.delete_ml_endpoint(id="e")
    for _ in range(3):
        status, config = seen(clocked_client)
        assert (status, "old" if config == old else "new") == ("Deleting", expected)


def test_a_creation_is_not_rolled_back(endpoint: LocalNeptuneML, clocked_client: Any) -> None:
    """A life that rolls updates back means nothing to a creation."""
    endpoint.expect("endpoint", Life(reads=2, rolls_back=True))
    clocked_client.create_ml_endpoint(id="f", mlModelTrainingJobId="old")
    words = [clocked_client.get_ml_endpoint(id="f")["status"] for _ in range(3)]
    assert words == ["Creating", "Creating", "InService"]
