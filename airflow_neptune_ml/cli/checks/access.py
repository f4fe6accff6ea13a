"""Checks of what the cluster lets us do: credentials, signature, each IAM action, the role for SageMaker."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from airflow_neptune_ml.cli.checks.findings import Finding
from airflow_neptune_ml.cli.process import one_line
from airflow_neptune_ml.exceptions import (
    AccessDeniedException,
    ExpiredTokenException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    MissingParameterException,
    MLResourceNotFoundException,
    NeptuneMLError,
    RequestExpired,
    UnrecognizedClientException,
)
from airflow_neptune_ml.exceptions.access import iam_action
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.hooks.calls import Call
from airflow_neptune_ml.job_kinds import KINDS, JobKind

_ROLE = "neptune_iam_role_arn"
_BAD_SIGNATURES = (
    ExpiredTokenException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    RequestExpired,
    UnrecognizedClientException,
)
_TEXTS = (
    # Neptune may answer AccessDeniedException to all of these; only the text tells what is wrong.
    (
        "Missing Authentication Token",
        'Give the connection AWS credentials, and drop signature_version "unsigned".',
    ),
    (
        "signature we calculated",
        "Correct the secret key of the connection (password, or aws_secret_access_key).",
    ),
    (
        "security token included in the request is invalid",
        "Correct the access key id, or renew the session token.",
    ),
    ("scoped to a valid Region", "Set region_name of the connection to the cluster's region."),
    ("scoped to correct service", "Sign for neptune-db: drop what changes the signature in config_kwargs."),
    ("Signature expired", "Set the clock of this machine."),
    ("Signature not yet current", "Set the clock of this machine."),
)


def check_access(hook: NeptuneMLHook) -> Iterator[Finding]:
    """Yield what the cluster answers to Lists, and to Gets and Cancels of an id that nobody has."""
    credentials = _credentials(hook)
    yield credentials
    if credentials.cure:
        return
    signature, reader = _signature(hook)
    yield signature
    if reader is not None:
        yield reader
    if signature.cure:
        return
    try:
        role = hook.neptune_iam_role_arn
    except NeptuneMLError as error:
        cure = "Correct service_config.neptunedata.neptune_iam_role_arn."
        yield Finding.failed(_ROLE, one_line(error), cure)
        return
    errors = []
    for kind in KINDS.values():
        for method, ask in _questions(hook, kind):
            errors.append(_error_of(ask))
            yield _action(method, errors[-1])
    yield Finding.skipped("starts", "Whether jobs may be started is not asked: that would start one.")
    yield _role(role, any(isinstance(error, MissingParameterException) for error in errors))


def _credentials(hook: NeptuneMLHook) -> Finding:
    from botocore import UNSIGNED

    check = "credentials"
    config = hook.conn_config.botocore_config
    if config is not None and config.signature_version is UNSIGNED:
        return Finding.ok(check, "None needed: the connection says that requests are unsigned.")
    try:
        credentials = hook.get_session().get_credentials()
    except Exception as error:
        return Finding.failed(check, one_line(error), "Correct the role, profile or keys in the connection.")
    if credentials is None:
        return Finding.failed(
            check,
            "No AWS credentials were found.",
            "Give the connection a key pair or a role, or this machine an instance role. For a cluster without IAM "
            'authentication put "config_kwargs": {"signature_version": "unsigned"} into the extra.',
        )
    return Finding.ok(check, f"Found: {credentials.method}, access key {credentials.access_key[:4]}...")


def _signature(hook: NeptuneMLHook) -> tuple[Finding, Finding | None]:
    """Ask for the cluster's status; a denial of that action still proves that the signature is right."""
    check = "signature"
    try:
        status = hook.get_engine_status()
    except NeptuneMLError as error:
        cure = _cure_of_signature(error)
        if cure:
            return Finding.failed(check, one_line(error), cure), None
        if isinstance(error, AccessDeniedException):
            allow = "Allow neptune-db:GetEngineStatus; only the doctor and the connection's test need it."
            return Finding.ok(check, "It was accepted."), Finding.warning(
                "neptune-db:GetEngineStatus", "Denied.", allow
            )
        cure = "Check that the address is the cluster's own, and that the cluster is available."
        return Finding.failed("answer", one_line(error), cure), None
    role = str(status.get("role", "unknown"))
    found = (
        f"The cluster is {status['status']}, engine {status.get('dbEngineVersion', 'unknown')}, role {role}."
    )
    if role == "reader":
        return Finding.ok(check, "It was accepted."), Finding.failed(
            "writer", found, "Use the writer endpoint: jobs cannot be started or cancelled on a replica."
        )
    return Finding.ok(check, "It was accepted."), Finding.ok("writer", found)


def _cure_of_signature(error: NeptuneMLError) -> str | None:
    text = getattr(error, "text", "")
    for part, cure in _TEXTS:
        if part in text:
            return cure
    if isinstance(error, _BAD_SIGNATURES):
        return "Check access key, secret key, session token, region and clock."
    return None


def _questions(hook: NeptuneMLHook, kind: JobKind) -> Iterator[tuple[str, Callable[[], Any]]]:
    nobody = f"neptune-ml-doctor-{uuid.uuid4().hex[:24]}"
    yield kind.list, lambda: hook.list_ids(kind, 1)
    yield kind.get, lambda: hook.get(kind, nobody)
    yield kind.cancel, lambda: hook.cancel(kind, nobody)


def _error_of(ask: Callable[[], Any]) -> NeptuneMLError | None:
    try:
        ask()
    except MLResourceNotFoundException:
        return None
    except NeptuneMLError as error:
        return error
    return None


def _action(method: str, error: NeptuneMLError | None) -> Finding:
    action = str(iam_action(Call(method, {}).operation))
    # A role that is missing is the check of the role's.
    if error is None or isinstance(error, MissingParameterException):
        return Finding.ok(action, "Allowed.")
    if isinstance(error, AccessDeniedException):
        return Finding.failed(
            action,
            f"Denied: {' '.join(error.text.split())}",
            f"Allow {action} on arn:aws:neptune-db:<region>:<account>:<DbClusterResourceId>/* to the principal of "
            "the connection.",
        )
    return Finding.failed(
        action, one_line(error), "Check that the cluster is available and its engine offers Neptune ML."
    )


def _role(role: str | None, missing: bool) -> Finding:
    if missing:
        return Finding.failed(
            _ROLE,
            "It is needed: the cluster has no role for SageMaker and S3, and none was sent.",
            "Put the role's ARN into service_config.neptunedata.neptune_iam_role_arn of the connection, or set the cluster "
            "parameter neptune_ml_iam_role.",
        )
    if role:
        return Finding.ok(_ROLE, f"{role} goes with every request.")
    return Finding.ok(_ROLE, "Not needed: the cluster has a role of its own, as far as it tells.")
