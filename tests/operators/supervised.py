"""A task's process, forked, with what Airflow 3 gives it: a supervisor that answers one request at a time.

The process has Airflow's own CommsDecoder and task instance; the supervisor is played here, in a thread of the parent. A
signal comes at a chosen line of the process, as the kernel delivers it. On Airflow 2 there is no supervisor.
"""

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from airflow_neptune_ml.execution import on_kill_target
from demo.airflow_process import AIRFLOW_3
from tests.starts.killable_worker import Terminated
from tests.task_run import TaskRun

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL in Airflow 3."""

WATCHED = ("airflow_neptune_ml/", "sdk/execution_time/comms.py")
"""Files whose lines count: ours, and those in which a request to the supervisor is under way."""

FIRST = "prepare_to_stop"
"""The function that comes just before the first request which may start a job: lines count from its first one."""


@dataclass
class Ended:
    """How a process ended.

    :param lines: how many lines it passed, from the first request on
    :param places: which different ones those were, in the order in which they came
    :param signalled: when it was asked to end, in seconds since the epoch; None: it ended before
    :param at: the line at which it was, as file and number
    :param error: the class of the error with which the task ended
    :param locked: whether a request to the supervisor was under way then
    """

    lines: int = 0
    places: list[str] = field(default_factory=list)
    signalled: float | None = None
    at: str = ""
    error: str = ""
    locked: bool = False


def run_supervised(task, run, *, line, state, connection, slow=0.0, locked=False):
    """Run a task in a process of its own, and ask it to end at its n-th line; return how it ended.

    :param line: which, from 1 on, or where, as file and number, for the first time that it is passed there; 0: none
    :param state: the task's state after the signal, as Airflow tells it when asked; before the signal it is running
    :param connection: the extra of the default connection, which Airflow gives
    :param slow: seconds that Airflow takes for the request that is under way when the signal comes
    :param locked: count only lines at which a request to the supervisor is under way
    """
    ours, theirs = socket.socketpair()
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        ours.close()
        os.close(told)
        status = 1
        with suppress(BaseException):
            _be_the_task(theirs, tell, task, run, line, state, locked)
            status = 0
        os._exit(status)
    theirs.close()
    os.close(tell)
    ended = Ended()
    supervisor = threading.Thread(
        target=_supervise, args=(ours, ended, state, connection, run, slow), daemon=True
    )
    supervisor.start()
    _listen(told, pid, ended)
    os.waitpid(pid, 0)
    ours.close()
    supervisor.join(5)
    return ended


def _listen(told, pid, ended):
    """Read what the process tells; kill it when its time is over."""
    os.set_blocking(told, False)
    text, began = "", time.monotonic()
    while True:
        with suppress(BlockingIOError):
            chunk = os.read(told, 4096)
            if not chunk:
                break
            text += chunk.decode()
            if "signalled" in text and ended.signalled is None:
                _, at, moment, locked = next(
                    line for line in text.splitlines() if "signalled" in line
                ).split()
                ended.at, ended.signalled, ended.locked = at, float(moment), locked == "True"
        late = ended.signalled and time.time() > ended.signalled + GRACE + 1
        if late or time.monotonic() > began + 60:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    for line in text.splitlines():
        word, *values = line.split()
        if word == "ended":
            ended.lines, ended.error, ended.places = int(values[0]), values[1], values[2:]
    os.close(told)


def _be_the_task(theirs, tell, task, run, line, state, locked):
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    ti = _of_airflow(theirs, task, run) if AIRFLOW_3 else run
    ask = on_kill_target.task_states if AIRFLOW_3 else lambda *_: {run.map_index: state}
    counter = _Lines(line, tell, locked)

    def task_states(*whose):
        told = ask(*whose)
        return told if counter.signalled else {run.map_index: "running"}

    on_kill_target.task_states = task_states

    def on_term(signum, frame):
        task.on_kill()
        if not AIRFLOW_3:
            raise Terminated

    signal.signal(signal.SIGTERM, on_term)
    error: BaseException | None = None
    sys.settrace(counter.trace)
    try:
        task.execute({"ti": ti})
    except BaseException as caught:
        error = caught
    finally:
        sys.settrace(None)
    places = " ".join(counter.places)
    os.write(tell, f"ended {counter.passed} {type(error).__name__} {places}\n".encode())


class _Lines:
    """Counts the lines of watched files, and sends the signal at one of them."""

    def __init__(self, line, tell, only_locked):
        self.line = line
        self.tell = tell
        self.only_locked = only_locked
        self.passed = 0
        self.counts = False
        self.signalled = False
        self.places: dict[str, None] = {}

    def trace(self, frame, event, _argument):
        """Begin with a function, if its lines count."""
        file = frame.f_code.co_filename
        if not any(part in file for part in WATCHED):
            return None
        if frame.f_code.co_name == FIRST and file.endswith("cluster.py"):
            self.counts = True
        return self.step if event == "call" else None

    def step(self, frame, event, _argument):
        """Count a line."""
        if event == "line" and self.counts and (not self.only_locked or _lock_is_held()):
            self.passed += 1
            at = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
            if self.line in (self.passed, None if at in self.places else at):
                locked = _lock_is_held()
                os.write(self.tell, f"signalled {at} {time.time()} {locked}\n".encode())
                self.signalled = True
                os.kill(os.getpid(), signal.SIGTERM)
            self.places[at] = None
        return self.step


def _lock_is_held():
    """Whether a request to the supervisor is under way."""
    if not AIRFLOW_3:
        return False
    from airflow.sdk.execution_time import task_runner

    lock = getattr(task_runner.SUPERVISOR_COMMS, "_thread_lock", None)
    if lock is not None:
        return lock.locked()
    # Airflow 3.0 has no lock: whoever asks meanwhile takes the answer of the request that is under way.
    send, frame = task_runner.CommsDecoder.send.__code__, sys._getframe()
    while frame is not None and frame.f_code is not send:
        frame = frame.f_back
    return frame is not None


def _of_airflow(theirs, task, run):
    """Return Airflow's own task instance, with its way to the supervisor."""
    from airflow.sdk.execution_time import task_runner

    os.environ.pop("AIRFLOW_CONN_AWS_DEFAULT", None)
    task_runner.SUPERVISOR_COMMS = task_runner.CommsDecoder(socket=theirs)
    return task_runner.RuntimeTaskInstance.model_construct(
        task=task,
        dag_id=run.dag_id,
        run_id=run.run_id,
        task_id=run.task_id,
        map_index=run.map_index,
        try_number=run.try_number,
        max_tries=run.max_tries,
        is_mapped=False,
    )


