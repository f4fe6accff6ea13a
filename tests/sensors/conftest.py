"""What the tests of sensors share."""

import importlib.metadata
import logging

import pytest

AIRFLOW_2 = importlib.metadata.version("apache-airflow").startswith("2.")


@pytest.fixture
def written(caplog, capsys):
    """Return a function that gives what was logged since it was last called, whichever way Airflow's version logs."""
    caplog.set_level(logging.INFO)

    def read():
        stdout, records = capsys.readouterr().out, caplog.text
        caplog.clear()
        # Airflow 3 prints, past Python's logging; 2.11 does both, which would count each line twice.
        return records if AIRFLOW_2 else stdout + records

    return read
