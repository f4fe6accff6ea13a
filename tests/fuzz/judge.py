"""What holds of everything that comes out of the package."""

from __future__ import annotations

import json
import traceback
from typing import Any

from airflow_neptune_ml.airflow_versions import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from airflow_neptune_ml.exceptions import NeptuneMLError
from tests.fuzz.inputs import SECRET


def check_error(error: BaseException) -> None:
    """It is one of ours or means something to Airflow, a log can write it, and it tells no secret, in its traceback
    either."""
    if not isinstance(error, NeptuneMLError | AirflowSkipException | AirflowSensorTimeout | TaskDeferred):
        raise AssertionError(f"{type(error).__module__}.{type(error).__name__}: {error}") from error
    str(error).encode()
    check_told("".join(traceback.format_exception(error)))


def check_told(shown: Any) -> None:
    """It tells no secret: a log, an XCom, a trigger's arguments, a rendered field."""
    text = shown if isinstance(shown, str) else json.dumps(shown, default=str)
    assert SECRET not in text, text
