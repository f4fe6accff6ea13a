"""The command in this process, against a metadata database that Airflow itself has made."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_neptune_ml.cli.main import main
from tests.cli.deployment import NAMESPACE, Deployment, take_database_away

AIRFLOW = str(Path(sys.executable).with_name("airflow"))
_DATABASE = Path(os.environ["AIRFLOW_HOME"], "airflow.db")


@pytest.fixture(scope="session")
def put_aside():
    """Make the tables of this test session's Airflow, and put the database aside."""
    done = subprocess.run(
        [AIRFLOW, "db", "migrate"], env=os.environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return _DATABASE.rename(_DATABASE.with_suffix(".aside"))


@pytest.fixture
def migrated(put_aside):
    """Give the test a metadata database, and none to the tests after it: their tasks, which are not in it, would
    be tasks that are gone."""
    from airflow import settings

    settings.engine.dispose()
    put_aside.replace(_DATABASE)
    yield
    settings.engine.dispose()
    _DATABASE.replace(put_aside)


@pytest.fixture
def database(migrated):
    """Give the test a metadata database without runs."""
    from airflow.models import DagRun, Log
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(DagRun))  # with their task instances and XComs
        session.execute(delete(Log))


@pytest.fixture
def deployment(database):
    """Give the test an empty metadata database to fill."""
    return Deployment()


@pytest.fixture
def neptune_ml_command(monkeypatch, capfd):
    """Return a function that runs the command, and gives its exit code, its output and its stderr."""
    # What the command sets for its process must not outlive the test.
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", NAMESPACE)

    def run(*arguments):
        capfd.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exit:  # argparse
            code = exit.code
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def rows(neptune_ml_command):
    """Return a function that runs the command, and gives its exit code and its output as rows."""

    def run(*arguments):
        code, out, err = neptune_ml_command(*arguments, "-o", "json")
        try:
            return code, json.loads(out)
        except ValueError:
            pytest.fail(f"exit code {code}, no JSON: {out!r} {err!r}")

    return run


@pytest.fixture
def lose_database(monkeypatch):
    """Return a function that leaves the command without a metadata database."""
    return lambda: take_database_away(monkeypatch)


class Terminal:
    """A standard input that somebody sits at."""

    def __init__(self, answer):
        self.answer = answer

    def isatty(self):
        return True

    def readline(self):
        return (self.answer() if callable(self.answer) else self.answer) + "\n"


@pytest.fixture
def answering(monkeypatch):
    """Return a function that lets somebody sit at the terminal and give an answer."""
    return lambda answer: monkeypatch.setattr(sys, "stdin", Terminal(answer))
