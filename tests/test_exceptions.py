"""The error tree: which error is which class, what Airflow retries, and the way between processes."""

import inspect
import json
import pickle

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import AirflowException, AirflowFailException
from airflow_neptune_ml.exceptions.answers import error_from_answer
from airflow_neptune_ml.exceptions.base import error_from_dict, error_to_dict, tree
from airflow_neptune_ml.jobs import JobStatus, SubJob

MODEL = ServiceModel(Loader().load_service_model("neptunedata", "service-2"))
DOCUMENTED = sorted(
    {
        shape.name
        for name in MODEL.operation_names
        if "ML" in name
        for shape in MODEL.operation_model(name).error_shapes
    }
)
PUBLIC = [getattr(exceptions, name) for name in exceptions.__all__]


def made(cls):
    """Make one error of a class."""
    if issubclass(cls, exceptions.NeptuneMLServiceError):
        return cls(
            code=cls.__name__,
            text="Why.",
            http_status=400,
            request_id="r",
            operation="CancelMLModelTrainingJob",
            job_id="j",
        )
    if issubclass(cls, (exceptions.JobFailed, exceptions.JobStopped)):
        return cls(
            JobStatus("modeltraining", "j", "Failed", sub_jobs=(SubJob("tuning", failure_reason="Why."),))
        )
    return cls("Why.")


def test_the_docstring_draws_the_whole_tree():
    """Every public class stands in the module's picture of the tree, and every class of the tree is public."""
    assert {cls.__name__ for cls in tree(exceptions.NeptuneMLError)} - set(exceptions.__all__) == {
        "_JobEnded"
    }
    assert [name for name in exceptions.__all__ if name not in exceptions.__doc__] == []


@pytest.mark.parametrize("cls", PUBLIC, ids=lambda cls: cls.__name__)
def test_an_error_survives_pickling_and_the_event(cls):
    """An error is the same class with the same text and facts after a pickle and after a trigger's event."""
    error = made(cls)
    through_json = error_from_dict(json.loads(json.dumps(error_to_dict(error))))
    for again in (pickle.loads(pickle.dumps(error)), through_json):
        assert type(again) is cls
        assert str(again) == str(error)
        assert again.arguments() == error.arguments()


@pytest.mark.parametrize("cls", PUBLIC, ids=lambda cls: cls.__name__)
def test_every_error_is_an_airflow_exception(cls):
    """One except clause catches them all, and Airflow logs them without noise."""
    assert issubclass(cls, exceptions.NeptuneMLError)
    assert issubclass(cls, AirflowException)


@pytest.mark.parametrize("code", DOCUMENTED)
def test_documented_codes_have_a_class_of_their_name(code):
    """Each error that the API documents for an ML operation is the class named after it."""
    error = error_from_answer(code=code, text="t", http_status=400)
    assert type(error) is getattr(exceptions, code)


@pytest.mark.parametrize("code", DOCUMENTED)
def test_fatal_is_what_the_model_does_not_mark_retryable(code):
    """Airflow retries a documented error exactly if botocore's model marks it as retryable."""
    retryable = MODEL.shape_for(code).metadata.get("retryable") is not None
    assert issubclass(getattr(exceptions, code), AirflowFailException) is not retryable


@pytest.mark.parametrize(
    ("code", "http_status", "name"),
    [
        ("403", 403, "AccessDeniedException"),
        ("401", 401, "AccessDeniedException"),
        ("429", 429, "TooManyRequestsException"),
        ("503", 503, "ServiceUnavailableException"),
        ("502", 502, "TransientServiceError"),
        ("504", 504, "TransientServiceError"),
        ("302", 302, "FatalServiceError"),
        ("404", 404, "FatalServiceError"),
        ("BrandNewException", 400, "FatalServiceError"),
        ("BrandNewException", 500, "TransientServiceError"),
        ("Throttling", 400, "ThrottlingException"),
        ("InvalidClientTokenId", 403, "UnrecognizedClientException"),
        ("SignatureDoesNotMatch", 403, "InvalidSignatureException"),
        ("ExpiredToken", 403, "ExpiredTokenException"),
    ],
)
def test_other_codes_find_their_class(code, http_status, name):
    """Plain HTTP numbers, AWS's older names and unknown codes become the nearest class."""
    error = error_from_answer(code=code, text="t", http_status=http_status)
    assert type(error) is getattr(exceptions, name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Failed to stop the job because it has already completed or failed.", "JobAlreadyFinished"),
        ("Another resource with same ID already exists. Please use a new ID.", "JobIdInUse"),
        (
            "Invalid ID provided. Please check whether a resource with the given ID exists.",
            "MLResourceNotFoundException",
        ),
        ("Invalid ML instance type.", "InvalidParameterException"),
    ],
)
def test_invalid_parameter_is_told_apart_by_its_text(text, name):
    """The cases that the service lumps into InvalidParameterException are classes of their own."""
    error = error_from_answer(code="InvalidParameterException", text=text, http_status=400)
    assert type(error) is getattr(exceptions, name)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("403", "AccessDeniedException"),
        ("503", "ServiceUnavailableException"),
        ("500", "TransientServiceError"),
    ],
)
def test_a_text_tells_nothing_of_an_error_whose_class_is_known(code, name):
    """Only what would be fatal, or has the code for all of these, is told apart by its text."""
    text = "Another resource with same ID already exists."
    error = error_from_answer(code=code, text=text, http_status=int(code))
    assert type(error) is getattr(exceptions, name)


def test_a_denial_names_the_iam_action():
    """The message of a denied Get names the action that the policy lacks, with its suffix."""
    error = error_from_answer(
        code="AccessDeniedException", text="No.", http_status=403, operation="GetMLModelTrainingJob"
    )
    assert "neptune-db:GetMLModelTrainingJobStatus" in str(error)


def test_no_public_class_hides_its_arguments():
    """Errors take named arguments, so a reader of the signature knows them."""
    for cls in PUBLIC:
        kinds = {parameter.kind for parameter in inspect.signature(cls).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds
