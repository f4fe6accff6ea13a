"""Airflow as its tasks, triggers and callbacks meet it: it keeps states and XComs, and answers slowly or not at all.

On Airflow 3 a task asks through Airflow's own ``CommsDecoder``, with its one lock, and :class:`Desk` plays the
supervisor. On Airflow 2 a task asks its database; here each question takes a connection of its own to the same desk.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Client, Connection
from types import SimpleNamespace
from typing import Any

from demo.airflow_process import AIRFLOW_3
from tests.refusals.board import Board
from tests.refusals.surroundings import Kept

SLOW = 0.5
"""Seconds that an answer takes while Airflow's API is slow."""

AWAY = 0.5
"""Seconds after which a question fails while Airflow's API is away."""


class NoAnswer(Exception):
    """Airflow's API did not answer."""


class PlayedAirflow:
    """What Airflow keeps of one DAG run.

    :param asked: is told of each question of a task's process
    """

    def __init__(self, board: Board, asked: Callable[[], None]) -> None:
        self._board = board
        self._asked = asked
        self.begin("", "", "")

    def begin(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Begin a DAG run."""
        self.dag_id, self.run_id, self.task_id = dag_id, run_id, task_id
        self.states: dict[str, str | None] = {}
        self.xcoms: dict[tuple[str, str], Any] = {}
        self.max_tries = 0
        self.told = False

    def begin_try(self) -> None:
        """Begin a try; Airflow 3 forgets what the last one has pushed."""
        self.told = False
        if AIRFLOW_3:
            self.xcoms.clear()

    def answer(self, question: str, *values: Any, of_triggerer: bool = False) -> Any:
        """Answer a question.

        :raises NoAnswer: the API is away
        :raises LookupError: there is no such connection, or so Airflow says
        """
        if not of_triggerer:
            self._asked()
        if self._board.strikes("api away", in_triggerer=of_triggerer):
            time.sleep(AWAY)
            raise NoAnswer("the API server is away")
        if self._board.strikes("api slow", in_triggerer=of_triggerer):
            time.sleep(SLOW)
        return getattr(self, f"_{question}")(*values, of_triggerer=of_triggerer)

    def _connection(self, conn_id: str, *, of_triggerer: bool) -> dict[str, Any]:
        there = Kept.in_airflow and conn_id == Kept.conn_id
        if not there or self._board.strikes("lookup", in_triggerer=of_triggerer):
            raise LookupError(conn_id)
        return Kept.extra

    def _push(self, task_id: str, key: str, value: Any, **_: Any) -> None:
        self.xcoms[task_id, key] = value
        self.told = self.told or key == "job_id"

    def _pull(self, task_id: str, key: str, **_: Any) -> Any:
        return self.xcoms.get((task_id, key))

    def _states(self, task_id: str, **_: Any) -> dict[str, str | None]:
        return {task_id: self.states[task_id]} if task_id in self.states else {}

    def still_wants(self, max_tries: int) -> bool:
        """Answer as Airflow 2's database does whether the task waits for a trigger's job."""
        state = self.answer("states", self.task_id, of_triggerer=True).get(self.task_id)
        return state in ("deferred", "scheduled", "queued", "running") and max_tries == self.max_tries


class Desk:
    """Answers what the processes of tries ask, each in a thread of its own."""

    def __init__(self, airflow: PlayedAirflow) -> None:
        self._airflow = airflow
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind("")  # a name that no other socket has, gone with it
        self._listener.listen(64)
        self.address: bytes = self._listener.getsockname()
        threading.Thread(target=self._accept, name="airflow-desk", daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        serve = self._supervise if AIRFLOW_3 else self._serve_database
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                threading.Thread(target=serve, args=[caller], name="airflow-desk", daemon=True).start()

    def _supervise(self, caller: socket.socket) -> None:
        from airflow.sdk.execution_time.comms import CommsDecoder, _RequestFrame
        from msgspec import msgpack

        decoder = CommsDecoder(socket=caller, resp_decoder=msgpack.Decoder(_RequestFrame))
        with suppress(OSError, EOFError), caller:
            while True:
                frame = decoder._read_frame()
                caller.sendall(response(self._airflow, frame))

    def _serve_database(self, caller: socket.socket) -> None:
        with suppress(OSError, EOFError), Connection(caller.detach()) as connection:
            question, values = connection.recv()
            try:
                connection.send((True, self._airflow.answer(question, *values)))
            except NoAnswer as error:
                connection.send((False, str(error)))


def response(airflow: PlayedAirflow, frame: Any) -> bytes:
    """Return what Airflow 3's supervisor sends for a task's request."""
    from airflow.sdk.execution_time.comms import _ResponseFrame

    body, error = answer_message(airflow, frame.body)
    return bytes(_ResponseFrame(frame.id, body, error).as_bytes())


def answer_message(
    airflow: PlayedAirflow, asked: Any, *, of_triggerer: bool = False
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Answer a message of Airflow 3's tasks; return body and error."""
    kind = asked["type"]
    if kind == "MaskSecret":
        return None, None
    questions = {
        "GetConnection": ("connection", "conn_id"),
        "SetXCom": ("push", "task_id", "key", "value"),
        "GetXCom": ("pull", "task_id", "key"),
        "GetTaskStates": ("states",),
    }
    if kind not in questions:
        raise AssertionError(f"the played Airflow does not know {kind}")
    question, *members = questions[kind]
    values = [asked[member] for member in members] or [asked["task_ids"][0]]
    try:
        answer = airflow.answer(question, *values, of_triggerer=of_triggerer)
    except NoAnswer as error:
        detail = {"status_code": 503, "message": str(error)}
        return None, {"error": "API_SERVER_ERROR", "detail": detail, "type": "ErrorResponse"}
    except LookupError:
        return {"error": "CONNECTION_NOT_FOUND", "detail": None, "type": "ErrorResponse"}, None
    if kind == "GetConnection":
        nothing = dict.fromkeys(("host", "schema", "login", "password", "port"))
        told = {"conn_id": asked["conn_id"], "conn_type": "aws", "extra": json.dumps(answer)}
        return {**nothing, **told, "type": "ConnectionResult"}, None
    if kind == "GetXCom":
        return {"key": asked["key"], "value": answer, "type": "XComResult"}, None
    if kind == "GetTaskStates":
        return {"task_states": {airflow.run_id: answer}, "type": "TaskStatesResult"}, None
    return None, None


class TriggerersComms:
    """What Airflow 3's triggers ask through: here without a process between them and Airflow."""

    def __init__(self, airflow: PlayedAirflow) -> None:
        self._airflow = airflow

    def send(self, message: Any) -> Any:
        """Answer a message, as Airflow's own does."""
        from airflow.sdk.exceptions import AirflowRuntimeError
        from airflow.sdk.execution_time.comms import ErrorResponse, ToTask
        from pydantic import TypeAdapter

        body, error = answer_message(self._airflow, message.model_dump(), of_triggerer=True)
        if error:
            raise AirflowRuntimeError(ErrorResponse(**error))
        return body and TypeAdapter(ToTask).validate_python(body)

    async def asend(self, message: Any) -> Any:
        """Answer a message."""
        return self.send(message)


class AskingTask:
    """The task instance in a try's process: it asks Airflow for everything.

    :param run: who it is
    """

    def __init__(self, run: Any, ask: Callable[..., Any]) -> None:
        vars(self).update(vars(run))
        self._ask = ask

    def xcom_push(self, key: str, value: Any) -> None:
        """Push an XCom."""
        self._ask("push", self.task_id, key, json.loads(json.dumps(value)))

    def xcom_pull(self, task_ids: str, key: str = "return_value", **_: Any) -> Any:
        """Pull an XCom."""
        return self._ask("pull", task_ids, key)


def connect(address: bytes, run: Any) -> Callable[..., Any]:
    """Let this process ask Airflow; return how its task instance does.

    :param run: whose DAG run it is
    """
    if not AIRFLOW_3:
        return lambda question, *values: ask_database(address, question, *values)
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import CommsDecoder
    from airflow.sdk.execution_time.xcom import XCom

    wire = socket.socket(socket.AF_UNIX)
    wire.connect(address)
    task_runner.SUPERVISOR_COMMS = CommsDecoder(socket=wire)
    where = {"dag_id": run.dag_id, "run_id": run.run_id, "map_index": -1}

    def ask(question: str, task_id: str, key: str, value: Any = None) -> Any:
        if question == "push":
            return XCom.set(key=key, value=value, task_id=task_id, **where)
        return XCom.get_one(key=key, task_id=task_id, **where)

    return ask


def ask_database(address: bytes, question: str, *values: Any) -> Any:
    """Ask as Airflow 2's tasks do: each question on its own, and in any thread."""
    with Client(address, "AF_UNIX") as connection:
        connection.send((question, values))
        well, answer = connection.recv()
    if not well:
        raise NoAnswer(answer)
    return answer


def database_of(address: bytes) -> dict[str, Any]:
    """Return what reads Airflow 2's database in this package, by the name in the package."""

    def task_states(dag_id: str, run_id: str, task_id: str) -> dict[int, str | None]:
        states = ask_database(address, "states", task_id)
        return {-1: states[task_id]} if states else {}

    def get_one(*, key: str, task_id: str, **_: Any) -> Any:
        return ask_database(address, "pull", task_id, key)

    return {"task_states": task_states, "XCom": SimpleNamespace(get_one=get_one)}
