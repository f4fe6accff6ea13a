"""Links of a task to the pages of AWS's console, shown by Airflow's UI."""

from airflow_neptune_ml.links.neptune_ml import (
    NeptuneMLClusterLink,
    NeptuneMLLogLink,
    NeptuneMLOutputLink,
    NeptuneMLSageMakerLink,
)

__all__ = [
    "NeptuneMLClusterLink",
    "NeptuneMLLogLink",
    "NeptuneMLOutputLink",
    "NeptuneMLSageMakerLink",
]
