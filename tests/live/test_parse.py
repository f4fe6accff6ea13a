"""What a parse in a real DAG processor finds."""

from __future__ import annotations

import pytest

from airflow_neptune_ml.airflow_versions import IS_AIRFLOW_3
from demo.airflow_process import AirflowProcess


@pytest.mark.skipif(
    not IS_AIRFLOW_3, reason="the scheduler of 2.11 parses, and loads plugins before its manager of parses"
)
def test_the_dag_processor_has_imported_the_operators_before_it_forks(live_airflow: AirflowProcess) -> None:
    """So a parse does not pay for them. The DAG file says in the DAG's description what it found."""
    assert live_airflow.api.description("parsed") == "Operators were imported before: True"
