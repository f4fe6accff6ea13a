"""What needs no server: ids, addresses, events."""

import ipaddress
import json
import re
from urllib.parse import urlsplit

import urllib3.util
from hypothesis import strategies as st

from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError, NeptuneMLError
from airflow_neptune_ml.exceptions.base import error_from_dict, error_to_dict
from airflow_neptune_ml.hooks.cluster_address import cluster_url, is_loopback, region_of
from airflow_neptune_ml.job_families import JobFamily
from airflow_neptune_ml.job_ids import problem_with
from airflow_neptune_ml.wait_result import WaitResult
from tests.fuzz.fuzzing import fuzz
from tests.fuzz.inputs import addresses, ids, kinds, plain, statuses, texts, values


@fuzz("ids", 0.2, job_id=ids)
def test_an_id_is_safe_in_a_path_or_refused(job_id):
    """What is not refused is its own path element, on every proxy."""
    problem = problem_with(job_id)
    if problem is None:
        assert re.fullmatch("[A-Za-z0-9-]{1,48}", str(job_id), re.ASCII)
    else:
        assert len(problem) < 700


@fuzz(
    "ids",
    0.15,
    names=st.tuples(texts, texts, texts, texts),
    generation=st.integers(0, 99),
    attempt=st.integers(1, 99),
    map_index=st.integers(-1, 10**5),
)
def test_a_derived_id_can_be_sent_and_read_back(names, generation, attempt, map_index):
    """Whatever DAG, run and task are called."""
    family = JobFamily.of(*names)
    job_id = family.job_id(generation=generation, attempt=attempt, map_index=map_index)
    assert problem_with(job_id) is None
    assert family.position(job_id) == (map_index, generation, attempt)


def hosts_of(url):
    """Return the host that each of the libraries would connect to that may be asked for a URL."""
    import yarl

    told = {urlsplit(url).hostname, urllib3.util.parse_url(url).host.strip("[]"), yarl.URL(url).host}
    return {_spelled(host) for host in told}


def _spelled(host):
    """An IPv6 address can be written in several ways."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


@fuzz("addresses", 0.2, address=addresses, allow_http=st.booleans())
def test_an_address_leads_to_one_host_or_is_refused(address, allow_http):
    """To the same one for boto3 and aiohttp, over https, and with nothing behind it but a path."""
    try:
        url = cluster_url(address, allow_http=allow_http)
    except NeptuneMLConfigurationError as error:
        str(error).encode()
        return
    parts = urlsplit(url)
    assert len(hosts_of(url)) == 1, hosts_of(url)
    assert parts.hostname in address.lower()
    assert parts.scheme == "https" or allow_http or is_loopback(parts.hostname)
    assert (parts.query, parts.fragment, parts.username, parts.password) == ("", "", None, None)
    assert ".." not in parts.path.split("/")
    assert cluster_url(url, allow_http=allow_http) == url
    region_of(url)


_status = st.fixed_dictionaries(
    {},
    optional={
        "kind": kinds | values,
        "job_id": ids,
        "status": statuses | values,
        "arn": values,
        "sub_jobs": st.lists(st.dictionaries(st.sampled_from(["stage", "name", "new"]), values), max_size=2)
        | values,
        "models": st.lists(texts, max_size=2) | values,
        "configuration": values,
        "of a newer version": values,
    },
)
_error = st.fixed_dictionaries(
    {},
    optional={
        "class": st.sampled_from(["NeptuneMLError", "JobFailed", "ThrottlingException", "Odd"]) | values,
        "arguments": st.dictionaries(
            st.sampled_from(["message", "code", "text", "status", "http_status"]), values
        )
        | values,
    },
)
events = (
    st.fixed_dictionaries(
        {},
        optional={
            "kind": kinds | values,
            "job_id": ids,
            "status": _status | values,
            "error": _error | values,
            "timed_out": st.booleans() | values,
            "cancelled": st.booleans() | values,
            "carried": values,
            "address": values,
        },
    )
    | values
)


@fuzz("events", 0.15, event=events)
def test_an_event_is_read_or_refused_with_an_error_of_ours(event):
    """Another version's, or one that something else made."""
    try:
        result = WaitResult.from_event(event)
    except NeptuneMLError as error:
        str(error).encode()
        return
    result.describe().encode(errors="replace")
    again = WaitResult.from_event(json.loads(json.dumps(result.to_event())))
    assert again.describe() == result.describe()


@fuzz("messages", 0.08, message=texts, more=st.dictionaries(st.text(max_size=5), plain, max_size=2))
def test_an_error_is_the_same_after_its_way_from_the_triggerer(message, more):
    """Also with arguments of a newer version."""
    error = NeptuneMLError(message)
    data = json.loads(json.dumps(error_to_dict(error)))
    data["arguments"] = {**more, **data["arguments"]}
    again = error_from_dict(data)
    assert (type(again), str(again)) == (type(error), str(error))
