"""What the golden tests share with what records them."""

import functools

import botocore.loaders
import botocore.session
import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from tests.golden.tasks import NAMESPACE


@pytest.fixture(autouse=True)
def recorded(monkeypatch):
    """Prepare this process as the one that recorded."""
    prepare(monkeypatch)


def prepare(monkeypatch):
    """Let ids be the same on all of Airflow's versions, and hundreds of AWS clients cost little to make."""
    monkeypatch.setenv("AIRFLOW__NEPTUNE_ML__NAMESPACE", NAMESPACE)
    # Reads the source of all of pytest's frames, to name the operator in the User-Agent header.
    monkeypatch.setattr(AwsBaseHook, "_get_caller", lambda *_: "golden")
    # Each client would read the models of AWS from disk.
    monkeypatch.setattr(botocore.session, "create_loader", _loader)


_loader = functools.cache(botocore.loaders.create_loader)
