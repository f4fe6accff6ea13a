"""How jobs go over time, over Gets, and after a cancel."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_neptune_ml.local import Life, LocalNeptuneML, ServiceRules

VERBS = {
    "dataprocessing": ("get_ml_data_processing_job", "cancel_ml_data_processing_job"),
    "modeltraining": ("get_ml_model_training_job", "cancel_ml_model_training_job"),
    "modeltransform": ("get_ml_model_transform_job", "cancel_ml_model_transform_job"),
    "endpoint": ("get_ml_endpoint", "delete_ml_endpoint"),
}
STAGES = {
    "dataprocessing": ["processingJob"],
    "modeltraining": ["processingJob", "hpoJob"],
    "modeltransform": ["baseProcessingJob", "remoteModelTransformJob"],
    "endpoint": ["endpoint"],
}
JOBS = ["dataprocessing", "modeltraining", "modeltransform"]


def get(client: Any, kind: str, job_id: str = "job-0123456789") -> dict[str, Any]:
    answer = getattr(client, VERBS[kind][0])(id=job_id)
    answer.pop("ResponseMetadata")
    return dict(answer)


def cancel(client: Any, kind: str, **options: Any) -> dict[str, Any]:
    return dict(getattr(client, VERBS[kind][1])(id="job-0123456789", **options))


def add(neptune: LocalNeptuneML, kind: str, life: Life | None = None, **options: Any) -> None:
    neptune.add_job(kind, "job-0123456789", life=life, **options)


@pytest.mark.parametrize("kind", JOBS)
def test_a_timed_job_goes_through_its_stages(
    kind: str, clocked: LocalNeptuneML, clocked_client: Any, clock: Any
) -> None:
    """Sub-jobs begin one after the other within the job's seconds, are absent before, and all complete at the end."""
    add(clocked, kind, Life(seconds=30))
    stages = STAGES[kind]
    for number in range(len(stages)):
        seen = get(clocked_client, kind)
        assert seen["status"] == "InProgress"
        assert [key for key in stages if key in seen] == stages[: number + 1]
        assert [seen[key]["status"] for key in stages[: number + 1]] == ["Completed"] * number + [
            "InProgress"
        ]
        clock.now += 30 / len(stages)
    seen = get(clocked_client, kind)
    assert {seen["status"], *(seen[key]["status"] for key in stages)} == {"Completed"}
    assert ("mlModels" in seen) == (kind == "modeltraining")
    assert ("models" in seen) == (kind == "modeltransform")


@pytest.mark.parametrize("reads", [0, 1, 3])
@pytest.mark.parametrize("kind", JOBS)
def test_a_job_can_live_for_a_number_of_gets(
    kind: str, reads: int, neptune_ml: LocalNeptuneML, client: Any
) -> None:
    """With `reads`, so many Gets see the job active and the next sees it completed, whatever the time."""
    add(neptune_ml, kind, Life(reads=reads))
    assert [get(client, kind)["status"] for _ in range(reads + 2)] == ["InProgress"] * reads + [
        "Completed"
    ] * 2


