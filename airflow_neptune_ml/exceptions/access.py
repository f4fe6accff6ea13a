"""What Neptune, or AWS in front of it, answers to whom it does not let in: one class per error code."""

from __future__ import annotations

from airflow_neptune_ml.exceptions.base import NeptuneMLAccessError
from airflow_neptune_ml.exceptions.service import NeptuneMLServiceError


class AccessDeniedException(NeptuneMLServiceError, NeptuneMLAccessError):
    """The caller may not do this, for now: policies and keys change, and the answer may come from an old
    cache."""

    def _opening(self) -> str:
        action = iam_action(self.operation)
        if action is None:
            return "Access denied: check the policies and the role of the Airflow connection's AWS principal."
        return (
            f"Access denied: allow {action} to the connection's AWS principal. The resource is "
            "arn:aws:neptune-db:<region>:<account>:<DbClusterResourceId>/*, not the cluster's own ARN."
        )


class IncompleteSignatureException(AccessDeniedException):
    """The request's signature is incomplete."""

    def _opening(self) -> str:
        return "The signature is incomplete: check the credentials, and proxies that change headers."


class InvalidSignatureException(AccessDeniedException):
    """The signature is not what the service calculated: a wrong secret key, region or clock."""

    def _opening(self) -> str:
        return "The signature is wrong: check the secret key, the region and the clock of the worker."


class MissingAuthenticationTokenException(AccessDeniedException):
    """The cluster accepts only signed requests, and this one was not signed."""

    def _opening(self) -> str:
        return (
            "The cluster wants signed requests: give the connection AWS credentials, and drop "
            'config_kwargs.signature_version "unsigned".'
        )


class OptInRequired(AccessDeniedException):
    """The account is not subscribed to the service."""

    def _opening(self) -> str:
        return "The AWS account is not subscribed to the service: subscribe to it, or use another account."


class UnrecognizedClientException(AccessDeniedException):
    """AWS does not know the access key."""

    def _opening(self) -> str:
        return "AWS does not know the access key: check it, and the session token, in the connection."


def iam_action(operation: str | None) -> str | None:
    """Return the IAM action of an API operation; that of a Get carries the suffix Status."""
    if operation == "GetEngineStatus":
        return f"neptune-db:{operation}"
    if not operation or "ML" not in operation:
        return None
    return f"neptune-db:{operation}{'Status' if operation.startswith('Get') else ''}"
