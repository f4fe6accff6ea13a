"""Signature Version 4, checked as a cluster with IAM authentication does."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator
from typing import Any
from unittest import mock
from urllib.parse import unquote

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_neptune_ml.local import LocalNeptuneML

DATA = {"inputDataS3Location": "s3://b/i", "processedDataS3Location": "s3://b/p"}
MISMATCH = "The request signature we calculated does not match"
INVALID = "The security token included in the request is invalid."


@pytest.fixture(scope="module")
def signed() -> Iterator[LocalNeptuneML]:
    credentials = {"AKIATEST": "secret", "ASIATEST": ("temporary", "the-token")}
    with LocalNeptuneML(credentials=credentials, region="us-east-1") as neptune:
        yield neptune


def refusal(client: Any) -> str:
    with pytest.raises(ClientError) as caught:
        client.list_ml_model_training_jobs()
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert response["code"] == "AccessDeniedException"
    return str(response["detailedMessage"])


def test_the_right_key(signed: LocalNeptuneML, client_of: Any) -> None:
    """The right key signs every form of request: with body, with query, with odd characters in the path."""
    client = client_of(signed.url)
    job_id = client.start_ml_data_processing_job(**DATA, neptuneIamRoleArn="arn:ä/+ ~")["id"]
    assert (
        client.get_ml_data_processing_job(id=job_id, neptuneIamRoleArn="arn:aws:iam::1:role/a b")["id"]
        == job_id
    )
    assert client.cancel_ml_data_processing_job(id=job_id, clean=True)["status"] == "Stopping"
    with pytest.raises(client.exceptions.MLResourceNotFoundException):
        client.get_ml_endpoint(id="a/b c%ä*'()!~")
    assert signed.requests[-1].access_key_id == "AKIATEST"


def test_a_query_that_is_signed_encoded_and_sent_raw(signed: LocalNeptuneML, client_of: Any) -> None:
    """A role's ARN may stand in the query with its colons and slashes, when what was signed is encoded as the
    specification says; a query that was changed is refused all the same."""
    client = client_of(signed.url)
    role = "arn:aws:iam::123456789012:role/service-role/x"

    def send_raw(request: Any, **_: Any) -> None:
        request.url = unquote(request.url)

    client.meta.events.register("before-send.neptunedata", send_raw)
    assert client.list_ml_endpoints(neptuneIamRoleArn=role, maxItems=3)["ids"] == []
    assert signed.requests[-1].query == {"neptuneIamRoleArn": role, "maxItems": "3"}

    def change(request: Any, **_: Any) -> None:
        request.url += "y"

    client.meta.events.register("before-send.neptunedata", change)
    with pytest.raises(ClientError):
        client.list_ml_endpoints(neptuneIamRoleArn=role)


def test_a_signed_hash_of_another_body(signed: LocalNeptuneML, client_of: Any) -> None:
    """A hash of the body that is signed with the headers must be that of the body that came."""
    client = client_of(signed.url)

    def add_hash(request: Any, **_: Any) -> None:
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(request.body).hexdigest()

    def change(request: Any, **_: Any) -> None:
        request.body = request.body.replace(b"s3://b/i", b"s3://b/x")

    client.meta.events.register("before-sign.neptunedata", add_hash)
    client.start_ml_data_processing_job(**DATA)
    client.meta.events.register("before-send.neptunedata", change)
    with pytest.raises(ClientError) as caught:
        client.start_ml_data_processing_job(**DATA)
    assert caught.value.response["detailedMessage"].startswith(MISMATCH)


def test_a_session_token(signed: LocalNeptuneML, client_of: Any) -> None:
    """Temporary keys need their session token."""
    keys = {"aws_access_key_id": "ASIATEST", "aws_secret_access_key": "temporary"}
    assert "ids" in client_of(signed.url, **keys, aws_session_token="the-token").list_ml_endpoints()
    assert refusal(client_of(signed.url, **keys, aws_session_token="another")) == INVALID
    assert refusal(client_of(signed.url, **keys)) == INVALID


def test_a_wrong_secret(signed: LocalNeptuneML, client_of: Any) -> None:
    """A known key with a wrong secret is refused."""
    assert refusal(client_of(signed.url, aws_secret_access_key="wrong")).startswith(MISMATCH)


def test_an_unknown_key(signed: LocalNeptuneML, client_of: Any) -> None:
    """An unknown key is refused."""
    assert refusal(client_of(signed.url, aws_access_key_id="AKIAOTHER")) == INVALID


def test_an_unsigned_request(signed: LocalNeptuneML, client_of: Any) -> None:
    """A request without signature is refused."""
    client = client_of(signed.url, config=Config(signature_version=UNSIGNED))
    assert refusal(client) == "Missing Authentication Token."


def test_another_region(signed: LocalNeptuneML, client_of: Any) -> None:
    """A signature for another region is refused where the service has one."""
    text = refusal(client_of(signed.url, region_name="eu-west-1"))
    assert text == "Credential should be scoped to a valid Region, not 'eu-west-1'."


@pytest.mark.parametrize(("minutes", "text"), [(-6, "Signature expired"), (6, "Signature not yet current")])
def test_another_time(minutes: int, text: str, signed: LocalNeptuneML, client_of: Any) -> None:
    """A signature that is more than 5 minutes old, or from the future, is refused."""
    moment = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
    with mock.patch("botocore.auth.get_current_datetime", return_value=moment):
        assert refusal(client_of(signed.url)).startswith(text)


@pytest.mark.parametrize("part", ["url", "body", "headers"])
def test_a_request_that_was_changed_on_its_way(part: str, signed: LocalNeptuneML, client_of: Any) -> None:
    """A signature covers path, query, body and the signed headers."""
    client = client_of(signed.url)

    def change(request: Any, **_: Any) -> None:
        if part == "url":
            request.url += "?neptuneIamRoleArn=mine"
        elif part == "body":
            request.body = request.body.replace(b"s3://b/i", b"s3://b/x")
        else:
            del request.headers["X-Amz-Date"]
            request.headers["X-Amz-Date"] = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT000000Z")

    client.meta.events.register("before-send.neptunedata", change)
    with pytest.raises(ClientError) as caught:
        client.start_ml_data_processing_job(**DATA)
    assert caught.value.response["code"] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("header", "date", "text"),
    [
        (
            "Basic x",
            None,
            "The request did not include the required authorization header, or it was malformed.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
            None,
            "Credential should be scoped to correct service: 'neptune-db'.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/neptune-db/aws4_request, SignedHeaders=host,"
            " Signature=0",
            None,
            "Date must be in ISO-8601 'basic format'. Got ''.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/neptune-db/aws4_request, SignedHeaders=host,"
            " Signature=0",
            "20260102T000000Z",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: '20260101'.",
        ),
    ],
)
def test_malformed_signatures(
    header: str, date: str | None, text: str, signed: LocalNeptuneML, client_of: Any
) -> None:
    """A header of another form, for another service, without a date or of another day is refused and named."""
    client = client_of(signed.url, config=Config(signature_version=UNSIGNED))

    def sign(request: Any, **_: Any) -> None:
        request.headers["Authorization"] = header
        if date is not None:
            request.headers["X-Amz-Date"] = date

    client.meta.events.register("before-send.neptunedata", sign)
    assert refusal(client) == text


def test_a_signed_header_that_was_lost_on_its_way_is_named(signed: LocalNeptuneML, client_of: Any) -> None:
    client = client_of(signed.url)

    def add(request: Any, **_: Any) -> None:
        request.headers["X-Mine"] = "1"

    def lose(request: Any, **_: Any) -> None:
        del request.headers["X-Mine"]

    client.meta.events.register("before-sign.neptunedata", add)
    assert client.list_ml_endpoints()["ids"] == []
    client.meta.events.register("before-send.neptunedata", lose)
    text = "'x-mine' is named as a SignedHeader, but it does not exist in the HTTP request."
    assert refusal(client) == text


def test_a_lookup(client_of: Any) -> None:
    """Keys can come from a function, asked at each request."""
    keys = {"AKIATEST": "old"}
    with LocalNeptuneML(credentials=keys.get) as neptune:
        client = client_of(neptune.url)
        assert refusal(client).startswith(MISMATCH)
        keys["AKIATEST"] = "secret"
        assert client.list_ml_endpoints()["ids"] == []


def test_nothing_is_checked_without_credentials(neptune_ml: LocalNeptuneML, client_of: Any) -> None:
    """Without credentials the service takes unsigned requests, and any signature."""
    for options in ({"config": Config(signature_version=UNSIGNED)}, {"aws_secret_access_key": "any"}):
        assert client_of(neptune_ml.url, **options).list_ml_endpoints()["ids"] == []


def test_a_lookup_that_fails_is_an_internal_failure_in_the_log(
    client_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with LocalNeptuneML(credentials={}.__getitem__) as neptune, pytest.raises(ClientError) as caught:
        client_of(neptune.url).list_ml_endpoints()
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert response["code"] == "InternalFailureException"
    assert response["detailedMessage"] == "The local Neptune ML failed; its log says how."
    assert "failed at GET /ml/endpoints" in caplog.text
    assert "KeyError: 'AKIATEST'" in caplog.text
