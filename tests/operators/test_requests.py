"""What a start operator sends: held against botocore's model, member by member."""

import json
import shutil
from pathlib import Path

import botocore
import botocore.session
import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore import xform_name

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.execution.request_checks import checked_request
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.hooks.http_only import HTTP_ONLY
from airflow_neptune_ml.jobs import KINDS
from airflow_neptune_ml.local import Life
from airflow_neptune_ml.operators import (
    NeptuneMLCreateEndpointOperator,
    NeptuneMLStartDataProcessingOperator,
    NeptuneMLStartTrainingOperator,
    NeptuneMLStartTransformOperator,
)
from tests.operators.test_contracts import NEEDED, named_arguments
from tests.task_run import run_task

STARTS = {
    "StartMLDataProcessingJob": NeptuneMLStartDataProcessingOperator,
    "StartMLModelTrainingJob": NeptuneMLStartTrainingOperator,
    "StartMLModelTransformJob": NeptuneMLStartTransformOperator,
    "CreateMLEndpoint": NeptuneMLCreateEndpointOperator,
}
MODEL = botocore.session.get_session().get_service_model("neptunedata")
ELSEWHERE = {"id", "neptuneIamRoleArn"}
"""Members that all operators of this package have: job_id, and an argument of the connection."""


def members(operation):
    """Return the members of an operation's request that are its operator's own, with botocore's shapes."""
    shapes = MODEL.operation_model(operation).input_shape.members
    return {name: shape for name, shape in shapes.items() if name not in ELSEWHERE}


def values_for(operation):
    """Return a right value for every member of a request, also for those that boto3 does not know."""
    values = {name: value_of(name, shape) for name, shape in members(operation).items()}
    values |= {
        name: {"maxWaitTime": 90_000, "modelName": "custom"}.get(name, False)
        for name in HTTP_ONLY.get(operation, ())
    }
    # These exclude each other.
    for excluded in ("trainingJobName", "mlModelTransformJobId", "update"):
        values.pop(excluded, None)
    return values


def value_of(name, shape):
    """Return a right value for a member."""
    by_type = {"integer": 7, "boolean": True, "list": ["a", "b"]}
    if shape.type_name == "structure":
        return {key: value_of(key, inner) for key, inner in shape.members.items()}
    if shape.type_name in by_type:
        return by_type[shape.type_name]
    if "S3" in name and "Key" not in name:
        return f"s3://bucket/{name}"
    if name.lower().endswith("instancetype"):
        return "ml.m5.xlarge"
    if name.endswith("Arn"):
        return "arn:aws:iam::123456789012:role/r"
    return f"a-{name}"


@pytest.mark.parametrize("operation", STARTS)
def test_every_member_of_the_api_is_an_argument_of_the_same_name(operation):
    """A new member in a newer botocore makes this fail by its name."""
    wanted = {xform_name(name) for name in [*members(operation), *HTTP_ONLY.get(operation, ())]}
    cls = STARTS[operation]
    own = set(cls.template_fields) - set(cls.__mro__[1].template_fields)
    assert own == wanted
    assert wanted <= named_arguments(cls)


@pytest.mark.parametrize("operation", STARTS)
def test_what_the_api_requires_is_required(operation):
    """The members that botocore calls required are needed here too."""
    cls = STARTS[operation]
    kind = KINDS[cls.kind]
    required = {cls.members[argument] for argument in cls.required}
    assert required == set(MODEL.operation_model(operation).input_shape.required_members)
    assert kind.start == xform_name(operation)
    for argument in cls.required:
        values = {**values_for(operation), cls.members[argument]: ""}
        with pytest.raises(exceptions.NeptuneMLConfigurationError, match=f"{argument} is needed"):
            checked_request(kind, values, cls.required)


@pytest.mark.parametrize("operation", STARTS)
def test_what_is_not_given_is_not_sent(operation):
    """AWS's own defaults hold where a user says nothing, also where a template gives an empty string."""
    cls = STARTS[operation]
    nothing = dict.fromkeys(set(map(xform_name, values_for(operation))) - set(NEEDED[cls]), "")
    task = cls(task_id="t", **{**nothing, **NEEDED[cls]})
    if operation == "StartMLModelTransformJob":
        task.training_job_name = "name"
    sent = checked_request(KINDS[cls.kind], task.request())
    assert {xform_name(name) for name in sent} - {"update", "training_job_name"} == set(NEEDED[cls])


