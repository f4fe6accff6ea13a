"""What each of Neptune's operations does to the jobs, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_neptune_ml.local import errors, model
from airflow_neptune_ml.local.cloudwatch_logs import CloudWatchLogs
from airflow_neptune_ml.local.error_answers import JSON_1_1
from airflow_neptune_ml.local.gremlin import answer_query
from airflow_neptune_ml.local.jobs import Job
from airflow_neptune_ml.local.kinds import KIND_BY_PATH, Kind
from airflow_neptune_ml.local.model import SERVICE_OF
from airflow_neptune_ml.local.sagemaker import SageMaker
from airflow_neptune_ml.local.service_rules import ServiceRules
from airflow_neptune_ml.local.store import LIST_DEFAULT, Store
from airflow_neptune_ml.local.wire import Answer

NOTEBOOK_MEMBERS = frozenset({"wait", "wait_interval", "wait_timeout"})
"""What AWS's notebooks post beside the API's members, to clusters that take it."""

ENGINE_STATUS = {
    "status": "healthy",
    "startTime": "Thu Jan 01 00:00:00 UTC 2026",
    "dbEngineVersion": "1.4.5.0.local",
    "role": "writer",
    "dfeQueryEngine": "viaQueryHint",
    "gremlin": {"version": "tinkerpop-3.7.1"},
    "sparql": {"version": "sparql-1.1"},
    "opencypher": {"version": "Neptune-9.0.20190305-1.0"},
    "labMode": {},
    "features": {},
    "settings": {},
}


class Operations:
    """Serves the ML operations, the engine's status, and what SageMaker and CloudWatch Logs tell of the jobs.

    :param requires_role: Refuse ML operations without ``neptuneIamRoleArn``.
    """

    def __init__(self, store: Store, rules: ServiceRules, requires_role: bool) -> None:
        self._store = store
        self._others: dict[str, SageMaker | CloudWatchLogs] = {
            "sagemaker": SageMaker(store),
            "logs": CloudWatchLogs(store),
        }
        self._rules = rules
        self._requires_role = requires_role

    def serve(self, operation: str, params: dict[str, Any]) -> Answer:
        """Answer one operation; the caller holds the service's lock.

        :raises ServiceError: What Neptune refuses.
        """
        if operation in SERVICE_OF:
            return self._serve_other(operation, params)
        params = self._accepted(operation, params)
        model.check(operation, params)
        if operation == "GetEngineStatus":
            return _ok(operation, ENGINE_STATUS)
        if operation == "ExecuteGremlinQuery":
            return _ok(operation, answer_query(params["gremlinQuery"], self._store))
        if self._requires_role and not params.get("neptuneIamRoleArn"):
            raise errors.missing(errors.NO_ROLE)
        http = model.operation_model(operation).http
        kind = KIND_BY_PATH[http["requestUri"].split("/")[2]]
        self._store.settle()
        if http["method"] == "POST":
            return _ok(operation, self._store.start(kind, params))
        if http["method"] == "DELETE":
            job = self._store.cancel(kind, params["id"], params.get("clean", False))
            return self._cancelled(kind, operation, job)
        if "id" not in params:
            return _ok(operation, {"ids": self._store.newest_ids(kind, params.get("maxItems", LIST_DEFAULT))})
        job = self._store.find(kind, params["id"])
        seen = job.describe()
        job.read()
        return self._told(operation, seen)

    def _told(self, operation: str, seen: dict[str, Any]) -> Answer:
        answer = _ok(operation, seen)
        failed = seen.get("processingJob", {}).get("status") == "Failed"
        if not (
            self._rules.old_failed_processing and failed and seen.keys() == {"id", "status", "processingJob"}
        ):
            return answer
        # A key that the API's model does not have.
        return replace(answer, body=answer.body.replace(b'"processingJob"', b'"processingJobDefinition"'))

    def _accepted(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return an input without what the rules let pass and nothing reads."""
        shape = model.operation_model(operation).input_shape
        if shape is None:
            return params
        ignored = set(NOTEBOOK_MEMBERS)
        if self._rules.empty_members == "absent":
            ignored |= {name for name, value in params.items() if value == ""} - set(shape.required_members)
        if self._rules.unknown_members == "ignore":
            ignored |= params.keys() - shape.members.keys()
        return {name: value for name, value in params.items() if name not in ignored}

    def _serve_other(self, operation: str, params: dict[str, Any]) -> Answer:
        service = SERVICE_OF[operation]
        try:
            model.check(operation, params)
        except errors.ServiceError as error:
            code = "ValidationException" if service == "sagemaker" else "InvalidParameterException"
            raise errors.ServiceError(code, error.text) from None
        self._store.settle()
        return Answer(200, model.render(operation, self._others[service].serve(operation, params)), JSON_1_1)

    def _cancelled(self, kind: Kind, operation: str, job: Job) -> Answer:
        choice = self._rules.delete_body if kind.name == "endpoint" else self._rules.cancel_body
        return Answer(200) if choice == "empty" else _ok(operation, {"status": job.status})


def _ok(operation: str, value: Mapping[str, Any]) -> Answer:
    return Answer(200, model.render(operation, value))
