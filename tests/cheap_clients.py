"""Thousands of AWS clients that cost little to make; what they send is the same, but for a word in User-Agent."""

import functools
import time
from types import SimpleNamespace

import botocore.endpoint
import botocore.hooks
import botocore.loaders
import botocore.session
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

# One for the whole process, whichever fixture patches it in.
_create_loader = functools.cache(botocore.loaders.create_loader)
_accepts_kwargs = functools.cache(botocore.hooks.accepts_kwargs)
_new_names = {}


class _Aliaser(botocore.hooks.EventAliaser):
    """Remembers the new names of events for all sessions: each asks for the same hundred."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._alias_name_cache = _new_names


def make_clients_cheap(patch):
    """Patch what costs most, and does nothing that a test could see."""
    # Reads the source of all of pytest's frames, to name the operator in that header.
    patch.setattr(AwsBaseHook, "_get_caller", lambda *_: "tests")
    # Each client would read the models of AWS from disk, and ask each handler for its signature.
    patch.setattr(botocore.session, "create_loader", _create_loader)
    patch.setattr(botocore.session, "EventAliaser", _Aliaser)
    patch.setattr(
        botocore.hooks,
        "accepts_kwargs",
        lambda handler: _accepts_kwargs(getattr(handler, "__func__", handler)),
    )


def shorten_pauses(patch):
    """Let botocore's pauses between the attempts of one call be a fiftieth of what they are."""
    patch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda pause: time.sleep(pause / 50)))


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
