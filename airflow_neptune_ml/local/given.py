"""Checks of what tests give, where it is given: a mistake must not wait for the request that meets it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any


def number(name: str, value: Any, *, optional: bool = False) -> None:
    """Refuse what is no number of at least 0; infinity is one."""
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or value < 0:
        raise ValueError(f"{name} takes a number of at least 0, not {value!r}")


def whole(name: str, value: Any, *, least: int = 0, most: int | None = None) -> None:
    """Refuse what is neither a whole number from *least* on nor None."""
    if value is None:
        return
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if not fits or (most is not None and value > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} takes a whole number {bounds}, not {value!r}")


def text(name: str, value: Any, *, optional: bool = True) -> None:
    """Refuse what is neither a text nor, where it is optional, None."""
    if not (isinstance(value, str) and (value or optional)) and not (value is None and optional):
        raise ValueError(f"{name} takes a text, not {value!r}")


def texts(name: str, value: Any, what: str, *, least: int = 0) -> tuple[str, ...]:
    """Return a list of texts as a tuple."""
    fits = isinstance(value, list | tuple) and len(value) >= least
    if not fits or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name} takes {what}, not {value!r}")
    return tuple(value)


def flag(name: str, value: Any) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false, not {value!r}")


def members(name: str, value: Any) -> None:
    """Refuse what is no mapping with texts as its keys, such as a JSON object."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{name} takes an object with named members, not {value!r}")


def headers(value: Any) -> None:
    """Refuse what cannot be sent as headers."""
    members("headers", value)
    for name, content in value.items():
        text(f"the header {name!r}", content, optional=False)
        sendable = (name + content).isascii() and (name + content).isprintable()
        if not sendable or not name or any(mark in name for mark in ' ():;,<>@"/[]?={}\\'):
            raise ValueError(f"{name!r}: {content!r} cannot be sent as a header")


def only(name: str, value: Any, known: Iterable[str]) -> dict[str, Any]:
    """Return an object that has none but the known members."""
    members(name, value)
    unknown = set(value) - set(known)
    if unknown:
        raise ValueError(f"{name} has no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return dict(value)
