"""The notifier as a DAG's callback in a user's test: ``dag.test()`` gives callbacks another DAG than Airflow itself."""

import os
import subprocess
import sys
import textwrap

DAG_FILE = """
from airflow_neptune_ml.airflow_versions import DAG, task
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.operators import NeptuneMLCreateEndpointOperator, NeptuneMLStartTrainingOperator

with DAG(
    "failing",
    schedule=None,
    on_failure_callback=[
        NeptuneMLCancelJobNotifier(started_by=["train", "serve"]),
        NeptuneMLCancelJobNotifier(job_id="plain"),
        NeptuneMLCancelJobNotifier(job_id="{{ dag_run.conf['job_id'] }}"),
    ],
) as dag:

    @task
    def fail():
        raise ValueError("no")

    started = {"wait_for_completion": False}
    train = NeptuneMLStartTrainingOperator(
        task_id="train", data_processing_job_id="data", train_model_s3_location="s3://b/m", **started
    )
    serve = NeptuneMLCreateEndpointOperator(task_id="serve", ml_model_training_job_id="trained", **started)
    [train, serve] >> fail()
"""
TEST_FILE = """
from airflow_neptune_ml.local import Life
from failing import dag


def test_the_callbacks_stop_everything(neptune_ml, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", '{"conn_type": "aws", "login": "key", "password": "secret", '
        '"extra": {"region_name": "us-east-1", "endpoint_url": "%s"}}' % neptune_ml.url)
    neptune_ml.add_job("dataprocessing", "data", status="Completed")
    neptune_ml.add_job("modeltraining", "trained", status="Completed")
    for kind in ("modeltraining", "endpoint"):
        neptune_ml.expect(kind, Life(seconds=None))
    for job_id in ("plain", "from-conf"):
        neptune_ml.add_job("modeltraining", job_id, life=Life(seconds=None))
    run = dag.test(run_conf={"job_id": "from-conf"})
    assert run.state == "failed"
    running = {job.id for job in neptune_ml.jobs("modeltraining") if not job.cancelled} - {"trained"}
    assert not running
    assert [job.cancelled for job in neptune_ml.jobs("endpoint")] in ([], [True])
    deletes = [request.operation for request in neptune_ml.requests if request.method == "DELETE"]
    assert sorted(deletes) == ["CancelMLModelTrainingJob"] * 3 + ["DeleteMLEndpoint"]
"""


def test_the_dags_callback_works_in_a_users_test(tmp_path):
    """With and without templates, and with tasks of two kinds, which the notifier is told by their ids alone."""
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "failing.py").write_text(textwrap.dedent(DAG_FILE))
    (tmp_path / "test_failing.py").write_text(textwrap.dedent(TEST_FILE))
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "PYTHONPATH": os.pathsep.join([str(dags), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    for command in (["airflow", "db", "migrate"], ["pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
