"""What Airflow's UI shows of an error, about 100 characters: the reason and what to do; details come after that."""

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.exceptions.answers import error_from_answer
from airflow_neptune_ml.exceptions.base import as_sentence, tree
from airflow_neptune_ml.jobs import JobStatus, SubJob

ID = "i" * 48
SHOWN = 100
SERVICE_ERRORS = sorted(cls.__name__ for cls in tree(exceptions.NeptuneMLServiceError))


@pytest.mark.parametrize("code", [*SERVICE_ERRORS, "400", "503", "BrandNew"])
def test_an_answers_details_come_last(code):
    """Code, operation, HTTP status, request id and job stand behind the reason and the service's own words."""
    error = error_from_answer(
        code=code,
        text="Why.",
        http_status=503 if code == "503" else 400,
        request_id="the-request",
        operation="GetMLModelTrainingJob",
        job_id=ID,
    )
    told = str(error)
    assert not any(detail in told[:60] for detail in (ID, "HTTP", "GetMLModelTrainingJob was", "the-request"))
    words, _, details = told.rpartition("[")
    assert "Why." in words
    assert ID not in words
    for detail in (ID, "HTTP ", "GetMLModelTrainingJob", "request id the-request"):
        assert detail in details


@pytest.mark.parametrize(
    ("code", "first"),
    [
        (
            "MLResourceNotFoundException",
            "There is no such job: check the id, its kind, and which cluster the connection leads",
        ),
        (
            "AccessDeniedException",
            "Access denied: allow neptune-db:GetMLModelTrainingJobStatus to the connection's AWS prin",
        ),
        (
            "ExpiredTokenException",
            "The session token has expired: renew it in the connection, or use role_arn there.",
        ),
        ("BadRequestException", "The request was refused: Why."),
        ("ThrottlingException", "The service failed for now: another try may get through. The answer: Why."),
    ],
)
def test_the_first_words_are_plain(code, first):
    """The reason and what to do."""
    told = str(
        error_from_answer(
            code=code, text="Why.", http_status=400, operation="GetMLModelTrainingJob", job_id=ID
        )
    )
    assert told[:SHOWN].startswith(first)


def test_a_start_that_builds_on_no_job_says_so():
    """It is not the job itself that is not there."""
    error = error_from_answer(
        code="MLResourceNotFoundException",
        text="Invalid ID.",
        http_status=404,
        operation="StartMLModelTrainingJob",
    )
    assert str(error).startswith("There is no such job as the request builds on: ")


@pytest.mark.parametrize("cls", [exceptions.JobStopped, exceptions.JobFailed, exceptions.UpdateRolledBack])
def test_an_end_says_first_what_to_do(cls):
    """Neither its id nor its status."""
    for part in (SubJob("tuning", status="Failed"), SubJob("tuning", failure_reason="No GPU left.")):
        told = str(cls(JobStatus("modeltraining", ID, "Failed", sub_jobs=(part,))))
        assert ID not in told[:60]
        assert told.partition(". ")[0] in told[:SHOWN]


def test_a_url_stands_last_or_before_white_space():
    """The UI takes a full stop or a comma behind it for a part of it."""
    parts = tuple(
        SubJob(stage, failure_reason="Why.", cloudwatch_log_url=f"https://x/{stage}")
        for stage in ("processing", "tuning")
    )
    job = JobStatus("modeltraining", ID, "Failed", sub_jobs=parts)
    for told in (
        job.sentence(),
        str(exceptions.JobFailed(job, "CloudWatch log group g")),
        str(exceptions.JobStopped(job)),
    ):
        assert [word for word in told.split() if "://" in word] == [
            "https://x/processing",
            "https://x/tuning",
        ]
    assert as_sentence("See https://x/y") == "See https://x/y"
    assert as_sentence("See it") == "See it."
