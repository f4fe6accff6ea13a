"""Each error of the service in a real task: its class and text in the log, and whether Airflow tries again."""

from __future__ import annotations

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.airflow_versions import AirflowFailException
from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML
from demo.airflow_process import AIRFLOW_3, AirflowProcess
from tests.hooks.test_verbs import COMMON
from tests.test_exceptions import DOCUMENTED

GET, CANCEL = "GetMLModelTrainingJob", "CancelMLModelTrainingJob"
# A task of Airflow 2.11 costs seconds of CPU; the classes are the same, so a few of each sort do there.
CODES = [*DOCUMENTED, *COMMON][:: 1 if AIRFLOW_3 else 6]


def test_every_error_fails_its_task_as_its_class_and_only_transient_ones_are_retried(
    live_airflow: AirflowProcess, live_neptune: LocalNeptuneML
) -> None:
    """One mapped task per error code, each with one retry: fatal ones use one try, transient ones two."""
    jobs = {f"errors-{number}": code for number, code in enumerate(CODES)}
    for job_id, code in jobs.items():
        live_neptune.add_job("modeltraining", job_id, life=Life(seconds=None))
        live_neptune.fault(
            Fault(
                # A cancel that finds nothing is no error, a look that finds nothing is one.
                GET if code == "MLResourceNotFoundException" else CANCEL,
                status=COMMON.get(code),
                code=code,
                text=f"The text of {code}.",
                job_id=job_id,
                times=None,
            )
        )
    api = live_airflow.api
    run_id = api.trigger("cancel_many", {"job_ids": list(jobs)})
    assert api.wait_for_run("cancel_many", run_id, timeout=600) == "failed"
    live_neptune.clear_faults()

    tasks = {task["map_index"]: task for task in api.tasks("cancel_many", run_id) if task["map_index"] >= 0}
    seen, expected = {}, {}
    for number, code in enumerate(CODES):
        task = tasks[number]
        cls = getattr(exceptions, code)
        logs = [
            api.task_log("cancel_many", run_id, "cancel_training", try_number + 1, map_index=number)
            for try_number in range(task["try_number"])
        ]
        # A try that Airflow itself lost is followed by another, and has no error of ours in its log.
        fatal = issubclass(cls, AirflowFailException)
        tries = 1 + sum(code in log for log in logs[:-1]) if fatal else len(logs)
        seen[code] = (task["state"], tries, code in logs[-1], f"The text of {code}." in logs[-1])
        expected[code] = ("failed", 1 if fatal else 2, True, True)
    assert seen == expected
