"""The rules of a wait, without any I/O."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_neptune_ml.airflow_versions import AirflowFailException
from airflow_neptune_ml.exceptions import (
    AccessDeniedException,
    JobGone,
    MLResourceNotFoundException,
    ThrottlingException,
)
from airflow_neptune_ml.jobs import KINDS, JobStatus, Phase, SubJob
from airflow_neptune_ml.progress import ProgressLog
from airflow_neptune_ml.waiting import Wait, is_over, poll_delay
from tests.local.conftest import FakeClock
from tests.triggers.test_trigger import Log


def status(word, *stages, kind="modeltraining"):
    return JobStatus(kind, "j", word, sub_jobs=tuple(SubJob(stage) for stage in stages))


@pytest.mark.parametrize("kind", KINDS)
def test_what_ends_a_wait(kind):
    """Final statuses end both waits, but for an endpoint's deletion, which only its absence ends."""
    for word, phase in KINDS[kind].phases.items():
        answer = status(word, kind=kind)
        assert is_over(kind, answer, "finished") is phase.is_final
        assert is_over(kind, answer, "inactive") is (phase.is_final and kind != "endpoint")
    for until in ("finished", "inactive"):
        assert not is_over(kind, status("Pondering", kind=kind), until)
    assert is_over(kind, None, "inactive")
    assert not is_over(kind, None, "finished")
    assert KINDS[kind].phase("Pondering") is Phase.ACTIVE


@given(
    interval=st.floats(0.02, 86400),
    failures=st.integers(0, 1000),
    remaining=st.floats(-1e6, 1e6),
)
def test_a_poll_is_never_early_and_never_after_the_deadline(interval, failures, remaining):
    """The pause is at least the interval and at most five times it, but for the last poll, at the deadline."""
    pause = poll_delay(interval, failures, remaining)
    assert pause >= 0
    assert pause <= max(remaining, 0)
    if pause < max(remaining, 0):
        assert interval <= pause <= 5 * interval


def test_failures_back_off_and_success_ends_that():
    """The pauses grow with each failure, up to four intervals; one answer brings them back."""
    wait = Wait(
        "modeltraining", "j", until="finished", poll_interval=10, deadline=1e9, log=Log(), clock=lambda: 0
    )
    assert wait.delay() == 0
    pauses = []
    for _ in range(5):
        wait.failed(ThrottlingException(code="ThrottlingException"))
        pauses.append(wait.delay())
    for pause, least in zip(pauses, (20, 40, 40, 40, 40), strict=True):
        assert least <= pause <= 1.2 * least
    wait.answered(status("InProgress"))
    assert wait.delay() <= 11


def test_pauses_differ():
    """Waits that began together do not stay together."""
    random.seed(1)
    assert len({poll_delay(10, 0) for _ in range(100)}) > 90


def test_the_log_has_a_line_per_change_with_the_time_in_the_stage():
    """Unchanged polls are silent; a change of stage or status says how long the last one took."""
    log, now = Log(), [0.0]
    progress = ProgressLog(log, clock=lambda: now[0])
    for seconds, answer in (
        (0, status("InProgress", "processing")),
        (60, status("InProgress", "processing")),
        (60, status("InProgress", "processing", "tuning")),
        (3600, status("InProgress", "processing", "tuning")),
        (3600, status("Completed", "processing", "tuning", "transform")),
    ):
        now[0] += seconds
        progress.answered(answer)
    assert log.lines == [
        "Neptune ML training job j is InProgress (stage: processing).",
        "Neptune ML training job j is InProgress (stage: tuning), after 2 min 0 s in InProgress (stage: processing).",
        "Neptune ML training job j is Completed, after 2 h 0 min in InProgress (stage: tuning).",
    ]


def test_an_unknown_status_is_warned_about_once():
    """One warning per unknown word, however often it comes."""
    log = Log()
    progress = ProgressLog(log)
    for word in ("Pondering", "Pondering", "InProgress", "Pondering"):
        progress.answered(status(word))
    assert len([line for line in log.lines if "does not know the status" in line]) == 1


def test_a_series_of_failures_is_two_lines():
    """The first failure and the end of the series are logged, not each poll."""
    log = Log()
    progress = ProgressLog(log)
    progress.answered(status("InProgress"))
    for _ in range(10):
        progress.failed(ThrottlingException(code="ThrottlingException"))
    progress.answered(status("InProgress"))
    assert len(log.lines) == 3
    assert "after 10 failed ones" in log.lines[-1]


