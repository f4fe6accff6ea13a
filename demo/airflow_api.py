"""What the demo and the live tests ask of a running Airflow, through its REST API: v2 on Airflow 3, v1 on 2."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx


class AirflowAPI:
    """
    A client for one Airflow on this machine.

    :param url: of the API server (webserver)
    :param home: its AIRFLOW_HOME, where the task logs are, and on Airflow 2 the generated password
    :param airflow_3: whether it is Airflow 3
    :param logical_dates: whether a run gets a logical date, as from the UI of Airflow 3; Airflow 2 gives each one
    """

    def __init__(self, url: str, home: Path, *, airflow_3: bool, logical_dates: bool = False) -> None:
        self.home = home
        self._logical_dates = logical_dates
        self.airflow_3 = airflow_3
        # trust_env: no proxy stands between us and loopback
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def health(self) -> dict[str, str]:
        """Return what Airflow says of each component, by the freshness of its heartbeat; nothing if it does not answer."""
        path = "/api/v2/monitor/health" if self.airflow_3 else "/api/v1/health"
        try:
            return {name: part["status"] for name, part in self._http.get(path).json().items()}
        except (httpx.TransportError, ValueError, KeyError, TypeError):
            return {}

    def is_healthy(self) -> bool:
        """Whether every component reports a fresh heartbeat."""
        components = [
            "metadatabase",
            "scheduler",
            "triggerer",
            *(["dag_processor"] if self.airflow_3 else []),
        ]
        health = self.health()
        return all(health.get(name) == "healthy" for name in components)

    def set_connection(self, conn_id: str, connection: Mapping[str, Any]) -> None:
        """Store a connection in Airflow's database, in place of one of the same id."""
        body = {**connection, "connection_id": conn_id, "extra": json.dumps(connection.get("extra") or {})}
        answer = self._request("POST", "/connections", json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            answer = self._request("PATCH", f"/connections/{conn_id}", json=body)
        _checked(answer)

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, *, timeout: float = 60) -> str:
        """Start a run, waiting until the DAG file was read for the first time. Returns the run id."""
        body: dict[str, Any] = {"conf": conf or {}}
        if self.airflow_3:
            body["logical_date"] = datetime.now(UTC).isoformat() if self._logical_dates else None
        deadline = time.monotonic() + timeout
        while True:
            answer = self._request("POST", f"/dags/{dag_id}/dagRuns", json=body)
            if answer.status_code != httpx.codes.NOT_FOUND:
                run_id: str = _checked(answer)["dag_run_id"]
                return run_id
            if time.monotonic() > deadline:
                raise TimeoutError(f"No DAG {dag_id!r} after {timeout:g} s; {self.import_errors()}")
            time.sleep(0.5)

    def import_errors(self) -> list[str]:
        """Return what went wrong in the DAG files."""
        errors = _checked(self._request("GET", "/importErrors"))["import_errors"]
        return [f"{error['filename']}: {error['stack_trace']}" for error in errors]

    def description(self, dag_id: str) -> str | None:
        """Return a DAG's description."""
        description: str | None = _checked(self._request("GET", f"/dags/{dag_id}"))["description"]
        return description

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        state: str = _checked(self._request("GET", f"/dags/{dag_id}/dagRuns/{run_id}"))["state"]
        return state

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout: float = 180) -> str:
        """Wait until a run has ended. Returns its state."""
        deadline = time.monotonic() + timeout
        while (state := self.run_state(dag_id, run_id)) not in ("success", "failed"):
            if time.monotonic() > deadline:
                tasks = {task["task_id"]: task["state"] for task in self.tasks(dag_id, run_id)}
                raise TimeoutError(f"Run {run_id} of {dag_id} is still {state} after {timeout:g} s: {tasks}")
            time.sleep(0.5)
        return state

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return all task instances of a run."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        found: list[dict[str, Any]] = _checked(self._request("GET", path))["task_instances"]
        return found

    def task(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return a task instance: among others its `state`, `try_number` and `max_tries`."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        return _checked(self._request("GET", path))

    def wait_for_task(
        self, dag_id: str, run_id: str, task_id: str, *states: str, timeout: float = 120
    ) -> dict[str, Any]:
        """Wait until a task instance is in one of `states`. Returns it."""
        deadline = time.monotonic() + timeout
        while (task := self.task(dag_id, run_id, task_id))["state"] not in states:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Task {task_id} is {task['state']}, not {states}, after {timeout:g} s")
            time.sleep(0.3)
        return task

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", *, map_index: int = -1
    ) -> Any:
        """Return one XCom value of a task, as JSON has it."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        params = {"stringify": "false", "map_index": str(map_index)}
        return _checked(self._request("GET", path, params=params))["value"]

    def xcom_keys(self, dag_id: str, run_id: str, task_id: str) -> set[str]:
        """Return the keys under which a task has XComs."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries"
        return {entry["key"] for entry in _checked(self._request("GET", path))["xcom_entries"]}

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """Return the addresses of a task's links, by the text that the UI shows; one that is not known has none."""
        answer = _checked(
            self._request("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/links")
        )
        links: dict[str, str | None] = answer["extra_links"] if self.airflow_3 else answer
        return links

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, *, map_index: int = -1
    ) -> str:
        """Return a try's log file, as Airflow wrote it."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        return (folder / f"attempt={try_number}.log").read_text()

    def pause(self, dag_id: str) -> None:
        """Do what the UI's switch of a DAG does."""
        _checked(self._request("PATCH", f"/dags/{dag_id}", json={"is_paused": True}))

    def mark_task(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Do what the UI's "Mark state as" does to a task instance."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        body: dict[str, Any] = {"new_state": state} | ({} if self.airflow_3 else {"dry_run": False})
        _checked(self._request("PATCH", path, json=body))

    def mark_run(self, dag_id: str, run_id: str, state: str) -> None:
        """Do what the UI's "Mark state as" does to a run."""
        _checked(self._request("PATCH", f"/dags/{dag_id}/dagRuns/{run_id}", json={"state": state}))

    def clear_task(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Do what the UI's "Clear" does to a task instance, whatever its state."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [task_id], "only_failed": False}
        body |= {"reset_dag_runs": True}
        _checked(self._request("POST", f"/dags/{dag_id}/clearTaskInstances", json=body))

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Do what the UI's "Clear" does to a whole run."""
        _checked(self._request("POST", f"/dags/{dag_id}/dagRuns/{run_id}/clear", json={"dry_run": False}))

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        self._log_in()
        prefix = "/api/v2" if self.airflow_3 else "/api/v1"
        for pause in (1, 2, 4, 8, 0):
            answer = self._http.request(method, prefix + path, **arguments)
            # Another process held SQLite's lock for too long: nothing was changed.
            if answer.status_code != httpx.codes.INTERNAL_SERVER_ERROR or "Database error" not in answer.text:
                break
            time.sleep(pause)
        return answer

    def _log_in(self) -> None:
        """Airflow 3 with everybody an admin hands a token to anyone; Airflow 2 has a generated password."""
        if self.airflow_3 and "Authorization" not in self._http.headers:
            token = _checked(self._http.get("/auth/token"))["access_token"]
            self._http.headers["Authorization"] = f"Bearer {token}"
        elif not self.airflow_3 and self._http.auth is None:
            password = (self.home / "standalone_admin_password.txt").read_text().strip()
            self._http.auth = httpx.BasicAuth("admin", password)


def _checked(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise RuntimeError(
            f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
        )
    body: dict[str, Any] = answer.json()
    return body
