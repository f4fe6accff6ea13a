"""What a start operator tells, in XCom, in its error and in the log; the same in both modes, for every kind."""

import re

import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.local import Life
from tests.operators.pipeline import STARTS, add_what_they_build_on
from tests.task_run import run_task

STAGES = {
    "dataprocessing": {"processing": "processingJob"},
    "modeltraining": {"processing": "processingJob", "tuning": "hpoJob"},
    "modeltransform": {"processing": "baseProcessingJob", "transform": "remoteModelTransformJob"},
    "endpoint": {"endpoint": "endpoint"},
}
"""By kind: what XCom and log call a SageMaker job, and what the service calls it."""


@pytest.fixture
def jobs(cluster):
    """Give the test a cluster with processed data and a trained model."""
    add_what_they_build_on(cluster)
    return cluster


@pytest.fixture
def logs():
    """Collect what is logged before each worker begins: the second one takes over from the triggerer."""
    return []


@pytest.fixture
def run(jobs, mode, written, logs):
    """Return a function that starts a job of a kind and waits for it; the last log is that of the last worker."""

    def run(kind, life):
        operator, arguments = STARTS[kind]

        def in_a_worker(**arguments):
            logs.append(written())
            return operator(**arguments)

        jobs.expect(kind, life)
        done = run_task(in_a_worker, mode, poll_interval=0.05, timeout=20, **arguments)
        logs.append(written())
        assert done.deferred is (mode == "deferrable")
        return done

    return run


def result_of(kind, job):
    """Return the XCom that is due for a job of the local service that has ended well."""
    seen = job.describe()
    result = {
        "job_id": job.id,
        "status": "InService" if kind == "endpoint" else "Completed",
        "sagemaker_names": {word: seen[key]["name"] for word, key in STAGES[kind].items()},
        "sagemaker_arns": {word: seen[key]["arn"] for word, key in STAGES[kind].items()},
    }
    more = {
        "dataprocessing": lambda: {
            "output_location": seen["processingJob"]["outputLocation"],
            "output_locations": {"processing": seen["processingJob"]["outputLocation"]},
        },
        "modeltraining": lambda: {
            "output_location": seen["processingJob"]["outputLocation"],
            "output_locations": {"processing": seen["processingJob"]["outputLocation"]},
            "model_names": [model["name"] for model in seen["mlModels"]],
        },
        "modeltransform": lambda: {
            "output_location": seen["remoteModelTransformJob"]["outputLocation"],
            "output_locations": {
                word: seen[key]["outputLocation"]
                for word, key in STAGES["modeltransform"].items()
                if seen[key].get("outputLocation")
            },
            "model_names": [model["name"] for model in seen["models"]],
        },
        "endpoint": lambda: {"endpoint_name": seen["endpoint"]["name"]},
    }
    return {**result, **more[kind]()}


@pytest.mark.parametrize("kind", STARTS)
def test_the_result_is_what_the_service_tells(jobs, run, kind):
    """All of it, under the documented keys, and nothing else."""
    done = run(kind, Life(reads=2))
    assert done.error is None
    assert done.returned == result_of(kind, jobs.jobs(kind)[-1])


@pytest.mark.parametrize("kind", STARTS)
def test_a_failure_is_told_with_its_reason_and_the_link_to_its_log(jobs, run, logs, kind):
    """In the error, which Airflow logs, and once in the log of who waited: the worker's or the triggerer's."""
    done = run(kind, Life(reads=2, end="Failed", failure_reason="No GPU left."))
    assert type(done.error) is exceptions.JobFailed
    seen = jobs.jobs(kind)[-1].describe()
    (failed,) = [word for word, key in STAGES[kind].items() if seen.get(key, {}).get("status") == "Failed"]
    link = seen[STAGES[kind][failed]]["cloudwatchLogUrl"]
    assert str(done.error).startswith(f"{failed.capitalize()} failed, see its CloudWatch log: No GPU left. ")
    assert str(done.error).endswith(f"{failed.capitalize()} log: {link}")
    told = f"{failed.capitalize()} failed: No GPU left. "
    for log, knows in zip(logs, [False, True, False] if done.deferred else [False, True], strict=True):
        assert (told in log) is knows
        # Airflow's UI takes what follows a URL for a part of it, but for white space.
        assert bool(re.search(rf"{failed.capitalize()} log: {re.escape(link)}\s", log)) is knows


@pytest.mark.parametrize("kind", STARTS)
def test_each_stage_leaves_a_line_in_the_log_of_who_waits(run, logs, kind):
    """Of the worker, or of the triggerer: once per change, and with the time that the last state took."""
    run(kind, Life(reads=6))
    waiting = logs[1]
    word = "Creating" if kind == "endpoint" else "InProgress"
    for stage in STAGES[kind]:
        assert waiting.count(f" is {word} (stage: {stage})") == 1
    end = "InService" if kind == "endpoint" else "Completed"
    assert f" is {end}, after " in waiting
