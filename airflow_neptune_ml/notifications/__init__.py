"""Callbacks that stop Neptune ML jobs. Importing them loads Airflow's SDK and no AWS library."""

from airflow_neptune_ml.notifications.neptune_ml import NeptuneMLCancelJobNotifier

__all__ = ["NeptuneMLCancelJobNotifier"]
