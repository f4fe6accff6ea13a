"""`make ui`: Airflow with the example DAGs and a local Neptune ML with a few jobs, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from pathlib import Path

from airflow_neptune_ml.local import Life, LocalNeptuneML
from demo import EXAMPLE_DAGS, aws_connection
from demo.airflow_process import AirflowProcess

RUNNING = ("my-training-1", "my-training-2", "my-training-3")


def main() -> None:
    """Run until Ctrl-C, or until Airflow ends by itself."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=8080, help="of Airflow's UI; 0 picks a free one")
    arguments.add_argument(
        "--neptune-port", type=int, default=8182, help="of the local Neptune ML; 0 as well"
    )
    chosen = arguments.parse_args()
    # A plain `kill` and a closed terminal stop it as cleanly as Ctrl-C.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)

    with (
        tempfile.TemporaryDirectory(prefix="airflow-ui-", ignore_cleanup_errors=True) as home,
        LocalNeptuneML(port=chosen.neptune_port) as neptune,
    ):
        for job_id in RUNNING:
            neptune.add_job("modeltraining", job_id, status="InProgress", life=Life(seconds=None))
        neptune.add_job("modeltraining", "my-finished-training", status="Completed")
        neptune.add_job(
            "dataprocessing", "my-data", status="Completed"
        )  # cancel_training_teardown trains on it
        airflow = AirflowProcess(
            Path(home),
            dags=[EXAMPLE_DAGS],
            connections={"aws_default": aws_connection(neptune.url)},
            port=chosen.port,
        )
        print(f"Starting Airflow, which takes half a minute or more; its log is {airflow.log}", flush=True)
        try:
            with airflow:
                print(
                    f"Airflow:     {airflow.url} (no login)\n"
                    f"Neptune ML:  {neptune.url} ({neptune.url}/ml/modeltraining lists its training jobs)\n"
                    f"Running:     {', '.join(RUNNING)}; trigger the DAG cancel_training with one of them\n"
                    "Ctrl-C stops both.",
                    flush=True,
                )
                while airflow.is_running():
                    time.sleep(0.5)
                print(f"Airflow ended by itself.\n{airflow.log_tail()}")
        except KeyboardInterrupt:
            print("Stopped.")


if __name__ == "__main__":
    main()
