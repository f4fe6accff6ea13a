"""The steps by which a job is stopped, and the outcome, for each answer of the service. No service, and no time passes."""

import logging

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.jobs import KINDS, JobStatus
from airflow_neptune_ml.stopping import CANCEL_PAUSES, stop_steps

SERVES = JobStatus("endpoint", "j", "InService")
BEGINS = JobStatus("endpoint", "j", "Creating")
RUNS = JobStatus("modeltraining", "j", "InProgress")
ENDED = JobStatus("modeltraining", "j", "Completed")
FINISHED = exceptions.JobAlreadyFinished(code="BadRequestException")
UNKNOWN = exceptions.MLResourceNotFoundException(code="MLResourceNotFoundException")
SILENT = exceptions.NeptuneMLConnectionError("silent")
REFUSED = exceptions.AccessDeniedException(code="AccessDeniedException")


def stopped(answers, kind="modeltraining", **arguments):
    """Answer one step after the other; return the steps and the outcome."""
    now = [0.0]
    steps, answers = [], iter(answers)

    log = logging.getLogger(__name__)
    driven = stop_steps(KINDS[kind], "j", log=log, why="a test", clock=lambda: now[0], **arguments)
    answer = None
    while True:
        try:
            step = driven.send(answer)
        except StopIteration as end:
            return steps, end.value
        steps.append(step)
        if isinstance(step, float):
            now[0] += step
            answer = None
        else:
            answer = next(answers)


@pytest.mark.parametrize(
    ("kind", "arguments", "answers", "steps", "outcome"),
    [
        ("modeltraining", {}, ["yes"], ["cancel"], "asked"),
        ("modeltraining", {}, [FINISHED], ["cancel"], "over"),
        ("modeltraining", {}, [UNKNOWN], ["cancel"], "unknown"),
        ("modeltraining", {}, [REFUSED], ["cancel"], "failed"),
        ("modeltraining", {"look_first": True}, [RUNS, "yes"], ["look", "cancel"], "asked"),
        ("modeltraining", {"look_first": True}, [ENDED], ["look"], "over"),
        ("modeltraining", {"look_first": True}, [UNKNOWN], ["look"], "unknown"),
        ("modeltraining", {"look_first": True}, [REFUSED], ["look"], "failed"),
        # The service deletes an endpoint that serves, so that it is looked at before.
        ("endpoint", {}, [SERVES], ["look"], "left alone"),
        ("endpoint", {}, [BEGINS, "yes"], ["look", "cancel"], "asked"),
        ("endpoint", {"only_abandoned": False}, ["yes"], ["cancel"], "asked"),
    ],
)
def test_each_answer_leads_to_an_outcome(kind, arguments, answers, steps, outcome):
    assert stopped(answers, kind, **arguments) == (steps, outcome)


def test_an_error_that_may_pass_is_tried_again_with_pauses():
    steps, outcome = stopped([SILENT, SILENT, "yes"])
    assert (steps, outcome) == (["cancel", CANCEL_PAUSES[0], "cancel", CANCEL_PAUSES[1], "cancel"], "asked")

    steps, outcome = stopped([SILENT] * 6)
    assert [step for step in steps if step != "cancel"] == list(CANCEL_PAUSES)
    assert outcome == "failed"


def test_it_is_looked_at_again_after_an_error_that_may_pass():
    steps, outcome = stopped([SILENT, RUNS, SILENT, ENDED], look_first=True)
    assert (steps, outcome) == (["look", 4.0, "look", "cancel", 8.0, "look"], "over")


def test_once_is_once():
    assert stopped([SILENT], once=True) == (["cancel"], "failed")


def test_a_job_whose_start_may_be_on_its_way_is_asked_for_again():
    steps, outcome = stopped([UNKNOWN, UNKNOWN, "yes"], patience=3.0)
    assert (steps, outcome) == (["cancel", 0.3, "cancel", 0.3, "cancel"], "asked")

    steps, outcome = stopped([UNKNOWN] * 20, patience=10.0)
    assert outcome == "unknown"
    assert [step for step in steps if step != "cancel"] == [0.3, 0.3, 0.6, 1.2, 2.4, 4.0, 4.0]