TRAINING = NEEDED[NeptuneMLStartTrainingOperator]
PROCESSING = NEEDED[NeptuneMLStartDataProcessingOperator]
TRANSFORM = NEEDED[NeptuneMLStartTransformOperator]


@pytest.mark.parametrize(
    ("cls", "arguments", "text"),
    [
        (
            NeptuneMLStartDataProcessingOperator,
            {"input_data_s3_location": "bucket/in"},
            "input_data_s3_location must be an S3 URI",
        ),
        (
            NeptuneMLStartDataProcessingOperator,
            {"processed_data_s3_location": "s3:///x"},
            "processed_data_s3_location must be an S3",
        ),
        (
            NeptuneMLStartDataProcessingOperator,
            {"processing_instance_type": "r5.large"},
            "processing_instance_type must be an instance",
        ),
        (
            NeptuneMLStartDataProcessingOperator,
            {"processing_time_out_in_seconds": 0},
            "processing_time_out_in_seconds must be a whole",
        ),
        (
            NeptuneMLStartDataProcessingOperator,
            {"processing_instance_volume_size_in_gb": -1},
            "processing_instance_volume_size_in_gb must",
        ),
        (NeptuneMLStartDataProcessingOperator, {"subnets": "subnet-1"}, "subnets must be a list of ids"),
        (NeptuneMLStartDataProcessingOperator, {"subnets": 5}, "subnets must be a list of ids"),
        (
            NeptuneMLStartDataProcessingOperator,
            {"sagemaker_iam_role_arn": "role"},
            "sagemaker_iam_role_arn must be an ARN",
        ),
        (NeptuneMLStartDataProcessingOperator, {"model_type": 5}, "model_type must be a string"),
        (
            NeptuneMLStartDataProcessingOperator,
            {"previous_data_processing_job_id": "None"},
            "previous_data_processing_job_id: The job id is 'None'",
        ),
        (
            NeptuneMLStartTrainingOperator,
            {"data_processing_job_id": "a/b"},
            "data_processing_job_id: The job id 'a/b'",
        ),
        (
            NeptuneMLStartTrainingOperator,
            {"data_processing_job_id": None},
            "data_processing_job_id is needed",
        ),
        (
            NeptuneMLStartTrainingOperator,
            {"max_hpo_number_of_training_jobs": "many"},
            "max_hpo_number_of_training_jobs must be a whole",
        ),
        (
            NeptuneMLStartTrainingOperator,
            {"max_hpo_number_of_training_jobs": True},
            "max_hpo_number_of_training_jobs must be a whole",
        ),
        (
            NeptuneMLStartTrainingOperator,
            {"enable_managed_spot_training": "yes"},
            "enable_managed_spot_training must be True or False",
        ),
        (
            NeptuneMLStartTrainingOperator,
            {"max_wait_time": 3600},
            r"max_wait_time \(3600 s\) must not be shorter than training_time_out_in_seconds \(86400 s\)",
        ),
        (
            NeptuneMLStartTrainingOperator,
            {"max_wait_time": 60, "training_time_out_in_seconds": 61},
            "max_wait_time",
        ),
        (
            NeptuneMLStartTrainingOperator,
            {"custom_model_training_parameters": "x"},
            "custom_model_training_parameters must be a dict",
        ),
        (
            NeptuneMLStartTrainingOperator,
            {"custom_model_training_parameters": {}},
            r"custom_model_training_parameters\['sourceS3DirectoryPath'\] must be",
        ),
        (NeptuneMLStartTrainingOperator, {"job_id": "x" * 49}, "49 characters"),
        (NeptuneMLStartTransformOperator, {}, "not none of them"),
        (NeptuneMLStartTransformOperator, {"data_processing_job_id": "d"}, "not data_processing_job_id"),
        (NeptuneMLStartTransformOperator, {"ml_model_training_job_id": "d"}, "not ml_model_training_job_id"),
        (
            NeptuneMLStartTransformOperator,
            {"data_processing_job_id": "d", "ml_model_training_job_id": "m", "training_job_name": "n"},
            "training_job_name",
        ),
        (
            NeptuneMLCreateEndpointOperator,
            {"ml_model_transform_job_id": "t"},
            "exactly one of ml_model_training_job_id and ml_model_transform_job_id, not both",
        ),
        (NeptuneMLCreateEndpointOperator, {"ml_model_training_job_id": None}, "not none"),
        (
            NeptuneMLCreateEndpointOperator,
            {"instance_type": "m5.large"},
            "instance_type must be an instance type",
        ),
        (
            NeptuneMLCreateEndpointOperator,
            {"instance_count": 0},
            "instance_count must be a whole number of at least 1",
        ),
        # str.strip takes more for white space than int does, and int no more than 4,300 digits.
        *[
            (NeptuneMLCreateEndpointOperator, {"instance_count": value}, "instance_count must be a whole")
            for value in ("1\x1f", "1" * 5000)
        ],
        *[
            (
                NeptuneMLStartTransformOperator,
                {"custom_model_transform_parameters": value},
                rf"custom_model_transform_parameters{where} must be",
            )
            for value, where in (
                (["s3://bucket/code"], ""),
                ({"transformEntryPointScript": "t.py"}, r"\['sourceS3DirectoryPath'\]"),
                ({"sourceS3DirectoryPath": "bucket/code"}, r"\['sourceS3DirectoryPath'\]"),
                ({"sourceS3DirectoryPath": 5}, r"\['sourceS3DirectoryPath'\]"),
            )
        ],
        *[
            (NeptuneMLStartTrainingOperator, {argument: value}, f"{argument} must be")
            for argument, values in {
                "train_model_s3_location": (
                    "s3://b/m\n",
                    " s3://b/m",
                    "s3://b/a b",
                    "s3://None/m",
                    "s3://None",
                ),
                "sagemaker_iam_role_arn": ("arn:aws:iam::1:role/r\n", " arn:aws:iam::1:role/r"),
                "subnets": (["None"], ["subnet-1\n"], [" "], [None], ["subnet-1 subnet-2"]),
                "security_group_ids": (["sg-1", "None"], ["\n"]),
                "training_instance_type": ("ml.m5.xlarge\n", " ml.m5.xlarge"),
                "model_name": ("rgcn\n", " rgcn"),
                "volume_encryption_kms_key": ("key\n",),
            }.items()
            for value in values
        ],
        (
            NeptuneMLStartTrainingOperator,
            {"custom_model_training_parameters": {"sourceS3DirectoryPath": "s3://b/c\n"}},
            r"custom_model_training_parameters\['sourceS3DirectoryPath'\] must be",
        ),
        (
            NeptuneMLStartTrainingOperator,
            {
                "custom_model_training_parameters": {
                    "sourceS3DirectoryPath": "s3://b/c",
                    "trainingEntryPointScript": "train.py\n",
                }
            },
            r"custom_model_training_parameters\['trainingEntryPointScript'\] must be",
        ),
        (NeptuneMLCreateEndpointOperator, {"update": True}, "update=True needs job_id"),
        (NeptuneMLCreateEndpointOperator, {"update": "maybe"}, "update must be True or False"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(cluster, mode, cls, arguments, text):
    """The message names the argument; the error is not retried, and no triggerer is asked to wait."""
    run = run_task(cls, mode, **{**NEEDED[cls], **arguments})
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match=text):
        raise run.error
    assert cluster.requests == []
    assert not run.deferred


@pytest.mark.parametrize("nothing", [None, "", "None", " ", "\n", " None\n"])
def test_what_a_template_renders_as_nothing_is_not_sent(nothing):
    """None comes out of a template as a word; only for a job id that is an error."""
    task = NeptuneMLStartTrainingOperator(
        task_id="t", model_name=nothing, volume_encryption_kms_key=nothing, subnets=nothing, **TRAINING
    )
    assert set(checked_request(KINDS["modeltraining"], task.request())) == {
        "dataProcessingJobId",
        "trainModelS3Location",
    }
    endpoint = NeptuneMLCreateEndpointOperator(task_id="t", ml_model_training_job_id="m", update=nothing)
    assert set(checked_request(KINDS["endpoint"], endpoint.request())) == {"mlModelTrainingJobId"}


def test_numbers_and_switches_may_come_from_templates():
    """A template renders a number as digits and a bool as its word."""
    task = NeptuneMLStartTrainingOperator(
        task_id="t", max_hpo_number_of_training_jobs="10", enable_managed_spot_training="True", **TRAINING
    )
    sent = checked_request(KINDS["modeltraining"], task.request())
    assert sent["maxHPONumberOfTrainingJobs"] == 10
    assert sent["enableManagedSpotTraining"] is True


def test_a_misspelt_member_is_still_refused(cluster):
    """Only the documented members pass by boto3's check."""
    request = {"id": "j", "dataProcessingJobId": "d", "trainModelS3Location": "s3://b/m", "modelname": "rgcn"}
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match="modelname"):
        NeptuneMLHook().start("modeltraining", request)
    assert cluster.requests == []


def test_the_http_only_members_are_signed(set_connection):
    """The signature covers the body with them in it."""
    from airflow_neptune_ml.local import LocalNeptuneML

    keys = {"AKIAIOSFODNN7EXAMPLE": "the-secret-key"}
    with LocalNeptuneML(port=0, credentials=keys) as neptune:
        set_connection(service_config={"neptunedata": {"endpoint_url": neptune.url}})
        neptune.add_job("dataprocessing", "d", status="Completed")
        request = {
            "id": "j",
            "dataProcessingJobId": "d",
            "trainModelS3Location": "s3://b/m",
            "modelName": "kge",
        }
        NeptuneMLHook().start("modeltraining", request)
        assert neptune.job("modeltraining", "j").request["modelName"] == "kge"


def test_the_day_boto3_learns_a_member_it_goes_the_usual_way(cluster, tmp_path, monkeypatch):
    """With a model that has modelName, botocore checks it as it checks all others."""
    source = Path(botocore.__file__).parent / "data" / "neptunedata"
    folder = tmp_path / "neptunedata"
    shutil.copytree(source, folder)
    (path,) = folder.rglob("service-2.json*")
    model = MODEL._service_description if path.suffix == ".gz" else json.loads(path.read_text())
    model = json.loads(json.dumps(model))
    model["shapes"]["StartMLModelTrainingJobInput"]["members"]["modelName"] = {"shape": "String"}
    path.unlink()
    (path.parent / "service-2.json").write_text(json.dumps(model))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    cluster.add_job("dataprocessing", "d", status="Completed")
    request = {"id": "j", "dataProcessingJobId": "d", "trainModelS3Location": "s3://b/m"}
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match="modelName"):
        NeptuneMLHook().start("modeltraining", {**request, "modelName": 5})
    NeptuneMLHook().start("modeltraining", {**request, "modelName": "kge"})
    assert [sent.body.get("modelName") for sent in cluster.requests if sent.method == "POST"] == ["kge"]


