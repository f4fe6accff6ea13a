"""Write `what-ends-a-task.md` from `what-ends-a-task.toml`: python docs/what_ends_a_task.py."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATA = HERE / "what-ends-a-task.toml"
PAGE = HERE / "what-ends-a-task.md"

SHOWN = {
    "stopped": "stopped",
    "running": "**left running**",
    "wanted": "goes on, rightly",
    "refused": "(Airflow fails)",
    "none": "-",
}
"""How the page spells a cell."""


def read() -> dict[str, Any]:
    """Return the matrix: its ways, its rows with their cells by Airflow version, and the page's text."""
    return tomllib.loads(DATA.read_text())


def table(data: dict[str, Any], version: str) -> str:
    """Return the matrix of one Airflow as a Markdown table; a stopped job with the seconds that it took."""
    ways = [way for way in data["ways"] if version in data["ways"][way]["versions"]]
    lines = [
        "| what happens | " + " | ".join(data["ways"][way]["title"] for way in ways) + " |",
        "|---" * (len(ways) + 1) + "|",
    ]
    for name, row in data["rows"].items():
        if version not in row:
            continue
        cells = [_cell(row, version, way) for way in ways]
        lines.append(f"| [{row['title']}](#{name.replace('_', '-')}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def render(data: dict[str, Any]) -> str:
    """Return the page."""
    parts = [data["text"]["head"]]
    for version in data["versions"]:
        parts += [f"## Airflow {version}", data["text"]["table"][version], table(data, version)]
    parts.append(data["text"]["how_soon"])
    parts.append("## The ways")
    parts += [f"### {way['heading']}\n\n{way['text'].strip()}" for way in data["ways"].values()]
    parts += ["## What to use", data["text"]["recommended"]]
    parts.append("## Row by row")
    for name, row in data["rows"].items():
        title = row["title"][0].upper() + row["title"][1:]  # not capitalize(), which writes sigkill
        parts.append(f'<a id="{name.replace("_", "-")}"></a>**{title}.**\n{row["note"].strip()}')
    parts += ["## How this page is made", data["text"]["made"]]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _cell(row: dict[str, Any], version: str, way: str) -> str:
    word = row[version].get(way)
    if word is None:
        return ""
    by = " by the cleanup" if way == "as_it_comes" and version in row.get("cleanup", []) else ""
    seconds = row.get("seconds", {}).get(version, {}).get(way)
    return SHOWN[word] + by + (f", {seconds} s" if word == "stopped" and seconds is not None else "")


if __name__ == "__main__":
    PAGE.write_text(render(read()))
