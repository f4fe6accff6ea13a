"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    SKIPPED = "not checked"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    :param check: what was looked at
    :param found: what was seen, in one sentence
    :param cure: what to do, unless all is well
    """

    check: str
    result: Result
    found: str
    cure: str = ""

    @classmethod
    def ok(cls, check: str, found: str) -> Finding:
        """Return that all is well."""
        return cls(check, Result.OK, found)

    @classmethod
    def warning(cls, check: str, found: str, cure: str) -> Finding:
        """Return that something works, and may not be meant so."""
        return cls(check, Result.WARNING, found, cure)

    @classmethod
    def failed(cls, check: str, found: str, cure: str) -> Finding:
        """Return that something does not work."""
        return cls(check, Result.FAILED, found, cure)

    @classmethod
    def skipped(cls, check: str, why: str) -> Finding:
        """Return that a check could not be made, or makes no sense here."""
        return cls(check, Result.SKIPPED, why)

    def row(self) -> dict[str, str]:
        """Return what is printed."""
        return {"check": self.check, "result": str(self.result), "found": self.found, "cure": self.cure}
