"""Tasks that start and stop Neptune ML jobs. Importing one of them loads Airflow's SDK and nothing of AWS.

Each operator's module is loaded when its name is first used: a DAG file's parse pays for those that it uses.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_neptune_ml.operators.cancel import (
        NeptuneMLCancelDataProcessingOperator,
        NeptuneMLCancelTrainingOperator,
        NeptuneMLCancelTransformOperator,
        NeptuneMLDeleteEndpointOperator,
    )
    from airflow_neptune_ml.operators.data_processing import NeptuneMLStartDataProcessingOperator
    from airflow_neptune_ml.operators.endpoint import NeptuneMLCreateEndpointOperator
    from airflow_neptune_ml.operators.training import NeptuneMLStartTrainingOperator
    from airflow_neptune_ml.operators.transform import NeptuneMLStartTransformOperator

__all__ = [
    "NeptuneMLCancelDataProcessingOperator",
    "NeptuneMLCancelTrainingOperator",
    "NeptuneMLCancelTransformOperator",
    "NeptuneMLCreateEndpointOperator",
    "NeptuneMLDeleteEndpointOperator",
    "NeptuneMLStartDataProcessingOperator",
    "NeptuneMLStartTrainingOperator",
    "NeptuneMLStartTransformOperator",
]

_MODULES = {
    "NeptuneMLCancelDataProcessingOperator": "cancel",
    "NeptuneMLCancelTrainingOperator": "cancel",
    "NeptuneMLCancelTransformOperator": "cancel",
    "NeptuneMLCreateEndpointOperator": "endpoint",
    "NeptuneMLDeleteEndpointOperator": "cancel",
    "NeptuneMLStartDataProcessingOperator": "data_processing",
    "NeptuneMLStartTrainingOperator": "training",
    "NeptuneMLStartTransformOperator": "transform",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    return found