def test_looking_without_a_request_is_no_get(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """A test that looks at a job's status does not use up a read."""
    add(neptune_ml, "modeltraining", Life(reads=1))
    for _ in range(3):
        assert neptune_ml.job("modeltraining", "job-0123456789").status == "InProgress"
    assert get(client, "modeltraining")["status"] == "InProgress"
    assert neptune_ml.job("modeltraining", "job-0123456789").status == "Completed"


def test_zero_seconds_is_at_once_and_none_is_never(
    clocked: LocalNeptuneML, clocked_client: Any, clock: Any
) -> None:
    """`seconds=0` completes at once, `seconds=None` runs until it is cancelled."""
    add(clocked, "dataprocessing", Life(seconds=0))
    add(clocked, "modeltraining", Life(seconds=None))
    clock.now += 10**9
    assert get(clocked_client, "dataprocessing")["status"] == "Completed"
    assert get(clocked_client, "modeltraining")["status"] == "InProgress"


@pytest.mark.parametrize(
    ("kind", "stage"),
    [(kind, stage) for kind, stages in STAGES.items() for stage in (None, *stages)]
    + [("modeltraining", "modelTransformJob")],
)
def test_a_job_fails_in_a_sub_job(
    kind: str, stage: str | None, neptune_ml: LocalNeptuneML, client: Any
) -> None:
    """A failed job tells its reason in the sub-job that failed and nowhere else; later sub-jobs never began."""
    add(neptune_ml, kind, Life(seconds=0, end="Failed", failed_stage=stage, failure_reason="out of memory"))
    seen = get(client, kind)
    assert seen["status"] == "Failed"
    assert "failureReason" not in seen
    begun = [key for key in (*STAGES[kind], "modelTransformJob") if key in seen]
    if stage is not None:
        assert begun[-1] == stage
    assert seen[begun[-1]]["status"] == "Failed"
    assert seen[begun[-1]]["failureReason"] == "out of memory"
    assert all(seen[key]["status"] == "Completed" and "failureReason" not in seen[key] for key in begun[:-1])


def test_statuses_can_be_scripted(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """Scripted statuses come one for each Get, unknown words too, and the last one stays."""
    add(neptune_ml, "modeltraining", Life(statuses=("InProgress", "Weird", "Completed")))
    words = ["InProgress", "Weird", "Completed", "Completed"]
    assert [get(client, "modeltraining")["status"] for _ in range(4)] == words


@pytest.mark.parametrize("kind", JOBS)
def test_a_cancelled_job_stops_after_its_seconds(
    kind: str, clocked: LocalNeptuneML, clocked_client: Any, clock: Any
) -> None:
    """A cancel answers Stopping, the job and its current sub-job stay so for stop_seconds, then they are Stopped."""
    add(clocked, kind, Life(seconds=30, stop_seconds=5))
    clock.now += 29
    assert cancel(clocked_client, kind)["status"] == "Stopping"
    clock.now += 4
    assert get(clocked_client, kind)["status"] == "Stopping"
    clock.now += 1
    seen = get(clocked_client, kind)
    assert seen["status"] == "Stopped"
    assert [seen[key]["status"] for key in STAGES[kind]][-1] == "Stopped"
    clock.now += 1000
    assert get(clocked_client, kind)["status"] == "Stopped"


def test_a_cancelled_job_goes_no_further(clocked: LocalNeptuneML, clocked_client: Any, clock: Any) -> None:
    """No sub-job begins after a cancel, however long the job stops."""
    add(clocked, "modeltraining", Life(seconds=30, stop_seconds=1000))
    clock.now += 1
    cancel(clocked_client, "modeltraining")
    for word in ("Stopping", "Stopped"):
        clock.now += 500
        seen = get(clocked_client, "modeltraining")
        assert (seen["status"], seen["processingJob"]["status"]) == (word, word)
        assert "hpoJob" not in seen


def test_stopping_can_take_a_number_of_gets(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """With `stop_reads`, so many Gets after the cancel see Stopping and the next sees Stopped."""
    add(neptune_ml, "modeltraining", Life(seconds=None, stop_reads=2))
    get(client, "modeltraining")
    cancel(client, "modeltraining")
    assert [get(client, "modeltraining")["status"] for _ in range(3)] == ["Stopping", "Stopping", "Stopped"]


def test_a_job_can_complete_while_it_is_stopped(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """`stop_statuses` scripts what follows a cancel, for example the race with completion."""
    add(neptune_ml, "modeltraining", Life(seconds=None, stop_statuses=("Stopping", "Completed")))
    cancel(client, "modeltraining")
    assert [get(client, "modeltraining")["status"] for _ in range(3)] == [
        "Stopping",
        "Completed",
        "Completed",
    ]


def test_clean_can_make_a_job_vanish(client_of: Any) -> None:
    """With that rule a job cancelled with `clean` is not found once it has stopped, one without `clean` is."""
    with LocalNeptuneML(
        rules=ServiceRules(clean_removes_job=True), life=Life(seconds=None, stop_reads=1)
    ) as neptune:
        client = client_of(neptune.url)
        add(neptune, "modeltraining")
        neptune.add_job("modeltraining", "other")
        cancel(client, "modeltraining", clean=True)
        client.cancel_ml_model_training_job(id="other")
        assert get(client, "modeltraining")["status"] == "Stopping"
        with pytest.raises(client.exceptions.MLResourceNotFoundException):
            get(client, "modeltraining")
        assert [get(client, "modeltraining", "other")["status"] for _ in range(2)] == ["Stopping", "Stopped"]
        assert client.list_ml_model_training_jobs()["ids"] == ["other"]


def test_an_endpoint_is_created_updated_and_deleted(
    clocked: LocalNeptuneML, clocked_client: Any, clock: Any
) -> None:
    """An endpoint goes Creating, InService, Updating, InService, Deleting, and is then not found; its id stays used."""
    clocked.add_job("modeltraining", "t", status="Completed")
    arguments = {"id": "job-0123456789", "mlModelTrainingJobId": "t"}
    clocked_client.create_ml_endpoint(**arguments)
    for word in ("Creating", "Updating"):
        seen = get(clocked_client, "endpoint")
        assert (seen["status"], seen["endpoint"]["status"]) == (word, word)
        assert set(seen["endpointConfig"]) == {"name", "arn"}
        clock.now += 30
        assert get(clocked_client, "endpoint")["status"] == "InService"
        if word == "Creating":
            clocked_client.create_ml_endpoint(**arguments, update=True)
    assert "status" not in cancel(clocked_client, "endpoint")
    assert get(clocked_client, "endpoint")["status"] == "Deleting"
    clock.now += 1
    with pytest.raises(clocked_client.exceptions.MLResourceNotFoundException):
        get(clocked_client, "endpoint")
    with pytest.raises(clocked_client.exceptions.InvalidParameterException):
        clocked_client.create_ml_endpoint(**arguments)


def test_expected_lives_queue_up(clocked: LocalNeptuneML, clocked_client: Any) -> None:
    """`expect` gives lives to the next started jobs of a kind, in order, and to no other kind."""
    clocked.add_job("dataprocessing", "d", status="Completed")
    clocked.expect("modeltraining", Life(seconds=0))
    clocked.expect("modeltraining", Life(seconds=0, end="Failed"))
    for job_id in ("a", "b", "c"):
        clocked_client.start_ml_model_training_job(
            id=job_id, dataProcessingJobId="d", trainModelS3Location="s3://b/t"
        )
    words = [get(clocked_client, "modeltraining", job_id)["status"] for job_id in ("a", "b", "c")]
    assert words == ["Completed", "Failed", "InProgress"]


def test_a_life_for_a_matching_request(neptune_ml: LocalNeptuneML, client: Any) -> None:
    """With `matching` a life waits for the start that has these members, whatever is started before it."""
    neptune_ml.add_job("dataprocessing", "d", status="Completed")
    failing, quick = Life(seconds=0, end="Failed"), Life(seconds=0)
    custom = {"customModelTrainingParameters": {"trainingEntryPointScript": "b.py"}}
    neptune_ml.expect("modeltraining", failing, matching={"trainingInstanceType": "ml.g5.xlarge"})
    neptune_ml.expect("modeltraining", failing, matching=custom)
    neptune_ml.expect("modeltraining", quick)
    requests: dict[str, dict[str, Any]] = {
        "a": {},
        "b": {"trainingInstanceType": "ml.g5.2xlarge"},
        "c": {"trainingInstanceType": "ml.g5.xlarge"},
        "d": {
            "customModelTrainingParameters": {
                "sourceS3DirectoryPath": "s3://b/s",
                "trainingEntryPointScript": "b.py",
            }
        },
    }
    for job_id, request in requests.items():
        client.start_ml_model_training_job(
            id=job_id, dataProcessingJobId="d", trainModelS3Location="s3://b/t", **request
        )
    words = [get(client, "modeltraining", job_id)["status"] for job_id in requests]
    assert words == ["Completed", "InProgress", "Failed", "Failed"]


def test_a_job_that_was_put_there_anew_is_another_one(
    clocked: LocalNeptuneML, clocked_client: Any, clock: Any
) -> None:
    add(clocked, "endpoint", status="InService")
    cancel(clocked_client, "endpoint")
    add(clocked, "endpoint", status="InService")
    clock.now += 60
    assert get(clocked_client, "endpoint")["status"] == "InService"


def test_jobs_say_in_short_what_they_are(neptune_ml: LocalNeptuneML) -> None:
    neptune_ml.add_job("modeltraining", "x", status="Failed")
    neptune_ml.add_job("endpoint", "y", status="InService")
    assert str(neptune_ml.jobs()) == "[<modeltraining 'x' Failed>, <endpoint 'y' InService>]"


@pytest.mark.parametrize("kind", VERBS)
@pytest.mark.parametrize(
    "status", ["active", "done", "Failed", "Stopping", "Stopped", "RollingBack", "NeverHeardOf"]
)
def test_a_job_can_be_put_there_in_any_status(
    kind: str, status: str, clocked: LocalNeptuneML, clocked_client: Any
) -> None:
    """`add_job` makes a job of any kind that reads as any word."""
    words = {
        "endpoint": {"active": "Creating", "done": "InService", "Stopping": "Deleting", "Stopped": "Updating"}
    }
    word = words.get(kind, {"active": "InProgress", "done": "Completed"}).get(status, status)
    add(clocked, kind, status=word)
    assert get(clocked_client, kind)["status"] == word


@pytest.mark.parametrize(
    ("kind", "life"),
    [("modeltraining", {"failed_stage": "trainingJob"}), ("training", {})],
)
def test_mistakes_in_a_test_are_named_at_once(
    kind: str, life: dict[str, Any], neptune_ml: LocalNeptuneML
) -> None:
    """An unknown kind or sub-job is an error of the test that names it, with what there is."""
    with pytest.raises(ValueError, match="there are"):
        neptune_ml.expect(kind, Life(**life))
    with pytest.raises(ValueError, match="there are"):
        neptune_ml.add_job(kind, "x", life=Life(**life))
    with pytest.raises(ValueError, match="status words"):
        Life(statuses="Completed")  # type: ignore[arg-type]


def test_jobs_are_not_rolled_back(neptune_ml: LocalNeptuneML) -> None:
    """A life that rolls an update back is refused for kinds that have no updates."""
    for kind in JOBS:
        with pytest.raises(ValueError, match="only an endpoint"):
            neptune_ml.expect(kind, Life(rolls_back=True))
        with pytest.raises(ValueError, match="only an endpoint"):
            neptune_ml.add_job(kind, "x", life=Life(rolls_back=True))
