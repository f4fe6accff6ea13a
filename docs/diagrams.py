"""Draw `life-of-a-job.svg` from `life-of-a-job.toml`: python docs/diagrams.py."""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATA = HERE / "life-of-a-job.toml"
PICTURE = HERE / "life-of-a-job.svg"

LANE, HEAD, STEP, EDGE = 190, 56, 46, 16

STYLE = """
  text { font: 14px system-ui, sans-serif; fill: #1b1b2f; text-anchor: middle }
  .name { font-weight: 600 }
  rect { fill: #f1edfb; stroke: #6b4fc4 }
  .life { stroke: #b9b4c9; stroke-dasharray: 3 4 }
  .step { stroke: #6b4fc4; stroke-width: 1.5; fill: none; marker-end: url(#head) }
  .rare { stroke-dasharray: 6 4 }
  .under { fill: #ffffff }
"""


def draw(data: dict[str, Any]) -> str:
    """Return the picture: a lane for each process, and below each other what one tells the other."""
    lanes = {key: EDGE + LANE * place + LANE // 2 for place, key in enumerate(data["lanes"])}
    width = LANE * len(lanes) + 2 * EDGE
    height = HEAD + STEP * len(data["steps"]) + 2 * EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' aria-label="Which process does what in the life of a job">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" markerWidth="9" markerHeight="9" refX="8" refY="4.5" orient="auto">'
        '<path d="M0,0 L9,4.5 L0,9 z" fill="#6b4fc4"/></marker></defs>',
        f'<rect class="under" style="stroke:none" width="{width}" height="{height}"/>',
    ]
    for key, x in lanes.items():
        parts.append(f'<line class="life" x1="{x}" y1="{HEAD}" x2="{x}" y2="{height - EDGE}"/>')
        parts.append(f'<rect x="{x - 72}" y="{EDGE}" width="144" height="30" rx="6"/>')
        parts.append(f'<text class="name" x="{x}" y="{EDGE + 20}">{escape(data["lanes"][key])}</text>')
    for number, step in enumerate(data["steps"]):
        parts += _step(step, lanes, HEAD + STEP * (number + 1))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _step(step: dict[str, Any], lanes: dict[str, int], y: int) -> list[str]:
    begin, end = lanes[step["from"]], lanes[step["to"]]
    kind = "step rare" if step.get("dashed") else "step"
    words = escape(step["says"])
    if begin == end:
        line = f'<path class="{kind}" d="M{begin},{y - 12} h26 v14 h-24"/>'
        return [line, f'<text x="{begin + 32}" y="{y}" style="text-anchor:start">{words}</text>']
    line = f'<path class="{kind}" d="M{begin},{y} H{end + (-2 if end > begin else 2)}"/>'
    return [line, f'<text x="{(begin + end) // 2}" y="{y - 7}">{words}</text>']


def read() -> dict[str, Any]:
    """Return the lanes and the steps."""
    return tomllib.loads(DATA.read_text())


if __name__ == "__main__":
    PICTURE.write_text(draw(read()))
