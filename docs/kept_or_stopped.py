"""Write `kept-or-stopped.md` from the one place that decides, and from `kept-or-stopped.toml`: python -m docs.kept_or_stopped."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from airflow_neptune_ml.stopping import TryEnd, decide

HERE = Path(__file__).parent
DATA = HERE / "kept-or-stopped.toml"
PAGE = HERE / "kept-or-stopped.md"

SHOWN = {"keep": "goes on", "stop": "**is stopped**", "look first": "the worker looks"}
"""How the page spells an answer."""

NOTHING_RUNS = (TryEnd.JOB_ENDED, TryEnd.JOB_GONE)


def read() -> dict[str, Any]:
    """Return the page's text, and the words for each way in which a try ends."""
    return tomllib.loads(DATA.read_text())


def table(data: dict[str, Any]) -> str:
    """Return the decisions as a Markdown table: what becomes of a task's own job, by how the try ends."""
    columns = list(data["columns"].values())
    lines = ["| how the try ends | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for end in TryEnd:
        words = data["ends"][end.name]
        lines.append(f"| [{words['title']}](#{anchor(end)}) | " + " | ".join(_cells(end)) + " |")
    return "\n".join(lines)


def anchor(end: TryEnd) -> str:
    """Return where the page explains a way in which a try ends."""
    return end.name.lower().replace("_", "-")


def render(data: dict[str, Any]) -> str:
    """Return the page."""
    parts = [data["text"]["head"], table(data), data["text"]["columns"], "## Row by row"]
    for end in TryEnd:
        words = data["ends"][end.name]
        title = words["title"][0].upper() + words["title"][1:]
        parts.append(f'<a id="{anchor(end)}"></a>**{title}.** {words["note"].strip()}')
    parts += [data["text"]["rules"], "## How this page is made", data["text"]["made"]]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _cells(end: TryEnd) -> list[str]:
    """Return the answers for an end in the order of the columns."""
    return [
        _answer(end, follows=True),
        _answer(end, follows=False),
        _whatever_follows(end, cancel_on_kill=False),
        _whatever_follows(end, on_timeout="leave"),
        _whatever_follows(end, owned=False),
    ]


def _whatever_follows(end: TryEnd, **how: Any) -> str:
    both = [_answer(end, follows=follows, **how) for follows in (True, False)]
    if both == [_answer(end, follows=follows) for follows in (True, False)] and both[0] != both[1]:
        return "the same"
    return both[0] if both[0] == both[1] else f"{both[0]}; on the last try {both[1]}"


def _answer(end: TryEnd, *, follows: bool, **how: Any) -> str:
    answer = SHOWN[decide(end, another_follows=follows, **{"owned": True, **how})]
    if end in NOTHING_RUNS and answer == SHOWN["keep"]:
        answer = "nothing runs"
    first = decide(end, another_follows=follows, looked=False, **{"owned": True, **how})
    return f"{answer} †" if first == "look first" else answer


if __name__ == "__main__":
    PAGE.write_text(render(read()))
