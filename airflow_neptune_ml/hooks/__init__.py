"""The hook. Importing it loads boto3, so DAG files import it inside their tasks."""

from airflow_neptune_ml.hooks.neptune_ml import NeptuneMLHook

__all__ = ["NeptuneMLHook"]
