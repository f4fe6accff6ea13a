"""`make demo`: an Airflow task stops a training job, and a job whose task was killed is stopped all the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

from airflow_neptune_ml.local import Life, LocalNeptuneML
from demo import EXAMPLE_DAGS, aws_connection, until
from demo.airflow_process import AIRFLOW_3, AirflowProcess

JOB_ID = "demo-training"
CANCEL = "cancel_training"
ALONE = "train_alone"
DAGS = Path(__file__).parent / "dags"
TRAINING = "modeltraining"

Say = Callable[[str], None]


def main() -> None:
    """Show it, or fail."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True)

    home = Path(tempfile.mkdtemp(prefix="airflow-demo-"))
    with LocalNeptuneML(port=0, life=Life(seconds=None, stop_seconds=1)) as neptune:
        say(f"A local Neptune ML listens on {neptune.url}, in place of a cluster in AWS")
        neptune.add_job(TRAINING, JOB_ID, status="InProgress")
        neptune.add_job("dataprocessing", "my-data", status="Completed")
        say(f"Its training job {JOB_ID} is {neptune.job(TRAINING, JOB_ID).status}")
        say(f"Starting Airflow {version('apache-airflow')}, which takes half a minute or more ...")
        airflow = AirflowProcess(
            home, dags=[EXAMPLE_DAGS, DAGS], connections={"aws_default": aws_connection(neptune.url)}
        )
        try:
            with airflow:
                say("Airflow is ready")
                cancel_by_dag(airflow, neptune, say)
                kill_the_task(airflow, neptune, say)
                say("Stopping Airflow ...")
        except BaseException:
            print(
                f"The demo failed. Airflow's log: {airflow.log}; its tasks' logs: {home / 'logs'}", flush=True
            )
            raise
    shutil.rmtree(home, ignore_errors=True)
    say("Done")


def cancel_by_dag(airflow: AirflowProcess, neptune: LocalNeptuneML, say: Say) -> None:
    """Let a DAG's task stop a job."""
    print("\n1. A task stops a training job\n", flush=True)
    say(f"The DAG {CANCEL} (example_dags/{CANCEL}.py) runs with job_id={JOB_ID}")
    run_id = airflow.api.trigger(CANCEL, {"job_id": JOB_ID})
    state = airflow.api.wait_for_run(CANCEL, run_id)
    after = neptune.job(TRAINING, JOB_ID).status
    say(f"The DAG run ended: {state}. Training job {JOB_ID} is {after}")
    assert (state, after) == ("success", "Stopped")
    say("What the task leaves for later tasks (XCom):")
    print(json.dumps(airflow.api.xcom(CANCEL, run_id, "cancel_training"), indent=2))


def kill_the_task(airflow: AirflowProcess, neptune: LocalNeptuneML, say: Say) -> None:
    """Kill the process of a task that waits for its job, and see what becomes of the job."""
    print("\n2. Nobody is left to stop a training job, and it is stopped all the same\n", flush=True)
    say(f"The DAG {ALONE} (demo/dags/{ALONE}.py) has nothing but a start operator: no teardown, no callback")
    run_id = airflow.api.trigger(ALONE)
    where = (ALONE, run_id, "train")
    # With its first poll after the start the task waits for the job.
    job_id = until(
        lambda: [
            polled.job_id
            for started, polled in combinations(neptune.requests, 2)
            if started.operation == "StartMLModelTrainingJob"
            and polled.operation == "GetMLModelTrainingJob"
            and polled.job_id == started.job_id
        ]
    )[-1]
    say(f"Its task has started the training job {job_id}, which is {neptune.job(TRAINING, job_id).status}")
    pid = airflow.api.task(*where)["pid"]
    os.kill(pid, signal.SIGKILL)
    say(f"kill -9 {pid}: the task's process is gone, as when it runs out of memory. It could stop nothing")
    state = airflow.api.wait_for_run(ALONE, run_id)
    say(f"The DAG run ended: {state}. Its cleanup, which comes with the package, runs in the DAG processor")
    until(lambda: neptune.job(TRAINING, job_id).status == "Stopped")
    say(f"Training job {job_id} is Stopped. The DAG processor's log says:")
    # In Airflow 2 the DAG processor is a part of the scheduler.
    logs = airflow.home / "logs" / ("dag_processor" if AIRFLOW_3 else "scheduler")
    for said in until(lambda: [line for line in lines_of(logs) if "Automatic cleanup" in line]):
        # Airflow 2 writes when and where before it.
        print(f"         {said[said.index('Automatic cleanup') :]}", flush=True)


def lines_of(logs: Path) -> list[str]:
    """Return what was written into the log files of a folder: Airflow 3 writes each line as JSON."""
    lines = [line for path in sorted(logs.rglob("*.log")) for line in path.read_text().splitlines()]
    return [str(json.loads(line).get("event")) if line.startswith("{") else line for line in lines]


if __name__ == "__main__":
    main()
