"""Two ways to run a training from Airflow: this package's operator, and plain boto3 in a PythonOperator."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
from botocore.config import Config

from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator, NeptuneMLStartTrainingOperator
from tests.starts.killable_worker import Channel, on_sigterm, told
from tests.starts.plans import READ_TIMEOUT, WAIT_TIMEOUT, Plan
from tests.task_run import TaskRun

POLL = 0.02
TASK_ID = "train"
DATA = {"data_processing_job_id": "data", "train_model_s3_location": "s3://bucket/models"}
BOTOCORE = {"read_timeout": READ_TIMEOUT, "connect_timeout": 2}


class TellingTask:
    """The task instance in the child: it tells its parent, which keeps what Airflow keeps."""

    def __init__(self, run: TaskRun, channel: Channel) -> None:
        vars(self).update(vars(run))
        self._channel = channel

    def xcom_push(self, key: str, value: Any) -> None:
        self._channel.tell("xcom", key, json.loads(json.dumps(value)))

    def xcom_pull(self, task_ids: str, key: str = "return_value", **_: Any) -> None:
        return None


class OperatorWay:
    """The operator of this package."""

    name = "this package"

    def __init__(self, plan: Plan, url: str) -> None:
        self._arguments = {
            **DATA,
            "task_id": TASK_ID,
            "retries": plan.retries,
            "deferrable": plan.mode == "deferrable",
            "poll_interval": POLL,
            "timeout": WAIT_TIMEOUT,
            "botocore_config": BOTOCORE,
        }

    def execute(self, run: TaskRun, channel: Channel) -> None:
        """Begin a try."""
        self._do(run, channel, "execute")

    def resume(self, run: TaskRun, channel: Channel, method: str, more: dict[str, Any]) -> None:
        """Go on after a deferral, in another process."""
        self._do(run, channel, method, **more)

    def _do(self, run: TaskRun, channel: Channel, method: str, **more: Any) -> None:
        task = NeptuneMLStartTrainingOperator(**self._arguments)
        on_sigterm(task.on_kill)
        told(lambda: getattr(task, method)({"ti": TellingTask(run, channel)}, **more), channel)


class UsualWay:
    """A function for a PythonOperator, as one writes it: start, tell the id, look until it is over.

    botocore repeats what fails, by default up to five times. A PythonOperator waits in its worker in both modes, and has
    no on_kill.
    """

    name = "plain boto3"

    def __init__(self, plan: Plan, url: str) -> None:
        self._url = url

    def execute(self, run: TaskRun, channel: Channel) -> None:
        """Run a try."""
        on_sigterm(lambda: None)
        client = client_of(self._url)
        ti = TellingTask(run, channel)
        channel.tell("begins")

        def train() -> dict[str, Any]:
            job_id = client.start_ml_model_training_job(
                dataProcessingJobId=DATA["data_processing_job_id"],
                trainModelS3Location=DATA["train_model_s3_location"],
            )["id"]
            ti.xcom_push(key="job_id", value=job_id)
            give_up = time.monotonic() + WAIT_TIMEOUT
            while (status := client.get_ml_model_training_job(id=job_id)["status"]) == "InProgress":
                if time.monotonic() > give_up:
                    raise TimeoutError(job_id)
                time.sleep(POLL)
            if status != "Completed":
                raise RuntimeError(f"{job_id} is {status}")
            return {"job_id": job_id, "status": status}

        told(train, channel)


_clients: dict[str, Any] = {}


def client_of(url: str) -> Any:
    """Return a client as users make it, but for its timeouts; made once, before the first fork."""
    if url not in _clients:
        _clients[url] = boto3.client(
            "neptunedata",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="the-secret-key",
            config=Config(**BOTOCORE),
        )
    return _clients[url]


def cancel_what_the_task_started(run: TaskRun, channel: Channel) -> None:
    """Run the teardown task that the docs recommend, in the same DAG run."""
    teardown = TaskRun(dag_id=run.dag_id, run_id=run.run_id, task_id="stop")
    arguments = {"poll_interval": POLL, "timeout": 10, "botocore_config": BOTOCORE}
    task = NeptuneMLCancelTrainingOperator(task_id="stop", started_by=TASK_ID, deferrable=False, **arguments)
    told(lambda: task.execute({"ti": TellingTask(teardown, channel)}), channel)
