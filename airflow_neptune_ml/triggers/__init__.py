"""What waits in the triggerer. Importing it loads no boto3."""

from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger, read_event

__all__ = ["NeptuneMLJobTrigger", "read_event"]
