"""Tells in its description what its parse found imported already."""

import sys

IMPORTED = "airflow_neptune_ml.operators.cancel" in sys.modules

from airflow_neptune_ml.airflow_versions import DAG  # noqa: E402
from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator  # noqa: E402

with DAG("parsed", schedule=None, description=f"Operators were imported before: {IMPORTED}"):
    NeptuneMLCancelTrainingOperator(task_id="cancel", job_id=None)