def wait_with(clock, **arguments):
    """Return a wait that has had an answer, by this clock."""
    wait = Wait(
        "modeltraining",
        "j",
        **{"until": "finished", "poll_interval": 300, "deadline": 1e9, "log": Log(), **arguments},
        clock=clock,
        steady=clock,
    )
    wait.answered(status("InProgress"))
    return wait


def test_a_job_that_vanishes_is_looked_for_over_a_minute():
    """In steps that do not depend on a long interval; then it is gone for good, and no retry starts another one."""
    clock = FakeClock()
    wait = wait_with(clock)
    moments = []
    while wait.result is None:
        wait.failed(MLResourceNotFoundException(code="MLResourceNotFoundException", http_status=404))
        moments.append(clock.now)
        clock.now += wait.delay()
    assert type(wait.result.error) is JobGone
    assert isinstance(wait.result.error, AirflowFailException)
    assert len(moments) >= 3
    assert 60 <= moments[-1] - moments[0] <= 300


def test_the_patience_of_many_waits_ends_one_after_the_other(monkeypatch):
    """Over the last third of it, so that a thousand workers do not ask a throttled backend in the same second."""
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__ACCESS_ERROR_TIMEOUT", "1800")
    ends = []
    for _ in range(300):
        clock = FakeClock()
        wait, began = wait_with(clock, poll_interval=1), clock.now
        while wait.result is None:
            wait.failed(AccessDeniedException(code="AccessDeniedException", http_status=403))
            clock.now += 10
        assert type(wait.result.error) is AccessDeniedException
        ends.append(clock.now - began)
    assert 1200 <= min(ends) < 1260
    assert 1740 < max(ends) <= 1820
    for tenth in range(10):
        assert any(1200 + 60 * tenth <= end < 1280 + 60 * tenth for end in ends)


def test_silence_is_waited_out_until_the_deadline(monkeypatch):
    """A cluster that fails over for an hour ends no wait."""
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__ACCESS_ERROR_TIMEOUT", "1800")
    clock = FakeClock()
    wait = wait_with(clock, poll_interval=60)
    while clock.now < 1000 + 3 * 3600:
        wait.failed(ThrottlingException(code="ThrottlingException"))
        clock.now += 60
    assert wait.result is None


def test_a_wait_looks_early_after_a_start_or_a_cancel():
    """At 1, 3, 7 and 15 seconds, each time from where it is; then its interval holds."""
    clock = FakeClock()
    wait = wait_with(clock, moment=clock.now)
    looks = []
    while (early := wait.first_look()) is not None:
        clock.now += early
        looks.append(clock.now - 1000)
        clock.now += 0.25  # the look itself
    assert looks == [1, 3, 7, 15]


@pytest.mark.parametrize(
    "arguments",
    [
        {"moment": 0.0},
        {"moment": 1001.0},
        {"moment": 1000.0, "poll_interval": 1},
        {"moment": 1000.0, "deadline": 1001},
    ],
    ids=["no moment", "a clock that was set back", "a shorter interval", "a deadline before"],
)
def test_a_wait_has_no_reason_to_look_early(arguments):
    """Also not while nobody answers."""
    assert wait_with(FakeClock(), **arguments).first_look() is None
    wait = wait_with(FakeClock(), moment=1000.0)
    assert wait.first_look() == 1
    wait.failed(ThrottlingException(code="ThrottlingException"))
    assert wait.first_look() is None


def test_only_a_new_part_of_a_job_is_told():
    """Each telling pushes links, which is a request to Airflow; and the end is told by whoever waits."""
    answers, told = [], []
    wait = Wait(
        "modeltraining",
        "j",
        until="finished",
        poll_interval=10,
        deadline=1e9,
        log=Log(),
        clock=lambda: 0,
        seen=lambda _: told.append(len(answers)),
    )
    for stages in (["processing"], ["processing"], ["processing", "hpo"], ["processing", "hpo"]):
        answers.append(stages)
        wait.answered(status("InProgress", *stages))
    wait.answered(status("Completed", "processing", "hpo", "training"))
    assert told == [1, 3]
