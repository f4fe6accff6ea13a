"""Write `benchmarks.md` and draw `benchmarks.svg` from what `python -m benchmarks` has saved: python docs/benchmarks.py."""

from __future__ import annotations

import json
from html import escape
from math import log10
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE.parent / "benchmarks" / "results.json"
PAGE, PICTURE = HERE / "benchmarks.md", HERE / "benchmarks.svg"

NAMES, WIDTH, BAR, EDGE = 420, 380, 26, 16
LOWEST, HIGHEST = 0.01, 10.0

HEAD = """# Benchmarks

<!-- Written by docs/benchmarks.py from benchmarks/results.json. -->

Each row compares this package with a named peer, in one run on a machine with two cores that did nothing else. What
counts is the ratio: the figures themselves differ from machine to machine. A ratio below 1 means that this package needs
less than the peer. `make bench` measures all of them again, and shows which bound was missed.

![The ratios as bars, on a logarithmic scale](benchmarks.svg)

At the dashed line, both need the same. A short stroke is the bound, and a bar in red has passed it.

"""
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1b1b2f }
  .name { text-anchor: end }
  .ours { fill: #6b4fc4 }
  .missed { fill: #b3441e }
  .one { stroke: #1b1b2f; stroke-dasharray: 4 3 }
  .bound { stroke: #1b1b2f; stroke-width: 2 }
"""


def read() -> list[dict[str, Any]]:
    """Return the saved rows, each with its ratio."""
    rows = [row for saved in json.loads(RESULTS.read_text()).values() for row in saved]
    return [{**row, "ratio": row["ours"] / row["theirs"]} for row in rows]


def short(figure: float) -> str:
    """Return a figure with three digits that count."""
    return f"{figure:,.0f}" if figure >= 1000 else f"{figure:.3g}"


def page_of(rows: list[dict[str, Any]]) -> str:
    """Return the page."""
    lines = [
        "| | ours | the peer's | ratio | at most | the peer |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        bound = "" if row["bound"] is None else f"{row['bound']:g}"
        unit = f" {row['unit']}".rstrip()
        note = f" ({row['note']})" if row["note"] else ""
        lines.append(
            f"| {row['what']}{note} | {short(row['ours'])}{unit} | {short(row['theirs'])}{unit} | {row['ratio']:.4g} | {bound} "
            f"| {row['peer']} |"
        )
    return HEAD + "\n".join(lines) + "\n"


def x_of(ratio: float) -> float:
    """Return how far to the right a ratio stands."""
    ratio = min(max(ratio, LOWEST), HIGHEST)
    return NAMES + WIDTH * (log10(ratio) - log10(LOWEST)) / (log10(HIGHEST) - log10(LOWEST))


def draw(rows: list[dict[str, Any]]) -> str:
    """Return the chart: a bar for each ratio, a line where both are equal, a stroke at each bound."""
    width, height = NAMES + WIDTH + 90, BAR * len(rows) + 2 * EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' aria-label="Ratio of this package to a peer, for each benchmark">',
        f"<style>{STYLE}</style>",
        f'<rect fill="#ffffff" width="{width}" height="{height}"/>',
        f'<line class="one" x1="{x_of(1):.0f}" y1="{EDGE}" x2="{x_of(1):.0f}" y2="{height - EDGE}"/>',
    ]
    for number, row in enumerate(rows):
        y = EDGE + BAR * number
        missed = row["bound"] is not None and row["ratio"] > row["bound"]
        end = max(x_of(row["ratio"]), NAMES + 2)
        parts.append(f'<text class="name" x="{NAMES - 8}" y="{y + 16}">{escape(row["what"])}</text>')
        parts.append(
            f'<rect class="{"missed" if missed else "ours"}" x="{NAMES}" y="{y + 5}" width="{end - NAMES:.0f}" height="14"/>'
        )
        if row["bound"] is not None:
            x = x_of(row["bound"])
            parts.append(f'<line class="bound" x1="{x:.0f}" y1="{y + 3}" x2="{x:.0f}" y2="{y + 21}"/>')
            end = max(end, x)
        parts.append(f'<text x="{end + 6:.0f}" y="{y + 16}">{row["ratio"]:.4g}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    rows = read()
    PAGE.write_text(page_of(rows))
    PICTURE.write_text(draw(rows))
