"""What changes or fails while the command cancels."""

import json

import pytest

from airflow_neptune_ml.cli import cancelling
from airflow_neptune_ml.cli.metadata import Metadata, MetadataUnreadable
from airflow_neptune_ml.local import Fault, Life
from tests.operators.trainings import until

GET = "GetMLModelTrainingJob"
BY_ID = ("cancel", "modeltraining", "j")
DENIED = {"status": 403, "code": "AccessDeniedException", "text": "No."}
unread = pytest.mark.parametrize("fault", [DENIED, {"drop": "before"}], ids=["denied", "no answer"])


@pytest.fixture
def job(cluster, database):
    """Give the test a training that runs."""
    return cluster.add_job("modeltraining", "j", life=Life(seconds=None, stop_seconds=0.5))


def outcome_of(printed):
    (row,) = json.loads(printed)
    return row["is"], row["outcome"]


def test_a_job_that_ends_while_the_command_asks_needs_no_cancel(cluster, job, neptune_ml_command, answering):
    """Nobody has to look at it again."""

    def end_it():
        job.cancel()
        until(lambda: job.status == "Stopped")
        return "y"

    answering(end_it)
    code, printed, _ = neptune_ml_command(*BY_ID, "-o", "json")
    assert (code, outcome_of(printed)) == (0, ("Stopped", "needed no cancel: it had ended"))


def test_a_job_that_is_gone_when_it_is_cancelled_is_told(cluster, job, neptune_ml_command, answering):
    """Somebody has deleted it while the command asked."""
    answering(lambda: cluster.reset() or "y")
    code, printed, _ = neptune_ml_command(*BY_ID, "-o", "json")
    assert (code, outcome_of(printed)) == (0, ("gone", "needed no cancel: there is no such job"))


@unread
def test_a_cancelled_job_that_cannot_be_read_again_has_been_cancelled(
    cluster, job, neptune_ml_command, answering, fault
):
    """The answer to the cancel counts."""
    answering(lambda: cluster.fault(Fault(GET, **fault, times=None)) or "y")
    code, printed, _ = neptune_ml_command(*BY_ID, "-o", "json")
    assert (code, outcome_of(printed)) == (0, ("?", "asked Neptune ML to stop it"))
    assert job.cancelled


@unread
def test_a_wait_outlives_a_cluster_that_does_not_answer_for_a_moment(cluster, job, rows, monkeypatch, fault):
    """At least two looks fail; a request that gets no answer is sent three times in each."""
    monkeypatch.setattr(cancelling, "_BETWEEN_LOOKS", 0.2)
    looks = []
    look = cancelling._look

    def watched(hook, one):
        looks.append(one)
        if len(looks) == 1:
            cluster.fault(Fault(GET, **fault, times=6))
        return look(hook, one)

    monkeypatch.setattr(cancelling, "_look", watched)
    code, outcomes = rows(*BY_ID, "--yes", "--wait", "--timeout", "30")
    assert (code, outcomes[0]["outcome"]) == (0, "stopped")
    assert len(looks) > 2


def test_an_audit_log_that_cannot_be_written_ends_nothing(cluster, job, neptune_ml_command, monkeypatch):
    """The job has been cancelled; the line says what is missing."""

    def fail(*_):
        raise MetadataUnreadable("the database is away")

    monkeypatch.setattr(Metadata, "note", fail)
    code, _, said = neptune_ml_command(*BY_ID, "--yes")
    assert (code, "Airflow's audit log does not tell of this. the database is away" in said) == (0, True)
    assert job.cancelled


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 130, ""),
        (RuntimeError("odd"), 1, "RuntimeError: odd"),
    ],
    ids=["Ctrl-C", "| head", "unforeseen"],
)
def test_what_ends_the_command_is_an_exit_code(job, neptune_ml_command, monkeypatch, error, code, text):
    """And no traceback."""

    def fail(*_):
        raise error

    monkeypatch.setattr("airflow_neptune_ml.cli.cancel_command.read_jobs", fail)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    found, out, said = neptune_ml_command(*BY_ID, "--yes")
    assert (found, out) == (code, "")
    assert text in said
    assert "Traceback" not in said


def test_verbose_shows_where_an_unforeseen_error_comes_from(job, neptune_ml_command, monkeypatch):
    """It is raised as it is."""

    def fail(*_):
        raise RuntimeError("odd")

    monkeypatch.setattr("airflow_neptune_ml.cli.cancel_command.read_jobs", fail)
    with pytest.raises(RuntimeError, match="odd"):
        neptune_ml_command("cancel", "modeltraining", "j", "--yes", "--verbose")
