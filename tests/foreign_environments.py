"""Environments apart from Airflow's, with clients of Neptune that nobody here wrote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def environment(variable: str, name: str, inside: str = "bin/python") -> Path:
    """Return a path in such an environment; skip the test where there is none.

    :param variable: Names the path, which must then be there.
    :param name: Of its folder in ``.venv``, where it stands otherwise.
    :param inside: The path in this folder.
    """
    named = os.environ.get(variable)
    default = Path(__file__).parents[1] / ".venv" / name / inside
    if named is None and not default.exists():
        pytest.skip(f"{variable} is not set and .venv/{name} is not made")
    path = Path(named) if named else default
    assert path.exists(), f"{variable} names {path}, which is not there"
    return path


def without_python(**more: str) -> dict[str, str]:
    """Return this process's environment without what would lead another Python to our packages, and with keys."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    keys = {
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    return {**kept, **keys, **more}
