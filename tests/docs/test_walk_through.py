"""What a newcomer copies from the pages runs: the first DAGs, and the tests of them without AWS."""

import os
import re
import subprocess
import sys
import textwrap
from ast import literal_eval
from datetime import timedelta

import pytest

from airflow_neptune_ml.airflow_versions import DAG, task
from airflow_neptune_ml.local import Life
from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator
from tests.docs.pages import blocks, shown

FIRST_DAG, FIRST_TEST = shown("first DAG"), shown("first test")
README_DAG, TRAIN_AND_SERVE = shown("readme DAG"), shown("train and serve")


def of_page(page, word):
    """Return the one block of a page that has this word."""
    (code,) = (block.code for block in blocks("python") if block.page == page and word in block.code)
    return code


HOOK_SNIPPET = of_page("docs/hook.md", "def running_trainings")
XCOM_SNIPPET = of_page("docs/cancel.md", '"outcome"')
PIPELINE_TEST = of_page("docs/local.md", "def test_a_failed_training")


def runnable(snippet):
    """Return the DAG with the import that both Airflows have."""
    return snippet.replace(
        "from airflow.sdk import DAG", "from airflow_neptune_ml.airflow_versions import DAG"
    )


@pytest.mark.parametrize("snippet", [FIRST_DAG, README_DAG])
def test_the_first_dag_is_short(snippet):
    """A newcomer's DAG has at most 15 lines."""
    assert len(snippet.strip().splitlines()) <= 15


def test_the_life_cycle_dag_is_one():
    """It can be read as a DAG file, and its tasks follow each other as it says."""
    found = {}
    exec(runnable(TRAIN_AND_SERVE), found)
    tasks = {task.task_id: task.upstream_task_ids for task in found["dag"].tasks}
    assert tasks == {"process": set(), "train": {"process"}, "serve": {"train"}, "cancel": {"serve"}}


def test_the_hook_lists_the_trainings_that_run(cluster):
    """The function of docs/hook.md returns those that are active."""
    cluster.add_job("modeltraining", "runs", life=Life(seconds=None))
    cluster.add_job("modeltraining", "has-ended", status="Completed")
    found = {"task": task}
    exec(HOOK_SNIPPET, found)
    assert found["running_trainings"].function() == ["runs"]


def test_an_error_carries_what_its_page_says(cluster):
    """The function of docs/error-classes.md tells a job that there is from one that there is not."""
    cluster.add_job("modeltraining", "runs", life=Life(seconds=None))
    found = {"task": task}
    exec(of_page("docs/error-classes.md", "def running_or_none"), found)
    ask = found["running_or_none"].function
    assert (ask("runs"), ask("nope")) == ("InProgress", None)


def test_the_settings_of_a_test_reach_mapped_tasks():
    """The loop of docs/local.md sets interval and delay of every task's instances, mapped or not."""
    loop = re.search(r"    for task in dag.tasks:.*?\n(?=    neptune_ml)", PIPELINE_TEST, re.DOTALL)[0]
    named = {"data_processing_job_id": "d", "train_model_s3_location": "s3://b/t"}
    with DAG("mapped", schedule=None) as dag:
        NeptuneMLStartTrainingOperator(task_id="one", **named)
        NeptuneMLStartTrainingOperator.partial(task_id="many", **named).expand(model_name=["a", "b"])
    exec(textwrap.dedent(loop), {"dag": dag, "timedelta": timedelta})
    one, many = dag.get_task("one"), dag.get_task("many").unmap({"model_name": "a"})
    for reached in (one, many):
        assert (reached.poll_interval, reached.retry_delay) == (1, timedelta(0))


def connected(snippet):
    """Return the test of docs/local.md with the connection of docs/testing.md in it."""
    connection = re.search(r"    monkeypatch.setenv.*?\n(?=    neptune_ml)", FIRST_TEST, re.DOTALL)[0]
    return re.sub(r"    \.\.\. .*as in testing.md\n", lambda _: connection, snippet)


def test_the_xcom_has_the_documented_keys():
    """The keys in docs/cancel.md are those that the operator pushes."""
    from airflow_neptune_ml.execution.cancel_record import RESULT_KEYS

    assert tuple(literal_eval(XCOM_SNIPPET)) == RESULT_KEYS


def test_a_user_tests_the_first_dag_without_aws(tmp_path):
    """The test of docs/testing.md passes, in both modes, and that of docs/local.md, in a new Airflow."""
    deferrable = runnable(FIRST_DAG).replace('job_id="{{', 'deferrable=True, poll_interval=1, job_id="{{')
    for name, snippet in {"cancel_training": runnable(FIRST_DAG), "cancel_deferrable": deferrable}.items():
        (tmp_path / f"{name}.py").write_text(snippet.replace('"cancel_training", sch', f'"{name}", sch'))
        (tmp_path / f"test_{name}.py").write_text(FIRST_TEST.replace("from cancel_training", f"from {name}"))
    (tmp_path / "train_and_serve.py").write_text(runnable(TRAIN_AND_SERVE))
    (tmp_path / "test_pipeline.py").write_text(connected(PIPELINE_TEST))
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path),
    }
    python = [sys.executable, "-m"]
    for command in (["airflow", "db", "migrate"], ["pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]):
        done = subprocess.run(
            [*python, *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
