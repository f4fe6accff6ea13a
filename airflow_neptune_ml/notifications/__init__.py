"""Callbacks that stop Neptune ML jobs. Importing them loads Airflow's SDK and nothing of AWS."""

from airflow_neptune_ml.notifications.neptune_ml import NeptuneMLCancelJobNotifier

__all__ = ["NeptuneMLCancelJobNotifier"]
