"""An Airflow as several machines run it: Celery, Redis, PostgreSQL, and two of each component."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from demo import aws_connection
from demo.airflow_process import AirflowProcess, free_port
from tests.distributed.neptune import NeptuneService
from tests.distributed.program import Program
from tests.distributed.servers import PostgreSQL, Redis

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
DAG_ID = "trainings"
NAMESPACE = "distributed"
SLOTS = 8
"""Of each worker."""

WORKERS = ("worker-1", "worker-2")
TRIGGERERS = ("triggerer-1", "triggerer-2")
SCHEDULERS = ("scheduler-1", "scheduler-2")
DAG_PROCESSORS = ("dag-processor-1", "dag-processor-2")
API_SERVER = "api-server"
COMPONENTS = (API_SERVER, *SCHEDULERS, *DAG_PROCESSORS, *TRIGGERERS, *WORKERS)
CRON = "cron"
"""What cancels orphaned jobs by the clock, as docs/command.md advises."""

CRON_PAUSE = 60
"""Seconds from one run of the command to the next."""

FRESH = 15
"""Seconds: a component with an older heartbeat is not well."""

JOBS = {"SchedulerJob": SCHEDULERS, "TriggererJob": TRIGGERERS, "DagProcessorJob": DAG_PROCESSORS}
"""What Airflow's table calls the components that have a heartbeat there."""

PATIENCE = 240.0


