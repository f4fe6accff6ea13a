"""Airflow's plugin of this package: what a DAG processor has imported before it forks for the first parse."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_neptune_ml

PACKAGE = Path(airflow_neptune_ml.__file__).parent
# As Airflow's commands do: they import what they run, and make their job, for which Airflow loads plugins.
STARTS = """
import sys
import airflow.cli.commands.{}_command
from airflow.jobs.job import Job
at_first = set(sys.modules)
Job()
loaded = set(sys.modules)
"""
IMPORTS_OF_DAG_FILES = """
from airflow_neptune_ml.operators import *
from airflow_neptune_ml.sensors import *
from airflow_neptune_ml.notifications import *
print(sorted(name for name in set(sys.modules) - loaded if name.startswith("airflow_neptune_ml")))
"""
OF_NO_USE_BEFORE_A_RUN = """
unwanted = {"boto3", "botocore", "airflow.providers.amazon", "airflow_neptune_ml.execution"} - at_first
assert not unwanted & loaded, unwanted & loaded
"""


def run(folder, *code):
    """Run code in a process of its own, which finds our package in a folder; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr, done.stdout.strip().splitlines()[-1]


def test_a_dag_processor_has_imported_what_dag_files_import():
    """Its forks, one for each parse, import nothing of this package any more, and it loads nothing else for them."""
    _, imported = run(
        PACKAGE.parent, STARTS.format("dag_processor"), OF_NO_USE_BEFORE_A_RUN, IMPORTS_OF_DAG_FILES
    )
    assert imported == "[]"


def test_another_process_imports_what_it_uses():
    """Workers, triggerers and commands do not pay for operators that they may never need."""
    _, imported = run(PACKAGE.parent, STARTS.format("triggerer"), IMPORTS_OF_DAG_FILES)
    assert "airflow_neptune_ml.operators.cancel" in imported


@pytest.mark.parametrize("module", ["operators/cancel.py", "plugin.py"])
def test_a_dag_processor_goes_on_when_a_module_of_ours_is_broken(tmp_path, module):
    """Airflow logs the error, and the DAG files that need the module show it."""
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / PACKAGE.name / module).write_text("raise ImportError('broken on purpose')\n")
    told, last = run(tmp_path, STARTS.format("dag_processor"), "print('It goes on.')")
    assert "broken on purpose" in told
    assert last == "It goes on."
