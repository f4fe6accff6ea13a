"""Thousands of AWS clients that cost little to make; what they send is the same, but for a word in User-Agent."""

import functools

import botocore.loaders
import botocore.session
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook


def make_clients_cheap(patch):
    """Patch what costs most, and does nothing that a test could see."""
    # Reads the source of all of pytest's frames, to name the operator in that header.
    patch.setattr(AwsBaseHook, "_get_caller", lambda *_: "tests")
    # Each client would read the models of AWS from disk.
    patch.setattr(botocore.session, "create_loader", functools.cache(botocore.loaders.create_loader))


def share_clients(patch):
    """Let hooks with the same settings share their boto3 clients: making one costs more than all the rest of a try."""
    from airflow_neptune_ml.hooks import NeptuneMLHook

    made = {}
    make = NeptuneMLHook.get_client_type

    def get(hook, region_name=None, config=None, deferrable=False):
        if deferrable:
            return make(hook, region_name=region_name, config=config, deferrable=True)
        key = repr((hook.cluster_url, sorted(vars(config or hook.config).items(), key=str)))
        if key not in made:
            made[key] = make(hook, region_name=region_name, config=config)
        return made[key]

    patch.setattr(NeptuneMLHook, "get_client_type", get)
