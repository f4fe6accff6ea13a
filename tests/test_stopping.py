"""Whether a job is kept or stopped when a try of its task ends: every combination of what is asked for."""

from itertools import product

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.jobs import JobStatus
from airflow_neptune_ml.stopping import TryEnd, decide, end_of

# For a task's own job with the default settings, looked for by this worker: if another try follows, and if none does.
DEFAULT = {
    TryEnd.JOB_ENDED: ("keep", "keep"),
    TryEnd.DEADLINE: ("stop", "stop"),
    TryEnd.JOB_GONE: ("keep", "keep"),
    TryEnd.WRONG_ARGUMENT: ("keep", "stop"),
    TryEnd.REFUSED: ("keep", "stop"),
    TryEnd.UNREACHABLE: ("keep", "stop"),
    TryEnd.KILLED_BY_USER: ("stop", "stop"),
    TryEnd.KILLED_BY_PLATFORM: ("keep", "stop"),
    TryEnd.EXECUTION_TIMEOUT: ("stop", "stop"),
    TryEnd.INTERRUPTED: ("stop", "stop"),
    TryEnd.UNFORESEEN: ("keep", "stop"),
}
LOOKED_INTO = {TryEnd.WRONG_ARGUMENT, TryEnd.REFUSED, TryEnd.UNREACHABLE, TryEnd.UNFORESEEN}
BOTH = (True, False)


def test_every_end_is_in_the_table():
    """A new way for a try to end needs an answer."""
    assert set(DEFAULT) == set(TryEnd)


@pytest.mark.parametrize("end", TryEnd)
def test_the_whole_product(end):
    """Each answer follows from the table and from four sentences."""
    for follows, owned, on_kill, timeout, looked in product(BOTH, BOTH, BOTH, ("cancel", "leave"), BOTH):
        expected = DEFAULT[end][0 if follows else 1]
        if not on_kill and end is not TryEnd.DEADLINE:
            expected = "keep"
        if timeout == "leave" and end is TryEnd.DEADLINE:
            expected = "keep"
        if not owned:
            expected = "keep"
        if not looked and end in LOOKED_INTO:
            expected = "look first"  # the worker may have a way to the cluster that the triggerer has not
        answer = decide(
            end,
            another_follows=follows,
            owned=owned,
            cancel_on_kill=on_kill,
            on_timeout=timeout,
            looked=looked,
        )
        assert answer == expected, (end, follows, owned, on_kill, timeout, looked)


JOB = JobStatus("modeltraining", "j", "Failed")


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (exceptions.JobFailed(JOB), TryEnd.JOB_ENDED),
        (exceptions.JobStopped(JOB), TryEnd.JOB_ENDED),
        (exceptions.JobGone("gone"), TryEnd.JOB_GONE),
        (exceptions.MLResourceNotFoundException(code="c"), TryEnd.JOB_GONE),
        (exceptions.JobTimedOut("late"), TryEnd.DEADLINE),
        (exceptions.NeptuneMLWaitTimeout("late"), TryEnd.DEADLINE),
        (exceptions.NeptuneMLConfigurationError("wrong"), TryEnd.WRONG_ARGUMENT),
        (exceptions.BadRequestException(code="c"), TryEnd.WRONG_ARGUMENT),
        (exceptions.JobIdInUse(code="c"), TryEnd.WRONG_ARGUMENT),
        (exceptions.AccessDeniedException(code="c"), TryEnd.REFUSED),
        (exceptions.UnrecognizedClientException(code="c"), TryEnd.REFUSED),
        (exceptions.ConnectionNotFound("none"), TryEnd.REFUSED),
        (exceptions.CredentialsNotFound("none"), TryEnd.REFUSED),
        (exceptions.ClusterNotServing("starting"), TryEnd.REFUSED),
        (exceptions.CertificateNotTrusted("no"), TryEnd.REFUSED),
        (exceptions.NeptuneMLConnectionError("silent"), TryEnd.UNREACHABLE),
        (exceptions.ThrottlingException(code="c"), TryEnd.UNREACHABLE),
        (exceptions.InvalidAnswerError("cut"), TryEnd.UNREACHABLE),
        (exceptions.TryEnded("killed"), TryEnd.KILLED_BY_PLATFORM),
        (KeyboardInterrupt(), TryEnd.INTERRUPTED),
        (SystemExit(1), TryEnd.UNFORESEEN),
        (RuntimeError("what?"), TryEnd.UNFORESEEN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_error_tells_how_the_try_ends(error, end):
    """What ends a try decides, and not which class is fatal."""
    assert end_of(error) is end
