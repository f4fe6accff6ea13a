"""The saved values: how they are made comparable, read and written."""

import json
import re
from math import floor
from pathlib import Path

FOLDER = Path(__file__).parent
ADDRESS = "http://127.0.0.1:<port>"

# What differs from run to run: the moments of a wait, the ends of SageMaker's names, the server's port, request ids.
_MOMENT = re.compile(r"(?<![\d.\"])1\d{9}\.\d+")
_SUFFIX = re.compile(r"-[0-9a-f]{8}(?![0-9a-z-])")
_NAMES = (
    (re.compile(r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d{6,7}"), "2000-01-01-00-00-0000000"),
    (re.compile(r"[a-z]{3}(?=-(?:autotrainer|neptune-ml)-)"), "xyz"),
    (re.compile(r"neptune-ml-\d{6}-\d{4}"), "neptune-ml-000101-0000"),
    (re.compile(r"-\d{3}-[0-9a-f]{8}-cpu"), "-001-00000000-cpu"),
)
_PORT = re.compile(r"http://127\.0\.0\.1:\d+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SAVED_MOMENT = re.compile(r'"<now \+ (-?\d+) s>"')


def stable(value, *, since=0.0):
    """Return a value as JSON carries it, without what differs from run to run.

    :param since: the moment from which deadlines are counted, in seconds since the epoch; five seconds are one, since
        a busy machine takes a while from there to the deferral
    """
    text = json.dumps(value)
    text = _MOMENT.sub(lambda found: f'"<now + {floor((float(found[0]) - since + 0.1) / 5) * 5} s>"', text)
    text = _UUID.sub("<request id>", text)
    text = _SUFFIX.sub("-00000000", text)
    for pattern, instead in _NAMES:
        text = pattern.sub(instead, text)
    return json.loads(_PORT.sub(ADDRESS, text))


def restored(value, cluster, *, since=0.0):
    """Return a saved value with its deadlines as far from a moment as they were, and the address of a cluster."""
    text = json.dumps(value).replace(ADDRESS, cluster.url)
    return json.loads(_SAVED_MOMENT.sub(lambda found: repr(since + int(found[1])), text))


# What the service says, and not this package: a local Neptune ML that learns better answers changes no contract.
_OF_THE_SERVICE = {
    "arn",
    "configuration",
    "endpoint_name",
    "model_names",
    "models",
    "output_location",
    "replaces",
    "sagemaker_arns",
    "sagemaker_names",
    "sub_jobs",
}


def holds(saved, now):
    """Tell whether a value still has all that was saved; keys may have been added to its dictionaries."""
    if isinstance(saved, dict) and isinstance(now, dict):
        return all(
            key in now and (key in _OF_THE_SERVICE or holds(value, now[key])) for key, value in saved.items()
        )
    if isinstance(saved, list) and isinstance(now, list):
        return len(saved) == len(now) and all(map(holds, saved, now))
    return saved == now


def load(name):
    """Return what a file holds, empty where there is none yet."""
    path = FOLDER / name
    return json.loads(path.read_text()) if path.exists() else {}


def history():
    """Return what each version has saved of its deferred tasks, by the version."""
    paths = sorted(FOLDER.glob("deferrals-*.json"))
    return {path.stem.removeprefix("deferrals-"): load(path.name) for path in paths}


def save(name, values):
    """Write a file: a line for each part of each value, so that git shows what has changed."""
    written = []
    for key, value in values.items():
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        lines = [
            f" {json.dumps(part)}: {json.dumps(inner)}"
            if isinstance(value, dict)
            else f" {json.dumps(inner)}"
            for part, inner in parts
        ]
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        written.append(f"{json.dumps(key)}: {opening}\n" + ",\n".join(lines) + f"\n{closing}")
    (FOLDER / name).write_text("{\n" + ",\n".join(written) + "\n}\n")
