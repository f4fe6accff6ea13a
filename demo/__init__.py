"""A real Airflow beside a local Neptune ML: the demo, the UI to play with, and what the live tests start."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLE_DAGS = Path(__file__).parent.parent / "example_dags"


def aws_connection(neptune_url: str) -> dict[str, Any]:
    """Return the Airflow connection `aws_default` for a Neptune ML at this address, as Airflow's JSON form has it."""
    return {
        "conn_type": "aws",
        "login": "local",
        "password": "local-secret",
        "extra": {
            "region_name": "us-east-1",
            # It has the logs of its jobs, too.
            "service_config": {name: {"endpoint_url": neptune_url} for name in ("neptunedata", "logs")},
        },
    }


def until(seen: Callable[[], Any], timeout: float = 90) -> Any:
    """Wait until *seen* returns something, and return it."""
    deadline = time.monotonic() + timeout
    while not (found := seen()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"It did not happen in {timeout:g} s.")
        time.sleep(0.2)
    return found
