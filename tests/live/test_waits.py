"""What `neptune-ml orphaned` goes by when it keeps a job for others: what Airflow keeps of tasks that wait."""

from __future__ import annotations

import json
import subprocess
import sys

from demo.airflow_process import AirflowProcess

WAITS = {
    "sensor_poke": "running",
    "sensor_reschedule": "up_for_reschedule",
    "sensor_deferred": "deferred",
    "adopts": "running",
}
ASK = """
import json, sys
from airflow_neptune_ml.cli.metadata import Metadata
waits = [key.task.task_id for _, key in Metadata().unfinished_with([sys.argv[1]])]
print(json.dumps(sorted(waits)))
"""


def test_airflow_keeps_the_id_that_a_task_waits_for(live_airflow: AirflowProcess, running_job: str) -> None:
    """For as long as it waits, in the worker, in the triggerer, or between two looks."""
    api = live_airflow.api
    run_id = api.trigger("waits", {"job_id": running_job})
    for task_id, state in WAITS.items():
        api.wait_for_task("waits", run_id, task_id, state)
    assert waiting(live_airflow, running_job) == sorted(WAITS)
    api.mark_run("waits", run_id, "success")
    api.wait_for_run("waits", run_id)
    assert waiting(live_airflow, running_job) == []


def waiting(airflow: AirflowProcess, job_id: str) -> list[str]:
    """Return the ids of the tasks whose arguments name the job, as the command finds them."""
    command = [sys.executable, "-c", ASK, job_id]
    done = subprocess.run(command, env=airflow.env, capture_output=True, text=True, check=True, timeout=120)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found
