"""A Neptune ML for laptops and tests: the API from botocore's model, jobs that live, faults on demand.

Needs the extra ``local``. Importing this package loads nothing else: each public name is loaded when it is
first used, so that the pytest plugin costs nothing in test runs that do not use it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_neptune_ml.local.faults import Fault
    from airflow_neptune_ml.local.lives import Life
    from airflow_neptune_ml.local.mock import mock_neptune_ml
    from airflow_neptune_ml.local.requests import Request
    from airflow_neptune_ml.local.server import LocalNeptuneML
    from airflow_neptune_ml.local.service import NeptuneML
    from airflow_neptune_ml.local.service_rules import ServiceRules

__all__ = ["Fault", "Life", "LocalNeptuneML", "NeptuneML", "Request", "ServiceRules", "mock_neptune_ml"]

_HOMES = {
    "Fault": "faults",
    "Life": "lives",
    "LocalNeptuneML": "server",
    "NeptuneML": "service",
    "Request": "requests",
    "ServiceRules": "service_rules",
    "mock_neptune_ml": "mock",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
