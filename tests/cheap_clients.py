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
