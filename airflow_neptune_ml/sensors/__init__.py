"""Tasks that wait for jobs which others started. Importing them loads Airflow's SDK and nothing of AWS."""

from airflow_neptune_ml.sensors.neptune_ml import NeptuneMLJobSensor

__all__ = ["NeptuneMLJobSensor"]
