"""Tasks that stop Neptune ML jobs. Importing one of them loads Airflow's SDK and nothing of AWS.

Each operator's module is loaded when its name is first used: a DAG file's parse pays for those that it uses.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_neptune_ml.operators.data_processing import NeptuneMLCancelDataProcessingOperator
    from airflow_neptune_ml.operators.endpoint import NeptuneMLDeleteEndpointOperator
    from airflow_neptune_ml.operators.training import NeptuneMLCancelTrainingOperator
    from airflow_neptune_ml.operators.transform import NeptuneMLCancelTransformOperator

__all__ = [
    "NeptuneMLCancelDataProcessingOperator",
    "NeptuneMLCancelTrainingOperator",
    "NeptuneMLCancelTransformOperator",
    "NeptuneMLDeleteEndpointOperator",
]

_MODULES = {
    "NeptuneMLCancelDataProcessingOperator": "data_processing",
    "NeptuneMLCancelTrainingOperator": "training",
    "NeptuneMLCancelTransformOperator": "transform",
    "NeptuneMLDeleteEndpointOperator": "endpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    return found
