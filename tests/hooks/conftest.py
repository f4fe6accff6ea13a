"""A CloudWatch Logs for tests, moto's."""

import logging

import boto3
import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture(scope="session")
def logs_url():
    """Run a CloudWatch Logs, moto's."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def region():
    """Where the logs are: where the local Neptune ML's jobs are."""
    return "us-east-1"


@pytest.fixture
def cloudwatch(logs_url, set_connection, region):
    """Give a client of an empty CloudWatch Logs that the default connection points to."""
    set_connection(
        service_config={
            "logs": {"endpoint_url": logs_url},
            "neptunedata": {"endpoint_url": "http://127.0.0.1:1"},
        }
    )
    client = boto3.client(
        "logs", region_name=region, endpoint_url=logs_url, aws_access_key_id="a", aws_secret_access_key="b"
    )
    for group in client.describe_log_groups()["logGroups"]:
        client.delete_log_group(logGroupName=group["logGroupName"])
    return client
