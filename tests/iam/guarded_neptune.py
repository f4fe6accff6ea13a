"""A local Neptune ML behind moto's IAM: who signs a request may do what the policies of its role allow, and no more."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import boto3
from moto import settings
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from airflow_neptune_ml.local import LocalNeptuneML
from airflow_neptune_ml.local.error_answers import error_answer
from airflow_neptune_ml.local.errors import ServiceError
from airflow_neptune_ml.local.model import SERVICE_OF
from airflow_neptune_ml.local.service import Arrival
from airflow_neptune_ml.local.wire import Call
from tests.conftest import connection
from tests.docs.pages import blocks

ACCOUNT, REGION, CLUSTER = DEFAULT_ACCOUNT_ID, "us-east-1", "cluster-RESOURCE"
EXTERNAL_ID = "airflow-production"
_IN_THE_PAGE = {
    "eu-west-1": REGION,
    "111111111111": ACCOUNT,
    "222222222222": ACCOUNT,
    "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ": CLUSTER,
}


def policy(name: str) -> dict[str, Any]:
    """Return a policy of docs/iam.md, for this cluster."""
    (code,) = (block.code for block in blocks("json") if block.note == f"checked: {name}")
    for theirs, ours in _IN_THE_PAGE.items():
        code = code.replace(theirs, ours)
    found: dict[str, Any] = json.loads(code)
    return found


def actions_of(policies: list[Mapping[str, Any]]) -> set[str]:
    """Return the actions that policies allow."""
    lists = [statement["Action"] for each in policies for statement in each["Statement"]]
    return {action for each in lists for action in ([each] if isinstance(each, str) else each)}


class GuardedNeptune:
    """The service, and which actions each role has asked for."""

    def __init__(self, neptune: LocalNeptuneML) -> None:
        self.neptune = neptune
        self._receive = neptune.receive
        neptune.receive = self._guarded  # type: ignore[method-assign]
        self.asked: defaultdict[str, set[str]] = defaultdict(set)
        self.denied: list[str] = []
        self.iam = self.client("iam")
        self._user = self._make_user()

    def client(self, service: str) -> Any:
        """Return a client of moto's, with keys that nobody checks."""
        return boto3.client(
            service,
            endpoint_url=self.neptune.url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def _make_user(self) -> Mapping[str, str]:
        """Make Airflow's own principal, which may assume roles and nothing else."""
        self.iam.create_user(UserName="airflow")
        key: Mapping[str, str] = self.iam.create_access_key(UserName="airflow")["AccessKey"]
        return key

    def give(self, role: str, *policies: Mapping[str, Any]) -> str:
        """Make a role that has these policies, and no others; return a connection that assumes it."""
        name = f"{role}-{uuid.uuid4().hex[:6]}"
        trust = policy("trust")
        trust["Statement"][0]["Principal"] = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/airflow"}
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        for number, document in enumerate(policies):
            document = json.dumps(document)
            self.iam.put_role_policy(RoleName=name, PolicyName=str(number), PolicyDocument=document)
        arn = made["Role"]["Arn"]
        assume = policy("assume")
        assume["Statement"][0]["Resource"] = arn
        self.iam.put_user_policy(UserName="airflow", PolicyName=name, PolicyDocument=json.dumps(assume))
        return self.connection(arn)

    def connection(self, role_arn: str, external_id: str = EXTERNAL_ID) -> str:
        """Return a connection that assumes a role."""
        there = {"endpoint_url": self.neptune.url}
        made = json.loads(
            connection(
                role_arn=role_arn,
                assume_role_kwargs={"ExternalId": external_id},
                service_config={"neptunedata": there, "sts": there, "logs": there, "neptune": there},
            )
        )
        made |= {"login": self._user["AccessKeyId"], "password": self._user["SecretAccessKey"]}
        return json.dumps(made)

    def _guarded(self, call: Call) -> Arrival:
        arrival = self._receive(call)
        request = self.neptune.requests[-1]
        role = _role_of(request.access_key_id)
        action, resource = _asked(request.operation, request.params)
        self.asked[role.rpartition("-")[0]].add(action)
        if _may(role, action, resource):
            return arrival
        self.denied.append(f"{role}: {action} on {resource}")
        text = f"User: {role} is not authorized to perform: {action} on resource: {resource}"
        denied = ServiceError("AccessDeniedException", text, 403)
        return Arrival(lambda: error_answer(denied, request.operation))


def _asked(operation: str | None, params: Mapping[str, Any]) -> tuple[str, str]:
    """Return the IAM action and the resource of a request."""
    if operation in SERVICE_OF:
        group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{params.get('logGroupName')}"
        stream = f":log-stream:{params['logStreamName']}" if "logStreamName" in params else ""
        return f"{SERVICE_OF[operation]}:{operation}", group + stream
    # The action of a Get carries the suffix Status.
    status = "Status" if str(operation).startswith("GetML") else ""
    return f"neptune-db:{operation}{status}", f"arn:aws:neptune-db:{REGION}:{ACCOUNT}:{CLUSTER}/*"


def _role_of(access_key_id: str | None) -> str:
    role = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(str(access_key_id))
    return "nobody-0" if role is None else str(role.role_arn).rpartition("/")[2]


def _may(role: str, action: str, resource: str) -> bool:
    """Ask moto's IAM."""
    iam = iam_backends[ACCOUNT]["aws"]
    if role == "nobody-0":
        return False
    found = [iam.get_role_policy(role, name)[1] for name in iam.list_role_policies(role)]
    results = {IAMPolicy(each).is_action_permitted(action, resource) for each in found}
    return PermissionResult.PERMITTED in results and PermissionResult.DENIED not in results


def enforce(patch: Any) -> None:
    """Let moto check signatures and policies of what its own services are asked: STS, IAM, Neptune's control plane."""
    patch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    patch.setattr(ActionAuthenticatorMixin, "request_count", 0)
