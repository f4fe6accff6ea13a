"""The example DAG `nightly` in a real Airflow, two nights in a row."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_neptune_ml.local import LocalNeptuneML
from demo.airflow_process import AirflowProcess


@pytest.mark.parametrize("mode", ["sync", "deferrable"])
def test_each_night_builds_on_the_night_before(
    mode: str, live_airflow: AirflowProcess, quick_neptune: LocalNeptuneML
) -> None:
    """The first night makes the endpoint, the second one updates it; both start from what was last."""
    api, dag_id, conf = live_airflow.api, f"nightly_{mode}", {"endpoint_id": f"nightly-{mode}"}
    nights = []
    for _ in range(2):
        run_id = api.trigger(dag_id, conf)
        assert api.wait_for_run(dag_id, run_id, timeout=300) == "success", api.tasks(dag_id, run_id)
        nights.append(
            {task: api.xcom(dag_id, run_id, task, "job_id") for task in ("process", "train", "serve")}
        )

    def request(kind: str, job_id: str) -> dict[str, Any]:
        return dict(quick_neptune.job(kind, job_id).request)

    first, second = nights
    assert "previousModelTrainingJobId" not in request("modeltraining", first["train"])
    assert request("modeltraining", second["train"])["previousModelTrainingJobId"] == first["train"]
    assert request("dataprocessing", second["process"])["previousDataProcessingJobId"] == first["process"]
    assert first["serve"] == second["serve"] == conf["endpoint_id"]
    assert request("endpoint", conf["endpoint_id"])["mlModelTrainingJobId"] == second["train"]
