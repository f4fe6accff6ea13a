"""Why jobs fail: every text that users have met is told apart by the words of it that stay the same."""

import re

import pytest

from airflow_neptune_ml.airflow_versions import AirflowFailException
from airflow_neptune_ml.exceptions import (
    AccessDeniedException,
    CapacityUnavailable,
    JobFailedForGood,
    JobOverQuota,
    QuotaExceeded,
    QuotaTooSmall,
    StartOverQuota,
)
from airflow_neptune_ml.exceptions.answers import error_from_answer
from airflow_neptune_ml.exceptions.job_ended import JobFailed, job_failed
from airflow_neptune_ml.failures import FAILURES, Quota, failure_of, is_same, line_of_zero_quota, quota_of
from airflow_neptune_ml.jobs import JobStatus, SubJob
from airflow_neptune_ml.local.failures import FAILURES as TEXTS
from airflow_neptune_ml.local.failures import refusal_text
from docs import failures_page

KINDS = {
    "quota": "quota used up",
    "quota-zero": "quota of 0",
    "quota-volume": "quota smaller than the request",
    "capacity": "no capacity",
    "capacity-endpoint": "no capacity",
    "internal": "internal error",
    "role": "role",
    "s3": "S3",
    "vpc": "network",
    "trials": "trials",
    "algorithm": "algorithm",
    "memory": "memory",
    "ping": "health check",
    "throttled": "throttled",
}
"""What each text of the local Neptune ML's table is about."""

OLD_ZERO = "The account-level service limit for training-job/ml.p2.xlarge is 0 Instances"
CUT = "AmazonSageMakerException: The account-level service limit 'ml.r5.large for processing job usage' is 0 Instances"
TWO_OF_THREE = (
    "The account-level service limit 'ml.p3.8xlarge for training job usage' is 2 Instances, with current utilization of "
    "3 Instances and a request delta of 1 Instances. Please contact AWS support to request an increase for this limit. "
    "(Service: AmazonSageMaker; Status Code: 400; Error Code: ResourceLimitExceeded; Request ID: x; Proxy: null)"
)


def failed(reason, stage="processing"):
    """Return a job of which a part failed."""
    return JobStatus("modeltraining", "j" * 48, "Failed", sub_jobs=(SubJob(stage, failure_reason=reason),))


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_is_known(name):
    """As a reason, within other words, in another case, and behind Neptune's own words for a refused start."""
    for text in (TEXTS[name], f"Traceback: {TEXTS[name]} (bye)", TEXTS[name].upper(), refusal_text(name)):
        assert failure_of(text).name == KINDS[name]


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        (OLD_ZERO, Quota("training-job/ml.p2.xlarge", 0)),
        (CUT, Quota("ml.r5.large for processing job usage", 0)),
        (TWO_OF_THREE, Quota("ml.p3.8xlarge for training job usage", 2, 1)),
        (TEXTS["quota-volume"], Quota("Size of EBS volume for a training job", 1024, 1025)),
        ("account- service limit 'a b' is 1,000 MBs, with", Quota("a b", 1000)),
        ("The account-level service limit 'ml.p3.2xl", Quota("ml.p3.2xl")),
        ("Error Code: ResourceLimitExceeded", Quota()),
        ("Only a training job.", None),
        ("", None),
    ],
)
def test_a_quota_is_read(text, quota):
    """Its name and numbers, in each wording that was seen, and as far as a text that is cut goes."""
    assert quota_of(text) == quota


@pytest.mark.parametrize("http_status", [400, 429, 500])
@pytest.mark.parametrize("code", ["BadRequestException", "InvalidParameterException", "SomethingNew", "400"])
@pytest.mark.parametrize(
    ("text", "cls", "final"),
    [
        (TWO_OF_THREE, StartOverQuota, False),
        (TEXTS["quota"], StartOverQuota, False),
        (TEXTS["quota-zero"], QuotaTooSmall, True),
        (TEXTS["quota-volume"], QuotaTooSmall, True),
        (CUT, QuotaTooSmall, True),
    ],
)
def test_a_refused_start_is_told_by_its_text(text, cls, final, code, http_status):
    """Whatever the code around it; what a retry can cure is retried, and a quota of 0 is not."""
    error = error_from_answer(
        code=code, text=text, http_status=http_status, operation="StartMLModelTrainingJob"
    )
    assert type(error) is cls
    assert isinstance(error, QuotaExceeded)
    assert isinstance(error, AirflowFailException) is final
    assert text in str(error)


