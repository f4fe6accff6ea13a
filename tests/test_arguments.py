"""What a user may give where Airflow stores arguments, and numbers that end somewhere."""

import datetime
import json
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import botocore
import pytest

from airflow_neptune_ml import exceptions
from airflow_neptune_ml.arguments import CONNECTION_ARGUMENTS, KIND_NAMES, LONGEST, flag, plain, seconds
from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.jobs import KINDS
from airflow_neptune_ml.operators import (
    NeptuneMLCancelTrainingOperator,
    NeptuneMLCreateEndpointOperator,
    NeptuneMLStartTrainingOperator,
)
from airflow_neptune_ml.pace import longest_deferral
from airflow_neptune_ml.sensors import NeptuneMLJobSensor


def test_what_airflow_cannot_store_is_made_plain():
    """Wherever it stands in botocore's settings."""
    given = {
        "signature_version": botocore.UNSIGNED,
        "client_cert": (Path("/a.pem"), Path("/b.pem")),
        "proxies_config": {"proxy_ca_bundle": Path("/ca.pem")},
        "retries": {"mode": "standard"},
    }
    assert json.loads(json.dumps(plain(given))) == {
        "signature_version": "unsigned",
        "client_cert": ["/a.pem", "/b.pem"],
        "proxies_config": {"proxy_ca_bundle": "/ca.pem"},
        "retries": {"mode": "standard"},
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda **more: NeptuneMLStartTrainingOperator(
            task_id="t", data_processing_job_id="d", train_model_s3_location="s3://b/m", **more
        ),
        lambda **more: NeptuneMLCreateEndpointOperator(task_id="t", ml_model_training_job_id="m", **more),
        lambda **more: NeptuneMLCancelTrainingOperator(task_id="t", job_id="j", **more),
        lambda **more: NeptuneMLJobSensor(task_id="t", job_id="j", **more),
    ],
    ids=["start", "endpoint", "cancel", "sensor"],
)
def test_operators_keep_what_airflow_can_store(make):
    """A template field is stored with the DAG: a constant's memory address would be a new version at each parse."""
    made = make(verify=Path("/ca.pem"), botocore_config={"signature_version": botocore.UNSIGNED})
    assert made.verify == "/ca.pem"
    assert made.botocore_config == {"signature_version": "unsigned"}


@pytest.mark.parametrize("value", [timedelta.max, 1e12, 1e300, timedelta(days=367)])
def test_a_timeout_ends_where_airflows_dates_do(value):
    """It is capped, and Airflow can add it to today."""
    assert seconds("timeout", value) == LONGEST
    for poll_interval in (60, LONGEST):
        now = datetime.datetime.now(datetime.UTC)
        assert now + longest_deferral(seconds("timeout", value), poll_interval) > now


def test_a_deferral_of_any_length_can_be_handed_over():
    """A sensor's timeout is Airflow's argument, and is not capped before."""
    assert longest_deferral(timedelta.max.total_seconds(), 60) < timedelta(days=400)
    assert longest_deferral(-5, 60) == timedelta(seconds=60) + timedelta(minutes=5)


@pytest.mark.parametrize("value", ["{{ params.it }}", "True", 1, 0, None])
def test_a_flag_is_no_template(value):
    """It is read where nothing is rendered."""
    with pytest.raises(exceptions.NeptuneMLConfigurationError, match="neither a word nor a template"):
        flag("cancel_on_kill", value)


def test_what_is_written_out_for_the_parse_is_what_the_tables_say():
    """The names of kinds and of connection arguments stand apart, so that a DAG file loads no tables."""
    assert tuple(KINDS) == KIND_NAMES
    assert tuple(field.name for field in fields(ConnectionArguments)) == CONNECTION_ARGUMENTS


def test_an_error_of_a_users_own_value_stays_what_it_is():
    """It is no mistake in an argument, which would be named by its task."""

    class Odd:
        def __eq__(self, other):
            raise RuntimeError("odd")

        __hash__ = None

    with pytest.raises(RuntimeError, match=r"^odd$"):
        NeptuneMLCancelTrainingOperator(task_id="task", job_id="j", if_finished=Odd())
