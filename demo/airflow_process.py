"""A real Airflow (`airflow standalone`) in a directory of its own, started and stopped from Python."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from demo.airflow_api import AirflowAPI

AIRFLOW_3 = not version("apache-airflow").startswith("2.")
_AIRFLOW_3_0 = version("apache-airflow").startswith("3.0.")

# What runs first in the new process. `airflow standalone` shuts down cleanly on SIGINT only, and a shell that starts
# us in the background has SIGINT ignored, which a child inherits. On Linux the kernel sends it (PR_SET_PDEATHSIG is 1)
# also when we are killed and cannot stop Airflow ourselves.
_PRELUDE = """
import ctypes, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGINT)
os.execv(sys.argv[1], sys.argv[1:])
"""

_SQLITE_SETTINGS = "sqlite_of_airflow"


class AirflowDidNotStartError(RuntimeError):
    """Airflow died or was not ready in time; the message ends with its log's last lines."""


class AirflowProcess:
    """
    One `airflow standalone`: scheduler, API server (webserver), triggerer and DAG processor, on SQLite.

    :param home: its AIRFLOW_HOME, made if missing; database, logs and `standalone.log` are in it
    :param dags: folders with DAG files
    :param connections: connection id to the connection, as Airflow's JSON form has it; they stand in its database, where
        a lookup can fail, which one of an environment variable cannot
    :param settings: more environment variables, such as `AIRFLOW__CORE__PARALLELISM`
    :param port: of the API server; 0 picks a free one
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Sequence[Path],
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        settings: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        self.home = home
        self.dags = [folder.resolve() for folder in dags]
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "standalone.log"
        self.connections = dict(connections or {})
        self.env = self._environment(settings or {})
        # Without a logical date, Airflow 3.0 tells nobody how a run has ended.
        self.api = AirflowAPI(self.url, home, airflow_3=AIRFLOW_3, logical_dates=_AIRFLOW_3_0)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> AirflowProcess:
        """Start, and wait until DAGs can run."""
        self.start()
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, whatever happened."""
        self.stop()

    def start(self) -> None:
        """Start `airflow standalone` in a session of its own; does not wait."""
        dags_folder = self.home / "dags"
        dags_folder.mkdir(parents=True, exist_ok=True)
        Path(self.env["TMPDIR"]).mkdir(exist_ok=True)
        self._prepare_sqlite()
        for folder in self.dags:
            (dags_folder / folder.name).symlink_to(folder, target_is_directory=True)
        airflow = Path(sys.executable).with_name("airflow")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and its airflow
                [sys.executable, "-c", _PRELUDE, str(airflow), "standalone"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.home,
                start_new_session=True,
            )

    def _prepare_sqlite(self) -> None:
        """Let Airflow's scheduler wait for SQLite's lock for a minute, in place of 5 s after which it ends; in 2.11, all.

        Every other component of Airflow 3 has an API server in it, which can wait for itself: in an event loop, or for a
        process that it serves, whose other half holds the lock. A longer time only makes that halt longer (seen with 60 s:
        the DAG processor stood still for 59 s, and then killed its callbacks for taking too long).
        """
        who = '"scheduler" in sys.argv' if AIRFLOW_3 else "True"
        if not AIRFLOW_3:
            # SQLite remembers it, and Airflow 3 sets it: readers and the one writer do not wait for each other.
            sqlite3.connect(self.home / "airflow.db").execute("PRAGMA journal_mode=WAL").connection.close()
        config = self.home / "config"  # on Airflow's Python path
        config.mkdir(exist_ok=True)
        (config / f"{_SQLITE_SETTINGS}.py").write_text(
            f"import sys\n\nWAIT = {{'timeout': 60}} if {who} else {{}}  # seconds for the lock\n"
        )

    def wait_until_ready(self, timeout: float = 240) -> None:
        """Wait until every component reports that it is healthy, and store the connections."""
        deadline = time.monotonic() + timeout
        while not self.api.is_healthy():
            if not self.is_running():
                raise AirflowDidNotStartError(f"Airflow ended before it was ready.\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise AirflowDidNotStartError(f"Airflow was not ready in {timeout:g} s.\n{self.log_tail()}")
            time.sleep(0.5)
        for name, connection in self.connections.items():
            self.api.set_connection(name, connection)

    def is_running(self) -> bool:
        """Whether `airflow standalone` was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self, timeout: float = 40) -> None:
        """Stop it as Ctrl-C would, and kill whatever is left after `timeout` seconds."""
        if self._process is None:
            return
        ours = self.processes()
        try:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        finally:
            # Also what was started meanwhile, and when a second Ctrl-C ended the wait.
            for process in {*ours, *self.processes()}:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        self._process.wait()
        self._process = None

    def processes(self) -> list[psutil.Process]:
        """Every process of this Airflow: descendants, and whoever is in its session."""
        found = set() if self._process is None else processes_of(self._process.pid)
        return sorted(found, key=lambda process: process.pid)

    def component(self, name: str) -> psutil.Process:
        """Return the process of `scheduler`, `triggerer`, `dag-processor`, `api-server` or `webserver`."""
        assert self._process is not None, "Airflow was not started"
        for process in psutil.Process(self._process.pid).children():
            if name in _title(process):
                return process
        raise LookupError(f"No component of this Airflow is called {name!r}: {self.processes()}")

    def log_tail(self, lines: int = 60) -> str:
        """Return the last lines that Airflow printed."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join([f"--- the end of {self.log}", *text.splitlines()[-lines:]])

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return our environment without anyone's Airflow, AWS or pytest settings, and with fast intervals."""
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "AWS_", "PYTEST_", "COV_"))
            and name != "PYTHONDONTWRITEBYTECODE"  # every process would compile what it imports
        }
        env |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
            # No stray call may wait for, or find, the credentials of the machine it runs on.
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AIRFLOW_HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),  # those of 2.11 leave files there when they are ended
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
            "AIRFLOW__NEPTUNE_ML__NAMESPACE": "demo",  # each task would warn that nothing tells it from another Airflow
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": f"{_SQLITE_SETTINGS}.WAIT",
        }
        env |= self._version_3() if AIRFLOW_3 else self._version_2()
        return {**env, **settings}

    def _version_3(self) -> dict[str, str]:
        return {
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            # 3.0 starts four, and kills each that a busy machine keeps from answering within 5 s.
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
        }

    def _version_2(self) -> dict[str, str]:
        return {
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(self.port),
            "AIRFLOW__WEBSERVER__BASE_URL": self.url,
            "AIRFLOW__WEBSERVER__WORKERS": "1",
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth",
            "AIRFLOW__SCHEDULER__PARSING_PROCESSES": "1",
            "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "300",
            # Airflow 2 takes it for too much for SQLite. For a few tasks it is not, if they wait for its lock.
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
        }


def processes_of(session: int) -> set[psutil.Process]:
    """Return the process that leads a session, its descendants, and whoever is in the session."""
    found: set[psutil.Process] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(session)
        found = {leader, *leader.children(recursive=True)}
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == session:
                found.add(process)
    return found


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _title(process: psutil.Process) -> str:
    """Return a process's command line; Airflow rewrites some of them, and spells api-server in two ways."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline()).strip().replace("api_server", "api-server")
    return ""


def free_port() -> int:
    """Return a TCP port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
