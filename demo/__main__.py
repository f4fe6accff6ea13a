"""`make demo`: a training job is running, an Airflow task stops it."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import httpx

from airflow_neptune_ml.local import Life, LocalNeptuneML
from demo import EXAMPLE_DAGS, aws_connection
from demo.airflow_process import AirflowProcess

JOB_ID = "demo-training"
DAG_ID = "cancel_training"


def main() -> None:
    """Show it, or fail."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True)

    home = Path(tempfile.mkdtemp(prefix="airflow-demo-"))
    with LocalNeptuneML(port=0, life=Life(seconds=None)) as neptune:
        say(f"A local Neptune ML listens on {neptune.url}, in place of a cluster in AWS")
        neptune.add_job("modeltraining", JOB_ID, status="InProgress")

        def job_status() -> str:
            return str(
                httpx.get(f"{neptune.url}/ml/modeltraining/{JOB_ID}", trust_env=False).json()["status"]
            )

        before = job_status()
        say(f"Its training job {JOB_ID} is {before}")
        say(f"Starting Airflow {version('apache-airflow')}, which takes half a minute or more ...")
        airflow = AirflowProcess(
            home, dags=[EXAMPLE_DAGS], connections={"aws_default": aws_connection(neptune.url)}
        )
        try:
            with airflow:
                say(
                    f"Airflow is ready. Its DAG {DAG_ID} (example_dags/{DAG_ID}.py) runs with job_id={JOB_ID}"
                )
                run_id = airflow.api.trigger(DAG_ID, {"job_id": JOB_ID})
                state = airflow.api.wait_for_run(DAG_ID, run_id)
                say(f"The DAG run ended: {state}")
                after = job_status()
                say(f"Training job {JOB_ID} is {after}")
                assert (before, state, after) == ("InProgress", "success", "Stopped")
                xcom = airflow.api.xcom(DAG_ID, run_id, "cancel_training")
                say("What the task leaves for later tasks (XCom):")
                print(json.dumps(xcom, indent=2))
                say("Stopping Airflow ...")
        except BaseException:
            print(
                f"The demo failed. Airflow's log: {airflow.log}; its tasks' logs: {home / 'logs'}", flush=True
            )
            raise
    shutil.rmtree(home, ignore_errors=True)
    say("Done")


if __name__ == "__main__":
    main()
