"""
From a click on "mark failed" to the DELETE at the service, in a live Airflow.

A task that runs is told of the click at its next heartbeat, so that most of the time is Airflow's. The peer shows how
much: a task whose `on_kill` does nothing but send the DELETE. Both are marked at the same moment.

    python -m benchmarks marked
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from rows import Row, tell  # noqa: E402 - this script runs by itself

from airflow_neptune_ml.local import Life, LocalNeptuneML  # noqa: E402
from demo import aws_connection, until  # noqa: E402
from demo.airflow_process import AirflowProcess  # noqa: E402

ROUNDS = 3
TASK = "hold"
CASES = ("ours", "bare")
MOST = 2.0
"""The hook stops the job as any cancel does, and the machine is busy with the other task."""

DAGS = """
import time
import urllib.request
import uuid

from airflow_neptune_ml.airflow_versions import DAG, BaseOperator
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator


class Bare(BaseOperator):
    def execute(self, context):
        self.job_id = f"bare-{uuid.uuid4().hex}"
        send("POST", "/ml/modeltraining", self.job_id)
        time.sleep(3600)

    def on_kill(self):
        send("DELETE", f"/ml/modeltraining/{self.job_id}", self.job_id)


def send(method, path, job_id):
    body = f'{{"id": "{job_id}", "dataProcessingJobId": "data", "trainModelS3Location": "s3://bucket/models"}}'
    headers = {"Content-Type": "application/json"}
    data = body.encode() if method == "POST" else None
    urllib.request.urlopen(urllib.request.Request("URL" + path, data, headers, method=method), timeout=30).read()


with DAG("ours", schedule=None):
    NeptuneMLStartTrainingOperator(
        task_id="hold", data_processing_job_id="data", train_model_s3_location="s3://bucket/models"
    )
with DAG("bare", schedule=None):
    Bare(task_id="hold")
"""


def measure(airflow: AirflowProcess, neptune: LocalNeptuneML) -> dict[str, float]:
    """Mark a task of each case failed; return for each the seconds until the DELETE."""
    before = {job.id for job in neptune.jobs("modeltraining")}
    runs = {case: airflow.api.trigger(case, timeout=180) for case in CASES}
    for case in CASES:
        airflow.api.wait_for_task(case, runs[case], TASK, "running", timeout=300)
    until(lambda: len(neptune.jobs("modeltraining")) == len(before) + len(CASES), timeout=180)
    jobs = {job.id for job in neptune.jobs("modeltraining")} - before
    bare = {job_id for job_id in jobs if job_id.startswith("bare-")}
    clicked, ids = {}, {}
    for case in CASES:
        clicked[case] = time.time()
        airflow.api.mark_task(case, runs[case], TASK, "failed")
    (ids["ours"],), (ids["bare"],) = jobs - bare, bare
    return {case: deleted_at(neptune, ids[case]) - clicked[case] for case in CASES}


def deleted_at(neptune: LocalNeptuneML, job_id: str) -> float:
    """Wait for a job's DELETE, and return when it came."""
    found = until(
        lambda: [
            request.time
            for request in neptune.requests
            if request.method == "DELETE" and request.job_id == job_id
        ],
        timeout=180,
    )
    return found[0]


def main() -> int:
    forever = Life(seconds=None)
    with tempfile.TemporaryDirectory(prefix="marked-") as folder, LocalNeptuneML(life=forever) as neptune:
        neptune.add_job("dataprocessing", "data", status="Completed")
        dags = Path(folder) / "marked"
        dags.mkdir()
        (dags / "marked.py").write_text(DAGS.replace("URL", neptune.url))
        connections = {"aws_default": aws_connection(neptune.url)}
        with AirflowProcess(Path(folder) / "home", dags=[dags], connections=connections) as airflow:
            seconds = [measure(airflow, neptune) for _ in range(ROUNDS)]
    ours, bare = (median(one[case] for one in seconds) for case in CASES)
    what = "From mark-failed to the DELETE, live"
    return tell([Row(what, "s", ours, bare, "an on_kill that does nothing else", MOST, "running task")])


if __name__ == "__main__":
    sys.exit(main())