def test_the_http_only_members_are_sent_by_every_client_of_one_session(cluster, monkeypatch):
    """A session factory of the user's may give the same session to each hook."""
    make, kept = AwsBaseHook.get_session, []

    def get_session(hook, *args, **kwargs):
        kept.append(kept[0] if kept else make(hook, *args, **kwargs))
        return kept[0]

    monkeypatch.setattr(AwsBaseHook, "get_session", get_session)
    cluster.add_job("dataprocessing", "d", status="Completed")
    request = {"dataProcessingJobId": "d", "trainModelS3Location": "s3://bucket/m", "modelName": "kge"}
    for job_id in ("a", "b"):
        NeptuneMLHook().start("modeltraining", {**request, "id": job_id})
    assert [sent.body["modelName"] for sent in cluster.requests if sent.method == "POST"] == ["kge", "kge"]


@pytest.mark.parametrize(("instance", "warned"), [(None, True), ("ml.g4dn.xlarge", False)])
def test_a_training_on_the_default_instance_is_warned_about(cluster, written, mode, instance, warned):
    """AWS's default is dear, and is being withdrawn."""
    cluster.add_job("dataprocessing", "data", status="Completed")
    cluster.expect("modeltraining", Life(seconds=0))
    arguments = {"data_processing_job_id": "data", "train_model_s3_location": "s3://bucket/models"}
    run_task(
        NeptuneMLStartTrainingOperator, mode, training_instance_type=instance, poll_interval=0.05, **arguments
    )
    assert written().count("training_instance_type is not given") == int(warned)
