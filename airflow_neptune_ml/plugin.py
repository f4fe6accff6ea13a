"""Airflow's plugin of this package (entry point ``airflow.plugins``). It adds nothing that a user sees.

Airflow parses each DAG file in a fork of the process that manages the parses. It loads plugins in that
process before the first fork, and what is imported there costs the parses nothing.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from airflow.plugins_manager import AirflowPlugin


class NeptuneMLPlugin(AirflowPlugin):
    """Imports what DAG files import of this package, once for all parses."""

    name = "neptune_ml"

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        """Import operators, sensors and notifiers, if this process manages the parses of DAG files.

        :raises Exception: a module is broken. Airflow logs it and goes on: it does not use this plugin then
        """
        if "airflow.dag_processing.manager" not in sys.modules:
            return
        for role in ("operators", "sensors", "notifications"):
            module = importlib.import_module(f"airflow_neptune_ml.{role}")
            for name in module.__all__:
                getattr(module, name)
