"""Which addresses are a cluster's, and which are refused."""

import pytest

from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError
from airflow_neptune_ml.hooks.cluster_address import cluster_url, region_of

HOST = "graph.cluster-abc123.eu-west-1.neptune.amazonaws.com"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (HOST, f"https://{HOST}:8182"),
        (f"{HOST}:9000", f"https://{HOST}:9000"),
        (f"https://{HOST}", f"https://{HOST}:8182"),
        (f" https://{HOST}:8182/ ", f"https://{HOST}:8182"),
        ("proxy.example", "https://proxy.example:8182"),
        ("https://proxy.example/neptune/", "https://proxy.example/neptune"),
        ("http://127.0.0.1:8182", "http://127.0.0.1:8182"),
        ("http://localhost:80", "http://localhost:80"),
        ("https://[::1]:8182", "https://[::1]:8182"),
        ("http://[::1]:8182", "http://[::1]:8182"),
    ],
)
def test_an_address_is_completed(address, url):
    """A bare host gets https and Neptune's port; what is complete stays as it is."""
    assert cluster_url(address) == url


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("", "must be host, host:port or a URL"),
        (None, "must be host, host:port or a URL"),
        (f"http://{HOST}:8182", "unencrypted"),
        (HOST.replace(".cluster-", ".cluster-ro-"), "reader endpoint"),
        ("ftp://host", "no https URL"),
        ("https://", "no https URL"),
        ("https://two hosts", "no https URL"),
        ("https://host:port", "cannot be read"),
        ("https://host:99999", "cannot be read"),
        ("https://me:geheim@host", "credentials belong"),
        ("https://host?x=1", "scheme, host and port only"),
        ("https://host#x", "scheme, host and port only"),
    ],
)
def test_what_is_no_cluster_is_refused(address, text):
    """The message says what is wrong with the address, and never repeats a password in it."""
    with pytest.raises(NeptuneMLConfigurationError, match=text) as caught:
        cluster_url(address)
    assert "geheim" not in str(caught.value)


def test_http_to_another_host_is_allowed_on_request():
    """A proxy that speaks http can be used by those who say so."""
    assert cluster_url("http://proxy:8182", allow_http=True) == "http://proxy:8182"


def test_the_region_stands_in_the_name():
    """Neptune's host names hold the region; others hold none."""
    assert region_of(HOST) == "eu-west-1"
    assert region_of("https://x.cluster-y.cn-north-1.neptune.amazonaws.com.cn:8182") == "cn-north-1"
    assert region_of("https://proxy.example") is None


@pytest.mark.parametrize(
    "address",
    [
        "wss://me:geheim@host:8182/gremlin",
        "https://me:g eheim@host:8182",
        "https://me:ge/heim@host",
        "me:geheim@host",
    ],
)
def test_a_password_in_an_address_is_never_shown(address):
    """However the rest of the address is mistyped, the message does not repeat it."""
    with pytest.raises(NeptuneMLConfigurationError, match="credentials belong") as caught:
        cluster_url(address)
    assert "heim" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://proxy.example/..",
        "https://proxy.example/a/../b",
        "https://proxy.example/a//b",
        "https://proxy.example/%2e%2e",
        "proxy.example\\",
        "https:\\\\proxy.example",
        "proxy.example\\.evil.example",
        "proxy.example[::1]",
        "[::1]proxy.example",
        "[",
        "https://[::1%25lo]",
        "proxy\x1b.example",
        "proxy.example\x80",
        "pr\u00f6xy.example",
        "\uff10.0.0.1",
        "proxy.example:0",
        "https://proxy.example;x",
    ],
)
def test_what_libraries_read_in_several_ways_is_refused(address):
    """boto3 and aiohttp would ask different hosts, or another path than the one that was checked."""
    with pytest.raises(NeptuneMLConfigurationError):
        cluster_url(address)
