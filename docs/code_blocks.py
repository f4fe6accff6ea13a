"""Put the code of tested files into the pages: python docs/code_blocks.py.

A block behind `<!-- from: path#marker -->` holds what stands between `[START marker]` and `[END marker]` of the file, or
the whole file if there is no marker. So the pages can be read without the site, and show what the tests run.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
BLOCK = re.compile(
    r"^(?P<indent> *)<!-- from: (?P<path>[^#\s]+)(?:#(?P<marker>\w+))? -->\n *```(?P<language>\w+)\n.*?^ *```$",
    re.MULTILINE | re.DOTALL,
)


def filled(text: str) -> str:
    """Return a page's text with the code of the files that it names."""
    return BLOCK.sub(_block, text)


def pages() -> list[Path]:
    """Return the pages that people wrote, the README too."""
    return [ROOT / "README.md", *sorted(HERE.glob("*.md"))]


def _block(match: re.Match[str]) -> str:
    code = (ROOT / match["path"]).read_text()
    name = match["path"]
    if marker := match["marker"]:
        _, _, code = code.partition(f"[START {marker}]\n")
        code, end, _ = code.partition(f"# [END {marker}]")
        if not end:
            raise LookupError(f"{match['path']} has no [START {marker}] with an [END {marker}]")
        name += f"#{marker}"
    fence = f"<!-- from: {name} -->\n```{match['language']}\n{textwrap.dedent(code).strip()}\n```"
    return textwrap.indent(fence, match["indent"], lambda line: bool(line.strip()))


if __name__ == "__main__":
    for page in pages():
        page.write_text(filled(page.read_text()))