def test_a_denial_stays_one():
    """A policy changes, whatever the text says."""
    text = "User: x is not authorized to perform: iam:PassRole on resource: y"
    error = error_from_answer(code="AccessDeniedException", text=text, http_status=403)
    assert type(error) is AccessDeniedException
    assert "iam:PassRole" in str(error)[:100]


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("quota", JobOverQuota),
        ("quota-zero", JobFailedForGood),
        ("quota-volume", JobFailedForGood),
        ("capacity", CapacityUnavailable),
        ("capacity-endpoint", CapacityUnavailable),
        ("role", JobFailedForGood),
        ("algorithm", JobFailed),
        ("trials", JobFailed),
    ],
)
def test_a_failed_job_is_told_by_its_reason(name, cls):
    """As the class that says what Airflow does then, with the whole text, and in the first 100 characters what to do."""
    error = job_failed(failed(TEXTS[name]))
    assert type(error) is cls
    assert TEXTS[name].rstrip(".") in str(error)
    assert str(error).startswith(failure_of(TEXTS[name]).advice)


@pytest.mark.parametrize("name", TEXTS)
def test_what_to_do_is_seen_in_the_ui(name):
    """Airflow's UI shows 100 characters."""
    assert len(failure_of(TEXTS[name]).advice) <= 100


def test_the_quota_to_raise_is_named_and_where():
    """In the first 100 characters the one, then the other."""
    told = str(job_failed(failed(TEXTS["quota-zero"])))
    assert told.startswith(
        "SageMaker quota 'ml.p3.2xlarge for training job usage' is 0: raise it in Service Quotas. "
    )
    assert "AWS's console: Service Quotas, Amazon SageMaker, in the region of the cluster." in told


def test_an_unknown_reason_keeps_its_words():
    """And they are not told twice."""
    told = str(job_failed(failed("No GPU left", stage="tuning")))
    assert told.startswith("Tuning failed, see its CloudWatch log: No GPU left. ")
    assert told.count("No GPU left") == 1


def test_the_surest_reason_counts():
    """A tuning whose trials all failed says less than the quota for which its processing part failed."""
    parts = (
        SubJob("processing", failure_reason=TEXTS["quota-zero"]),
        SubJob("tuning", failure_reason=TEXTS["trials"]),
    )
    error = job_failed(JobStatus("modeltraining", "j", "Failed", sub_jobs=parts))
    assert type(error) is JobFailedForGood
    assert all(text.rstrip(".") in str(error) for text in (TEXTS["quota-zero"], TEXTS["trials"]))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (TEXTS["algorithm"], "AlgorithmError: framework error: Traceback", True),
        (TEXTS["algorithm"], TEXTS["memory"], False),
        ("No GPU left in job a-1.", "No GPU left in job b-2.", True),
        ("No GPU left.", "No disk left.", False),
        ("", "", False),
        ("No GPU left.", TEXTS["algorithm"], False),
    ],
)
def test_two_reasons_are_the_same(one, other, same):
    """If they are of one known kind, or in the same words but for numbers and ids."""
    assert is_same(one, other) is same


def test_a_log_tells_of_a_quota_of_zero():
    """The line that does so; one that tells of a quota that is used up does not count."""
    lines = ["Traceback", f"botocore: {TEXTS['quota']}", f"  botocore: {TEXTS['quota-zero']}\n"]
    assert line_of_zero_quota(lines) == f"botocore: {TEXTS['quota-zero']}"
    assert line_of_zero_quota(lines[:2]) is None


def test_the_page_shows_the_table():
    """docs/errors.md has a line for each kind, with its advice and what a retry does."""
    page = failures_page.PAGE.read_text()
    for failure in FAILURES:
        assert re.search(
            rf"^\| {re.escape(failure.name)} \|.*{re.escape(failure.advice)}", page, re.MULTILINE
        )


def test_the_page_is_up_to_date():
    """What docs/failures_page.py would write stands there."""
    page = failures_page.PAGE.read_text()
    assert page == failures_page.render(page), "run: python docs/failures_page.py"