def _supervise(ours, ended, state, connection, run: TaskRun, slow):
    """Answer each request in turn, as Airflow's supervisor does."""
    if not AIRFLOW_3:
        return
    import msgspec
    from airflow.sdk.execution_time.comms import _RequestFrame, _ResponseFrame

    decoder = msgspec.msgpack.Decoder(_RequestFrame)
    with suppress(OSError, EOFError):
        while True:
            head = _exactly(ours, 4)
            frame = decoder.decode(_exactly(ours, int.from_bytes(head, "big")))
            body = frame.body or {}
            if slow and ended.locked:
                time.sleep(slow)
                slow = 0.0
            answer = _answer(body, state, connection, run)
            ours.sendall(_ResponseFrame(id=frame.id, body=answer).as_bytes())


def _exactly(ours, size):
    data = b""
    while len(data) < size:
        chunk = ours.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def _answer(body, state, connection, run):
    kind = body.get("type")
    if kind == "GetTaskStates":
        return {"type": "TaskStatesResult", "task_states": {run.run_id: {run.task_id: state}}}
    if kind == "GetConnection":
        nothing = dict.fromkeys(("host", "schema", "login", "password", "port", "extra"))
        return {"type": "ConnectionResult", "conn_id": body["conn_id"], **nothing, **connection}
    if kind == "GetXCom":
        return {"type": "XComResult", "key": body["key"], "value": None}
    return None
