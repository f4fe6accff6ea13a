"""For Airflow's settings, which must import nothing of Airflow."""

SQLITE = {"timeout": 60}
"""Seconds to wait for a locked database: on Airflow 2 every task writes to it, and SQLite takes one at a time."""
