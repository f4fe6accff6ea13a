"""The pages, as tests read them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<note>[^\n]*?) -->\n)?^(?P<indent> *)```(?P<language>[\w{}-]*)\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of code of a page; ``note`` is what the comment in front of it says."""

    page: str
    line: int
    language: str
    code: str
    note: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def written_pages() -> dict[str, str]:
    """Return the pages that people wrote, by their names from the repository's root."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md"))]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


def blocks(*languages: str) -> Iterator[Block]:
    """Yield the blocks of all written pages in these languages."""
    for page, text in written_pages().items():
        for match in _BLOCK.finditer(text):
            if match["language"] in languages:
                line = text.count("\n", 0, match.start("code"))
                yield Block(
                    page, line, match["language"], textwrap.dedent(match["code"]), match["note"] or ""
                )


def shown(name: str) -> str:
    """Return the block behind the comment `shown: name`."""
    (block,) = (block for block in blocks("python") if block.note == f"shown: {name}")
    return block.code


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and MyST make it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Return the anchors of a page."""
    outside = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", outside, re.MULTILINE)} | set(
        re.findall(r'<a id="([\w-]+)">', text)
    )
