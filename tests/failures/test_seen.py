"""The campaign goes on seeing what is asked when the local Neptune ML forgets its oldest requests."""

from __future__ import annotations

import httpx
import pytest

from airflow_neptune_ml.local import LocalNeptuneML
from airflow_neptune_ml.local.requests import RequestLog
from tests.failures.campaign import Seen


def test_a_request_is_seen_after_others_were_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred waits ask for more than it keeps."""
    monkeypatch.setattr(RequestLog, "MOST", 5)
    with LocalNeptuneML(port=0) as neptune:
        seen = Seen(neptune)
        for number in range(4):
            for poll in range(3):
                httpx.get(f"{neptune.url}/ml/modeltraining/j{number}-{poll}", trust_env=False)
            seen.look()
        assert set(seen.polled) == {f"j{number}-{poll}" for number in range(4) for poll in range(3)}
