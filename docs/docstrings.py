"""Docstrings, which are written in reStructuredText, as Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_FIELD = re.compile(r"^:(param|cvar|raises|return)\s*([\w.*]*)\s*:\s*", re.MULTILINE)
_ROLE = re.compile(r":(?:py:)?\w+:`~?([^`]+?)`(?!_)")
_LINK = re.compile(r"`([^`<]+?)\s*<(https?://[^>]+)>`__?")
_CODE = re.compile(r"``(.+?)``", re.DOTALL)

Linked = Callable[[str], str | None]
"""Gives the address of a name's entry in the reference, or None."""


@dataclass
class Docstring:
    """A docstring: its text, and what it says of arguments, of the answer and of errors."""

    text: str
    arguments: dict[str, str] = field(default_factory=dict)
    raises: dict[str, str] = field(default_factory=dict)
    returns: str = ""

    @classmethod
    def of(cls, documented: object, linked: Linked) -> Docstring:
        """Read the docstring of a class or a function."""
        whole = inspect.cleandoc(getattr(documented, "__doc__", None) or "")
        parts = _FIELD.split(whole)
        made = cls(markdown(parts[0], linked))
        for role, name, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            # What stands after the fields, behind an empty line, belongs to the text again.
            said, _, after = text.partition("\n\n")
            line = markdown(" ".join(said.split()), linked)
            if role == "return":
                made.returns = line
            else:
                (made.raises if role == "raises" else made.arguments)[name] = line
            if after.strip():
                made.text += "\n\n" + markdown(after, linked)
        return made


def markdown(text: str, linked: Linked = lambda _: None) -> str:
    """Return a docstring's text as Markdown."""

    def role(match: re.Match[str]) -> str:
        shown, _, target = match[1].rpartition("<")
        target = target.rstrip(">")
        name = target.rpartition(".")[2]
        shown = shown.strip() or (target if ":mod:" in match[0] else name)
        address = linked(name.removesuffix("()"))
        return f"[`{shown}`]({address})" if address else f"`{shown}`"

    text = _ROLE.sub(role, text.strip())
    text = _LINK.sub(r"[\1](\2)", text)
    text = _CODE.sub(lambda match: "`" + " ".join(match[1].split()) + "`", text)
    text = re.sub(r"^(\s*)\* ", r"\1- ", text, flags=re.MULTILINE)
    return _with_fences(text)


def _with_fences(text: str) -> str:
    """Put the indented block after each ``::`` between fences."""
    lines: list[str] = []
    block: list[str] | None = None
    for line in [*text.splitlines(), None]:
        if block is not None and line is not None and (not line.strip() or line.startswith("    ")):
            block.append(line[4:])
            continue
        if block is not None:
            lines += ["", "```python", *"\n".join(block).strip("\n").splitlines(), "```", ""]
            block = None
        if line is None:
            break
        if line.endswith("::"):
            line, block = line[:-1], []
        lines.append(line)
    return "\n".join(lines).strip()


def table(heads: tuple[str, ...], rows: Mapping[str, tuple[str, ...]]) -> str:
    """Return a Markdown table; the first column holds the keys, as code."""
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, cells in rows.items():
        escaped = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
        lines.append(f"| `{name}` | " + " | ".join(escaped) + " |")
    return "\n".join(lines)
