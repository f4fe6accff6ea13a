"""Put what `make matrix` tries into `install.md`, from `requirements/matrix.toml`: python docs/versions.py."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATA = HERE.parent / "requirements" / "matrix.toml"
PAGE = HERE / "install.md"
TABLES = re.compile(r"(?<=<!-- from: requirements/matrix.toml -->\n)(?:\|.*\n)+")


def read() -> list[dict[str, Any]]:
    """Return the environments of the matrix."""
    found: list[dict[str, Any]] = tomllib.loads(DATA.read_text())["environment"]
    return found


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's first two numbers, such as 3 and 11."""
    return tuple(map(int, version.split(".")[:2]))


def supported(environments: list[dict[str, Any]]) -> dict[str, str]:
    """Return how pages say what is supported: each package to its versions, all of which stand in the matrix."""
    sure = [one for one in environments if not one.get("may_fail")]
    # Airflow 3 and later: all minor versions since 3.0
    airflows = sorted({numbers(one["airflow"]) for one in sure})
    newest = airflows[-1]
    if airflows != [(2, 11), *((3, minor) for minor in range(newest[1] + 1))]:
        raise ValueError(f"The matrix leaves a version of Airflow out: {airflows}")
    pythons = sorted({numbers(one["python"]) for one in sure})
    return {
        "Airflow": f"2.11 and 3.0 to {_spelt(newest)}",
        "Amazon provider": _spelt(min(numbers(one["amazon"]) for one in sure)),
        "boto3": _spelt(min(numbers(version) for one in sure for version in _pinned(one, "boto3"))),
        "Python": f"{_spelt(pythons[0])} to {_spelt(pythons[-1])}",
    }


def table(environments: list[dict[str, Any]]) -> str:
    """Return the environments as a Markdown table."""
    lines = ["| Airflow | Amazon provider | Python | |", "|---|---|---|---|"]
    lines += [
        f"| {one['airflow']} | {one['amazon']} | {one['python']} | {'; '.join(_notes(one))} |"
        for one in environments
    ]
    return "\n".join(lines) + "\n"


def filled(text: str, environments: list[dict[str, Any]]) -> str:
    """Return the page's text with the table of today."""
    return TABLES.sub(lambda _: table(environments), text)


def _notes(one: dict[str, Any]) -> list[str]:
    packages = f"packages of {one['released']:%B %Y}" if "released" in one else "newest packages"
    notes = ["offered by Amazon MWAA"] if one.get("mwaa") else []
    notes += [f"{packages}, without aiobotocore" if "deferrable" in one.get("without", ()) else packages]
    notes += [f"`{'`, `'.join(one['packages'])}`"] if one.get("packages") and not one.get("may_fail") else []
    return [*notes, "not released yet: it may fail"] if one.get("may_fail") else notes


def _pinned(one: dict[str, Any], name: str) -> list[str]:
    return [
        package.partition("==")[2] for package in one.get("packages", ()) if package.startswith(f"{name}==")
    ]


def _spelt(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(), read()))
