"""How many inputs a property is tried with, and the count of those that were.

`FUZZ_INPUTS` says how many there are in all: 2,000 by default, always the same ones; `make fuzz` takes 100,000, others
each time.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

USUAL = 2_000
INPUTS = int(os.environ.get("FUZZ_INPUTS", str(USUAL)))

Check = Callable[..., None]


def fuzz(what: str, share: float, **strategies: SearchStrategy[Any]) -> Callable[[Check], Check]:
    """Make a test of a function that checks one input; its other parameters are fixtures.

    :param what: the inputs' name in the summary of a test run
    :param share: of all inputs
    """
    examples = max(round(INPUTS * share), 1)

    def decorate(check: Check) -> Check:
        fixtures = [name for name in inspect.signature(check).parameters if name not in strategies]

        def test(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
            given_fixtures = {name: request.getfixturevalue(name) for name in fixtures}
            count = 0

            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=INPUTS <= USUAL,
                database=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            )
            @given(**strategies)
            def tried(**inputs: Any) -> None:
                nonlocal count
                count += 1
                check(**given_fixtures, **inputs)

            tried()
            record_property("fuzz", json.dumps({what: count}))

        test.__doc__, test.__name__ = check.__doc__, check.__name__
        return test

    return decorate
