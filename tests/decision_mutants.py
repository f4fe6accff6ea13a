"""Turn each answer of the place that decides round once, and say which tests notice: python -m tests.decision_mutants.

Without an argument the table's own tests are asked, in seconds. With ``--scenarios`` the tests that run a task against
the local Neptune ML are asked too: a first run learns which of them need which answers, and then each of those answers is
turned round for the quickest tests that need it. Files or options for pytest may follow, in place of all of them.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations, product
from typing import Any, NamedTuple
from unittest import mock

import pytest

from airflow_neptune_ml import stopping
from airflow_neptune_ml.stopping import TryEnd
from docs import kept_or_stopped
from tests import test_stopping

DECIDE = stopping.decide
END_OF = stopping.end_of
ANSWERS = ("keep", "stop", "look first")
BOTH = (True, False)
SCENARIOS = [
    "tests/operators/test_surroundings.py",
    "tests/operators/test_kept_or_stopped.py",
    "tests/operators/test_last_try.py",
    "tests/operators/test_start.py",
    "tests/operators/test_given_ids.py",
    "tests/operators/test_update_endpoint.py",
]
WHO_DECIDES = [
    f"airflow_neptune_ml.execution.{name}.decide" for name in ("start", "on_kill_target", "resumption")
]
ASKED = 6
"""How many tests are asked about an answer before it counts as one that they do not notice."""


class Cell(NamedTuple):
    """One combination of what is asked."""

    end: TryEnd
    another_follows: bool
    owned: bool
    cancel_on_kill: bool
    on_timeout: str
    looked: bool


def cell_of(
    end: TryEnd,
    *,
    another_follows: bool,
    owned: bool,
    cancel_on_kill: bool = True,
    on_timeout: str = "cancel",
    looked: bool = True,
) -> Cell:
    """Return the cell that is asked for, with the defaults of the place that decides."""
    return Cell(end, another_follows, owned, cancel_on_kill, on_timeout, looked)


def answer_of(cell: Cell) -> str:
    """Return what is answered today."""
    return DECIDE(cell.end, **dict(list(cell._asdict().items())[1:]))


def cells() -> Iterator[Cell]:
    """Yield the whole product."""
    for values in product(TryEnd, BOTH, BOTH, BOTH, ("cancel", "leave"), BOTH):
        yield Cell(*values)


def turned(cell: Cell, answer: str) -> Callable[..., str]:
    """Return the place that decides, with another answer for one cell."""

    def decide(end: TryEnd, **asked: Any) -> str:
        return answer if cell_of(end, **asked) == cell else DECIDE(end, **asked)

    return decide


def fails(test: Callable[..., None], *arguments: Any) -> bool:
    """Tell whether a test notices."""
    try:
        test(*arguments)
    except AssertionError:
        return True
    return False


def survivors_of_the_table() -> tuple[int, list[str]]:
    """Turn each answer and each reading of an error round; return how many mutants there were, and who survived."""
    mutants, survived = 0, []
    for cell in cells():
        for answer in ANSWERS:
            if answer == answer_of(cell):
                continue
            mutants += 1
            with mock.patch.object(test_stopping, "decide", turned(cell, answer)):
                if not fails(test_stopping.test_the_whole_product, cell.end):
                    survived.append(f"{cell} -> {answer}")
    parameters = next(mark for mark in test_stopping.test_an_error_tells_how_the_try_ends.pytestmark)
    examples = [example[:2] for example in parameters.args[1]]
    for error, end in examples:
        for other in TryEnd:
            if other is end:
                continue
            mutants += 1
            with mock.patch.object(
                test_stopping,
                "end_of",
                lambda asked, error=error, other=other: (
                    other if type(asked) is type(error) else END_OF(asked)
                ),
            ):
                if not any(
                    fails(test_stopping.test_an_error_tells_how_the_try_ends, *one) for one in examples
                ):
                    survived.append(f"{type(error).__name__} -> {other.name}")
    rows = stopping._ENDS
    shorter = [rows[:number] + rows[number + 1 :] for number in range(len(rows))]
    swapped = []
    for one, other in combinations(range(len(rows)), 2):
        swap = {one: other, other: one}
        swapped.append(tuple(rows[swap.get(number, number)] for number in range(len(rows))))
    for ends in [*shorter, *(ends for ends in swapped if matters(ends))]:
        mutants += 1
        with mock.patch.object(stopping, "_ENDS", ends):
            if not any(fails(test_stopping.test_an_error_tells_how_the_try_ends, *one) for one in examples):
                survived.append(f"_ENDS as {[end.name for _, end in ends]}")
    return mutants, survived


def matters(ends: Any) -> bool:
    """Tell whether another order of the rows reads any error of the tree otherwise."""
    from airflow_neptune_ml import exceptions

    classes = [getattr(exceptions, name) for name in exceptions.__all__]

    def first(rows: Any, cls: type) -> TryEnd | None:
        return next((end for of, end in rows if issubclass(cls, of)), None)

    return any(first(ends, cls) is not first(stopping._ENDS, cls) for cls in classes)


def survivors_of_the_page() -> tuple[int, list[str]]:
    """Turn each answer that the page shows round; return how many mutants there were, and who survived."""
    data, before = kept_or_stopped.read(), kept_or_stopped.render(kept_or_stopped.read())
    mutants, survived = 0, []
    for cell in cells():
        options = (not cell.owned) + (not cell.cancel_on_kill) + (cell.on_timeout == "leave")
        if options > 1 or (not cell.looked and answer_of(cell) != "look first"):
            continue  # the page shows one option at a time
        mutants += 1
        answer = "keep" if answer_of(cell) != "keep" else "stop"
        with mock.patch.object(kept_or_stopped, "decide", turned(cell, answer)):
            if kept_or_stopped.render(data) == before:
                survived.append(f"{cell} -> {answer}")
    return mutants, survived


class Observer:
    """Notes which tests ask for which cells, how long they take, and whether they fail.

    :param cell: whose answer is turned round, if any
    :param answer: to what
    """

    def __init__(self, cell: Cell | None = None, answer: str = "") -> None:
        self.cell, self.answer = cell, answer
        self.asked: dict[Cell, set[str]] = defaultdict(set)
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self._test = ""

    def decide(self, end: TryEnd, **asked: Any) -> str:
        """Answer, and note it."""
        cell = cell_of(end, **asked)
        self.asked[cell].add(self._test)
        return self.answer if cell == self.cell else DECIDE(end, **asked)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Note which test it is."""
        self._test = item.nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how it ended."""
        if report.when == "call":
            self.seconds[report.nodeid] = report.duration
        if report.failed:
            self.failed.add(report.nodeid)

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        patches = [mock.patch(place, self.decide) for place in WHO_DECIDES]
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            mock.patch.stopall()

    def run(self, *tests: str) -> None:
        """Run tests."""
        with self._in_place():
            pytest.main(
                ["-q", "-x", "-m", "not live", "-p", "no:cacheprovider", "--no-header", *tests], [self]
            )


def other_than(cell: Cell) -> str:
    """Return an answer that makes a difference: whoever has not looked only asks whether to look first."""
    today = answer_of(cell)
    if cell.looked:
        return "stop" if today == "keep" else "keep"
    return "keep" if today == "look first" else "look first"


def survivors_of_the_scenarios() -> tuple[int, list[str]]:
    """Turn each answer that the scenarios need round; return how many mutants there were, and who survived."""
    first = Observer()
    first.run("--maxfail=1000", *(sys.argv[2:] or SCENARIOS))
    print(
        f"{len(first.seconds)} tests ask for {len(first.asked)} cells; failed as it is: {sorted(first.failed)}"
    )
    survived = []
    for cell, tests in sorted(first.asked.items(), key=str):
        good = sorted(
            (test for test in tests - first.failed if test), key=lambda test: first.seconds.get(test, 9)
        )
        answer = other_than(cell)
        noticed = False
        for test in good[:ASKED]:
            second = Observer(cell, answer)
            second.run(test)
            noticed = bool(second.failed)
            if noticed:
                break
        print(f"MUTANT {cell} -> {answer}: {'noticed' if noticed else 'SURVIVES'}", flush=True)
        if not noticed:
            survived.append(f"{cell} -> {answer} ({', '.join(good[:ASKED])})")
    return len(first.asked), survived


def main() -> int:
    """Print the numbers; return 1 if a mutant survives."""
    ways = {"the table's tests": survivors_of_the_table, "the page": survivors_of_the_page}
    if "--scenarios" in sys.argv:
        ways["the scenarios"] = survivors_of_the_scenarios
    left = 0
    for name, survivors in ways.items():
        mutants, survived = survivors()
        left += len(survived)
        print(f"{name}: {mutants} mutants, {len(survived)} survive")
        for line in survived:
            print(f"  {line}")
    return bool(left)


if __name__ == "__main__":
    sys.exit(main())
