"""Drives a Neptune ML with AWS's own notebook client, and prints what each call answered as JSON.

Runs in an environment with graph-notebook, apart from Airflow's: drive.py <url>. Keys come from the environment.
"""

from __future__ import annotations

import contextlib
import json
import sys
import types
from typing import Any
from urllib.parse import urlsplit

import boto3
import graph_notebook
from graph_notebook.neptune.client import Client, ClientBuilder

# The package's own __init__ loads all of Jupyter. The module behind `%neptune_ml` needs two packages of it.
magics = types.ModuleType("graph_notebook.magics")
magics.__path__ = [f"{graph_notebook.__path__[0]}/magics"]
sys.modules[magics.__name__] = magics

from graph_notebook.magics.ml import generate_neptune_ml_parser, neptune_ml_magic_handler  # noqa: E402
from ipywidgets import widgets  # noqa: E402

BUCKET = "s3://bucket"


def connect(url: str, *, signed: bool) -> Client:
    """Return a client as `%%graph_notebook_config` makes it, without TLS."""
    address = urlsplit(url)
    builder = ClientBuilder({}).with_host(address.hostname).with_port(address.port).with_tls(False)
    if signed:
        builder = builder.with_region("us-east-1").with_iam(boto3.Session())
    return builder.build()


def call(answer: Any) -> dict[str, Any]:
    return {"status": answer.status_code, "body": json.loads(answer.text) if answer.text else None}


def each_kind(client: Client) -> dict[str, list[dict[str, Any]]]:
    """Start, read, list, stop and read again one job of each kind, called `mine`."""
    both = {"dataprocessing_job_id": "done", "modeltraining_job_id": "done"}
    encrypted = {"enableInterContainerTrafficEncryption": True}
    verbs: dict[str, tuple[Any, ...]] = {
        "dataprocessing": (
            lambda: client.dataprocessing_start(f"{BUCKET}/in", f"{BUCKET}/out", id="mine", **encrypted),
            client.dataprocessing_job_status,
            client.dataprocessing_list,
            lambda: client.dataprocessing_stop("mine", clean=True),
        ),
        "modeltraining": (
            lambda: client.modeltraining_start(
                "done", f"{BUCKET}/trained", 4, 2, id="mine", maxWaitTime=60, **encrypted
            ),
            client.modeltraining_job_status,
            client.modeltraining_list,
            lambda: client.modeltraining_stop("mine", clean=True),
        ),
        "modeltransform": (
            lambda: client.modeltransform_create(f"{BUCKET}/transformed", id="mine", **both),
            client.modeltransform_status,
            client.modeltransform_list,
            lambda: client.modeltransform_stop("mine"),
        ),
        "endpoint": (
            lambda: client.endpoints_create(model_training_job_id="done", id="mine"),
            client.endpoints_status,
            client.endpoints,
            lambda: client.endpoints_delete("mine"),
        ),
    }
    return {
        kind: [
            call(start()),
            call(status("mine")),
            call(every(max_items=5)),
            call(stop()),
            call(status("mine")),
        ]
        for kind, (start, status, every, stop) in verbs.items()
    }


def in_a_notebook(client: Client) -> list[Any]:
    """Run cells of `%neptune_ml`: a graph's whole way to an endpoint, which is then moved to a second training."""
    lines = [
        f"dataprocessing start --job-id graph --s3-input-uri {BUCKET}/in --s3-processed-uri {BUCKET}/out"
        " --instance-type ml.r5.large --wait --wait-interval 0",
        f"training start --job-id first --data-processing-id graph --s3-output-uri {BUCKET}/trained"
        " --instance-type ml.p3.2xlarge --model_name custom --wait --wait-interval 0",
        f"training start --job-id second --data-processing-id graph --s3-output-uri {BUCKET}/trained"
        " --instance-type ml.p3.2xlarge --prev-job-id first --wait --wait-interval 0",
        "modeltransform start --job-id predictions --data-processing-job-id graph --model-training-job-id second"
        f" --s3-output-uri {BUCKET}/transformed --wait",
        "modeltransform list",
        "endpoint create --id inference --model-training-job-id first --wait --wait-interval 0",
        "endpoint create --id inference --model-training-job-id second --update",
        "endpoint status --id inference",
        "endpoint status --id inference --wait --wait-interval 0",
        f"modeltransform start --job-id unwanted --data-processing-job-id graph --model-training-job-id second"
        f" --s3-output-uri {BUCKET}/transformed",
        "modeltransform stop --job-id unwanted",
        "modeltransform status --job-id unwanted",
        f"dataprocessing start --s3-input-uri {BUCKET}/in --s3-processed-uri {BUCKET}/out",
        f"training start --data-processing-id graph --s3-output-uri {BUCKET}/trained",
        f"modeltransform start --data-processing-job-id graph --model-training-job-id second"
        f" --s3-output-uri {BUCKET}/transformed",
        # Not `endpoint create`: its default for an id is that argument's help text.
    ]
    parser = generate_neptune_ml_parser()
    return [
        neptune_ml_magic_handler(parser.parse_args(line.split()), client, widgets.Output()) for line in lines
    ]


def main(url: str) -> None:
    client = connect(url, signed=True)
    # What the cells print is for the notebook's reader.
    with contextlib.redirect_stdout(sys.stderr):
        seen = {
            "kinds": each_kind(client),
            "unknown": call(client.endpoints_status("unknown")),
            "unsigned": call(connect(url, signed=False).endpoints()),
            "cells": in_a_notebook(client),
        }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1])
