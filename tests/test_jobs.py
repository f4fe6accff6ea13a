"""The table of job kinds, and how answers are read."""

import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel

from airflow_neptune_ml.jobs import ENDPOINT, KINDS, MODEL_TRAINING, JobStatus, Phase, kind_of

MODEL = ServiceModel(Loader().load_service_model("neptunedata", "service-2"))
METHODS = {xform_name(name): name for name in MODEL.operation_names}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("verb", ["start", "get", "list", "cancel"])
def test_every_verb_is_an_operation_of_botocore(kind, verb):
    """Each verb of the table is a method that boto3's neptunedata client has."""
    assert getattr(kind, verb) in METHODS


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_stages_and_models_are_members_of_the_get_answer(kind):
    """The keys that the table reads are all that the model's Get answer has beside id and status."""
    members = MODEL.operation_model(METHODS[kind.get]).output_shape.members
    known = {*kind.stages, *([kind.models] if kind.models else [])}
    assert known <= members.keys()
    assert members.keys() - known <= {"id", "status", "endpointConfig"}


def test_all_ml_operations_are_in_the_table():
    """A new ML operation in botocore makes this fail by name."""
    ours = {getattr(kind, verb) for kind in KINDS.values() for verb in ("start", "get", "list", "cancel")}
    assert {method for method, name in METHODS.items() if "ML" in name} == ours


def test_an_unknown_status_counts_as_running():
    """A word that nobody knows is neither an end nor a failure."""
    status = JobStatus("modeltraining", "j", "Reticulating")
    assert status.phase is Phase.ACTIVE
    assert not status.is_known
    assert not status.phase.is_final


def test_only_the_top_level_status_decides():
    """A completed sub-job does not make the job complete."""
    status = JobStatus.from_answer(
        MODEL_TRAINING, "j", {"status": "InProgress", "hpoJob": {"name": "n", "status": "Completed"}}
    )
    assert status.phase is Phase.ACTIVE
    assert status.stage == "tuning"


def test_a_failure_is_described_with_its_reason_and_log():
    """The reason and the log link, which only sub-jobs carry, are in the one line that users see."""
    answer = {
        "status": "Failed",
        "processingJob": {"name": "p", "status": "Completed"},
        "hpoJob": {"status": "Failed", "failureReason": "No GPUs left.", "cloudwatchLogUrl": "https://logs"},
    }
    line = JobStatus.from_answer(MODEL_TRAINING, "j", answer).sentence()
    assert (
        line == "Neptune ML training job j is Failed. Tuning failed: No GPUs left. Tuning log: https://logs"
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "InProgress"},
        {"status": "Completed", "mlModels": [{"name": "m"}, {"arn": "no name"}, None], "hpoJob": None},
    ],
)
def test_a_status_survives_the_way_through_an_event(answer):
    """What to_dict writes, from_dict reads, also when members are missing."""
    status = JobStatus.from_answer(MODEL_TRAINING, "j", answer)
    assert JobStatus.from_dict(status.to_dict()) == status


def test_an_endpoint_in_service_can_still_be_deleted():
    """An endpoint bills after it became ready, so ready is not finished for a delete."""
    assert ENDPOINT.phase("InService") in ENDPOINT.cancellable
    assert ENDPOINT.phase("Failed") in ENDPOINT.cancellable
    assert MODEL_TRAINING.phase("Completed") not in MODEL_TRAINING.cancellable


def test_a_kind_goes_by_its_name():
    """A kind's name stands for it, and a wrong one is answered with the right ones."""
    assert kind_of("modeltraining") is MODEL_TRAINING
    with pytest.raises(ValueError, match="dataprocessing, modeltraining, modeltransform, endpoint"):
        kind_of("training")