class Deployment:
    """A distributed Airflow beside a local Neptune ML. Whatever ends by itself is started again.

    :param home: for logs, DAG files and Redis's data
    :param job_seconds: how long a training runs
    :param settings: more environment variables of Airflow
    """

    def __init__(
        self, home: Path, *, job_seconds: float = 45, settings: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self.packages = home / "packages"
        """On Airflow's Python path before everything else: what stands here hides what is installed."""
        self.packages.mkdir(parents=True, exist_ok=True)
        self.postgresql, self.redis = PostgreSQL(home), Redis(home)
        self.neptune = NeptuneService(home, job_seconds=job_seconds)
        alone = AirflowProcess(home, dags=[])  # never started: what is the same in every Airflow of the tests
        self.api, self.port = alone.api, alone.port
        self.env = {**alone.env, **self._settings(alone.env), **(settings or {})}
        self.programs: dict[str, Program] = {program.name: program for program in self._components()}
        self.programs |= {p.name: p for p in (self.postgresql, self.redis, self.neptune)}
        self.notes: list[str] = []
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        """Start everything, and wait until all of it is well."""
        try:
            self.postgresql.create()
            self.redis.start()
            self.neptune.start()
            servers = (self.postgresql, self.redis, self.neptune)
            self.until(lambda: all(server.answers() for server in servers), "the servers answer", 60)
            dags = self.home / "dags"
            dags.mkdir(exist_ok=True)
            (dags / "distributed").symlink_to(HERE / "dags", target_is_directory=True)
            self._airflow("db", "migrate")
            for name in (*COMPONENTS, CRON):
                self.programs[name].start()
            self.until(self.is_whole, "every component is well")
            self.patiently(lambda: self.api.set_connection("aws_default", aws_connection(self.neptune.url)))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill everything: nobody needs it any more, and a warm shutdown of a worker waits for its tasks."""
        for name in (*COMPONENTS, CRON):
            self.programs[name].kill(hold=True)
        for server in (self.neptune, self.redis):
            server.stop()
        self.postgresql.remove()

    def _settings(self, env: Mapping[str, str]) -> dict[str, str]:
        database = self.postgresql.address
        return {
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(self.packages), str(ROOT), env.get("PYTHONPATH")])
            ),
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__PARALLELISM": "32",
            # As many as there are slots: what waits in Celery's queue for long, Airflow fails as "stuck in queued".
            "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": str(SLOTS * len(WORKERS)),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2{database}",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg{database}",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": "",
            "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{self.redis.port}/0",
            # With the driver's name: SQLAlchemy 2.1 takes plain `postgresql` for another driver.
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2{database}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
            # Longer than any task: a message that is not acknowledged for so long is delivered again.
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "600",
            # The same for all components, which otherwise make one each.
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__NEPTUNE_ML__NAMESPACE": NAMESPACE,
            # Short, that a test need not wait for minutes until Airflow notices what it has lost.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "45",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "40",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "30",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120",
        }

    def _components(self) -> list[Program]:
        airflow = Path(sys.executable).with_name("airflow")

        def program(name: str, *arguments: str, pid_file: Path | None = None, **ports: int) -> Program:
            env = self.env | {f"AIRFLOW__LOGGING__{port}": str(number) for port, number in ports.items()}
            return Program(name, [airflow, *arguments], folder=self.home, env=env, pid_file=pid_file)

        made = [program(API_SERVER, "api-server", "--workers", "1")]
        made += [program(name, "scheduler", "--skip-serve-logs") for name in SCHEDULERS]
        made += [program(name, "dag-processor") for name in DAG_PROCESSORS]
        made += [program(name, "triggerer", TRIGGER_LOG_SERVER_PORT=free_port()) for name in TRIGGERERS]
        for name in WORKERS:
            pid_file = self.home / f"{name}.pid"
            arguments = ("celery", "worker", "--celery-hostname", name, "--pid", str(pid_file))
            made.append(program(name, *arguments, pid_file=pid_file, WORKER_LOG_SERVER_PORT=free_port()))
        orphaned = f"{airflow.with_name('neptune-ml')} orphaned --cancel --yes"
        command = ["sh", "-c", f"while sleep {CRON_PAUSE}; do {orphaned}; done"]
        made.append(Program(CRON, command, folder=self.home, env=self.env))
        return made

    def _airflow(self, *arguments: str) -> None:
        airflow = str(Path(sys.executable).with_name("airflow"))
        with (self.home / "commands.log").open("ab") as log:
            subprocess.run(
                [airflow, *arguments], env=self.env, cwd=self.home, stdout=log, stderr=log, check=True
            )

    # What it is doing

    def is_whole(self) -> bool:
        """Whether both of each component have a fresh heartbeat, and the workers take tasks."""
        ask = "SELECT job_type, count(*) FROM job WHERE state = 'running' AND "
        ask += f"latest_heartbeat > now() - interval '{FRESH} seconds' GROUP BY job_type"
        beating = dict(self.rows(ask))
        return (
            all(beating.get(job_type, 0) >= len(names) for job_type, names in JOBS.items())
            and all(re.search(r"celery@\S+ ready", self.programs[name].log_since_start()) for name in WORKERS)
            and bool(self.api.health())
        )

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what the metadata database answers; nothing while it does not."""
        import psycopg2

        with contextlib.suppress(psycopg2.Error), self.postgresql.connect() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())
        return []

    # What is done to it

    def trigger(self, run_id: str) -> None:
        """Start a run under this id; once, also if the answer was lost."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": {}}

        def ask() -> bool:
            answer = self.api._request("POST", f"/dags/{DAG_ID}/dagRuns", json=body)
            return answer.is_success or answer.status_code == httpx.codes.CONFLICT

        self.until(lambda: bool(self.patiently(ask)), f"{run_id} begins")

    def connections_away(self, away: bool) -> None:
        """Let every lookup of a connection in the database fail, or succeed again.

        It is what a failing secrets backend is to a task: Airflow says of both that there is no such connection.
        """
        old, new = ("connection", "connection_away") if away else ("connection_away", "connection")
        with self.postgresql.connect() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    def restart(self) -> None:
        """Restart one component of Airflow after the other, as an upgrade does."""
        for name in COMPONENTS:
            self.programs[name].stop()
            self.programs[name].start()
        self.until(self.is_whole, "every component is well after a restart")

    def mend(self) -> None:
        """Start again what has ended by itself."""
        for program in self.programs.values():
            if program.mend():
                self.note(f"{program.name} had ended by itself, and is started again")

    def until(
        self, condition: Callable[[], bool], what: str, timeout: float = PATIENCE, pause: float = 0.5
    ) -> None:
        """Wait for a fact, and mend meanwhile.

        :raises TimeoutError: it did not come true
        """
        deadline = time.monotonic() + timeout
        while not condition():
            self.mend()
            if time.monotonic() > deadline:
                self.note(f"NOT in {timeout:g} s: {what}")
                raise TimeoutError(f"Not in {timeout:g} s: {what}")
            time.sleep(pause)
        self.note(what)

    def sleep(self, seconds: float) -> None:
        """Let time pass, and mend meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.mend()
            time.sleep(0.5)

    def patiently(self, ask: Callable[[], Any], attempts: int = 8) -> Any:
        """Ask the API again while it does not answer, or has no database."""
        for attempt in range(attempts):
            try:
                return ask()
            except (httpx.TransportError, RuntimeError) as error:
                if attempt + 1 == attempts or not re.search(
                    r": 50\d |^(?!.*: [45]\d\d )", str(error), re.DOTALL
                ):
                    raise
                self.note(f"the API answers {error!r:.120}")
                self.sleep(3)
        raise AssertionError

    def note(self, line: str) -> None:
        """Remember what happened when, also in `notes.txt`, for whoever looks on."""
        self.notes.append(f"{time.strftime('%X')} {time.monotonic() - self._began:6.1f} s  {line}")
        with (self.home / "notes.txt").open("a") as notes:
            print(self.notes[-1], file=notes)

    def report(self, lines: int = 25) -> str:
        """Return the notes, and the end of each program's log."""
        parts = [*self.notes]
        for program in self.programs.values():
            text = program.log.read_text(errors="replace") if program.log.exists() else ""
            kept = [line for line in text.splitlines() if "HTTP/1" not in line]
            parts += [f"--- {program.name}, started {program.starts} times: {program.log}", *kept[-lines:]]
        return "\n".join(parts)
