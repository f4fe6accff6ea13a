"""A row of the benchmarks' table: one figure of this package's beside that of a named peer, from the same run."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One comparison.

    :param what: what was measured
    :param unit: of ``ours`` and ``theirs``
    :param ours: this package's figure
    :param theirs: the peer's
    :param peer: who the peer is
    :param bound: the ratio that must not be passed; None if there is none
    :param note: what a reader must know to read the figures
    """

    what: str
    unit: str
    ours: float
    theirs: float
    peer: str
    bound: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ours to theirs."""
        return self.ours / self.theirs if self.theirs else float("inf")

    @property
    def missed(self) -> bool:
        """Whether the bound was passed."""
        return self.bound is not None and self.ratio > self.bound

    def line(self) -> str:
        """Return the row as a line of the table."""
        bound = f"at most {self.bound:g}" if self.bound is not None else ""
        return (
            f"{self.what:58} {self.ours:10.4g} {self.theirs:10.4g} {self.unit:4} {self.ratio:8.3f}  {bound:13} {self.peer}"
            + ("  MISSED" if self.missed else "")
        )


HEAD = f"{'':58} {'ours':>10} {'theirs':>10} {'':4} {'ratio':>8}  {'bound':13} peer"


def tell(rows: list[Row]) -> int:
    """Print the rows, as JSON if ``--json`` was given to the script; return the process's exit code."""
    if "--json" in sys.argv:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        print(HEAD)
        for row in rows:
            print(row.line())
    return 1 if any(row.missed for row in rows) else 0
