"""The form of a connection of type "Neptune ML" in Airflow's UI: one table for both of its descriptions.

Airflow 3.2 and later read the form from the provider's description, earlier versions from methods of the
hook. Standard library only: Airflow reads the provider's description while it is half loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

CONNECTION_TYPE = "neptune_ml"
HOOK_NAME = "Amazon Neptune ML"
HOOK_CLASS = "airflow_neptune_ml.hooks.neptune_ml.NeptuneMLHook"


@dataclass(frozen=True)
class Field:
    """A field of the form that the connection keeps in its extra, under the same name."""

    name: str
    label: str
    description: str
    type: Literal["string", "boolean"] = "string"

    def schema(self) -> dict[str, Any]:
        """Return the field's type as the provider's description has it; a text may be left empty."""
        if self.type == "boolean":
            return {"type": "boolean", "default": False}
        return {"type": ["string", "null"]}


FIELDS = (
    Field(
        "db_cluster_id",
        "Cluster identifier",
        "In place of the endpoint, which is then looked up with rds:DescribeDBClusters.",
    ),
    Field(
        "region_name",
        "AWS region",
        "Such as eu-west-1. Empty: the one in the endpoint's name, else that of the AWS connection.",
    ),
    Field(
        "neptune_iam_role_arn",
        "Role that Neptune uses",
        "The ARN of the IAM role with which Neptune reaches SageMaker and S3. Empty: the one that the cluster's parameter "
        "neptune_ml_iam_role names.",
    ),
    Field(
        "without_iam_authentication",
        "Cluster without IAM authentication",
        "Send requests to the cluster unsigned.",
        "boolean",
    ),
    Field(
        "aws_conn_id",
        "AWS connection for the credentials",
        "The id of an Airflow connection of type Amazon Web Services. Empty: the access key of this connection, or without "
        "one what boto3 finds on the machine, such as an instance role.",
    ),
)

HIDDEN = ("schema",)
LABELS: Mapping[str, str] = {
    "host": "Cluster endpoint",
    "login": "AWS access key ID",
    "password": "AWS secret access key",
}
PLACEHOLDERS: Mapping[str, str] = {
    "host": "graph.cluster-abc123.eu-west-1.neptune.amazonaws.com",
    "port": "8182",
    "login": "empty if an AWS connection or a role of the machine gives the credentials",
    "extra": '{"config_kwargs": {"read_timeout": 30}}',
}


def metadata() -> dict[str, Any]:
    """Return the connection type for the provider's description."""
    return {
        "connection-type": CONNECTION_TYPE,
        "hook-class-name": HOOK_CLASS,
        "hook-name": HOOK_NAME,
        "ui-field-behaviour": {name.replace("_", "-"): value for name, value in field_behaviour().items()},
        "conn-fields": {
            field.name: {"label": field.label, "description": field.description, "schema": field.schema()}
            for field in FIELDS
        },
    }


def field_behaviour() -> dict[str, Any]:
    """Return what the hook's ``get_ui_field_behaviour`` says."""
    return {
        "hidden_fields": list(HIDDEN),
        "relabeling": dict(LABELS),
        "placeholders": dict(PLACEHOLDERS),
    }


def widgets() -> dict[str, Any]:
    """Return what the hook's ``get_connection_form_widgets`` gives; needs packages of Airflow 2."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from wtforms import BooleanField, StringField

    return {
        field.name: BooleanField(field.label, description=field.description)
        if field.type == "boolean"
        else StringField(field.label, description=field.description, widget=BS3TextFieldWidget())
        for field in FIELDS
    }
