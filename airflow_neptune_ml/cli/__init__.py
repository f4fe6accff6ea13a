"""The command ``neptune-ml``: see and stop jobs, and learn what is wrong between Airflow and the cluster.

Importing this package loads nothing: Airflow imports ``cli.definition`` with each of its own commands.
"""
