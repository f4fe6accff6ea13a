"""Run, watch and stop Amazon Neptune ML jobs from Apache Airflow.

This package root imports nothing: Airflow loads it while it discovers providers, and importing Airflow
from here would break even ``airflow version``.
"""

__version__ = "0.1.0"
