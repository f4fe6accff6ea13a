"""What the package loads, and when."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import airflow_neptune_ml.local as local

HEAVY = ("botocore", "boto3", "uvicorn", "moto", "airflow", "h11", "flask")


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_plugin_costs_nothing() -> None:
    """Loading the pytest plugin loads neither botocore nor uvicorn nor moto nor Airflow."""
    assert not modules_after("import airflow_neptune_ml.local.pytest_plugin") & set(HEAVY)


def test_the_service_needs_no_airflow_and_no_moto() -> None:
    """A server loads botocore and uvicorn, not Airflow, and moto only when it is asked for."""
    loaded = modules_after(
        "from airflow_neptune_ml.local import LocalNeptuneML, Life, Fault; LocalNeptuneML()"
    )
    assert {"botocore", "uvicorn"} <= loaded
    assert not loaded & {"airflow", "moto", "boto3"}


def test_the_command_shows_its_help_without_loading_anything() -> None:
    """The command's module loads nothing heavy before there is something to serve."""
    assert not modules_after("import airflow_neptune_ml.local.cli") & set(HEAVY)


def test_public_names() -> None:
    """Each public name can be had."""
    assert [getattr(local, name).__name__ for name in local.__all__] == local.__all__
    assert dir(local) == local.__all__


def test_the_stand_in_shares_nothing_with_the_code() -> None:
    """The local service imports neither Airflow nor the project's own tables: they could share a mistake."""
    for path in Path(local.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                assert not name.startswith("airflow."), path.name
                assert not name.startswith("airflow_neptune_ml") or name.startswith(
                    "airflow_neptune_ml.local"
                ), path.name
