"""An Airflow whose components can be killed one by one, and started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from demo import aws_connection
from demo.__main__ import lines_of
from demo.airflow_process import AIRFLOW_3, AirflowProcess, is_alive
from tests.failures.plugins import failing_secrets
from tests.failures.plugins.failure_rows import CLEANUP, HOLD, ROWS, chosen

HERE = Path(__file__).parent
PLUGINS = HERE / "plugins"

# More tasks at a time than the matrix holds, and the intervals short at whose end Airflow looks for what happened.
# The times after which a component counts as dead are long enough for a busy machine: a scheduler that thinks itself
# dead resets its own tasks.
SETTINGS: Mapping[str, str] = {
    "PYTHONPATH": os.pathsep.join([str(HERE.parent.parent), str(PLUGINS), os.environ.get("PYTHONPATH", "")]),
    "AIRFLOW__CORE__PARALLELISM": "24",
    "AIRFLOW__NEPTUNE_ML__NAMESPACE": "failures",
    "AIRFLOW__SECRETS__BACKEND": "failing_secrets.FailingSecrets",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
}
SETTINGS_3: Mapping[str, str] = {
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "2",
}
SETTINGS_2: Mapping[str, str] = {
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "60",
    "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__PARSING_PROCESSES": "2",
}


DAG_FILE = """\
from row_dags import dags_of

globals().update(dags_of({name!r}))  # Airflow reads only files with its own name and the word DAG
"""
"""A file for each row. A DAG's callback comes after its whole file was read and stored: with all rows in one file each
took a busy machine 20 s, and those of Airflow 2.11 came ten minutes late.
"""


class KillableAirflow(AirflowProcess):
    """A standalone Airflow, which goes on without a component that was killed."""

    def __init__(self, home: Path, neptune_url: str, silent_url: str) -> None:
        super().__init__(
            home,
            dags=[HERE / "dags", _row_files(home / "rows")],
            connections={"aws_default": aws_connection(neptune_url), "silent": aws_connection(silent_url)},
            settings={
                **SETTINGS,
                **(SETTINGS_3 if AIRFLOW_3 else SETTINGS_2),
                "AIRFLOW__NEPTUNE_ML__CANCEL_ORPHANED_JOBS": str(CLEANUP),
            },
        )
        self.secrets = home / "secrets"
        failing = {row.conn_id: json.dumps(aws_connection(neptune_url)) for row in ROWS if row.fails_lookups}
        failing_secrets.keep(failing, self.secrets)
        self._restarted: dict[str, subprocess.Popen[bytes]] = {}
        self._originals: dict[str, psutil.Process | None] = {}
        self._down: set[str] = set()

    def kill_component(self, name: str) -> None:
        """Kill a component with all its processes, as the loss of its machine would."""
        self._down.add(name)
        if process := self._process_of(name):
            self._kill_all(process)

    def _process_of(self, name: str) -> psutil.Process | None:
        """Return a component's process, None if it has died by itself.

        The triggerer of 2.11 does when many waits end at once ("deque mutated during iteration").
        """
        if restarted := self._restarted.get(name):
            return psutil.Process(restarted.pid) if restarted.poll() is None else None
        original = self._originals.setdefault(name, self._component_or_none(name))
        return original if original is not None and is_alive(original) else None

    def mend(self) -> None:
        """Start again what died by itself, as a service manager does; `airflow standalone` does not.

        On SQLite a triggerer can end with "database is locked", and that of 2.11 when many waits end at once ("deque
        mutated during iteration"). A scheduler that ends so does not even die: it waits for the tasks of its workers,
        which nobody ends any more. That is this Airflow's end.
        """
        if "scheduler" not in self._down and self.api.health().get("scheduler") == "unhealthy":
            raise RuntimeError(f"The scheduler has no heartbeat.\n{self.log_tail()}")
        for name in ("triggerer", "scheduler", *(["dag-processor"] if AIRFLOW_3 else [])):
            if name in self._down:
                continue
            if self._process_of(name) is None:
                self.restart_component(name)

    def _component_or_none(self, name: str) -> psutil.Process | None:
        try:
            return self.component(name)
        except LookupError:
            return None

    def restart_component(self, name: str) -> None:
        """Start a component again; it runs until this Airflow is stopped."""
        self._down.discard(name)
        airflow = Path(sys.executable).with_name("airflow")
        with (self.home / f"{name}-restarted.log").open("ab") as log:
            self._restarted[name] = subprocess.Popen(
                [str(airflow), name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.home,
                start_new_session=True,
            )

    def kill_task(self, pid: int) -> None:
        """Kill the process that runs a task, and nothing else of its worker."""
        self._own(pid).kill()

    def terminate_task(self, pid: int) -> None:
        """Ask the process that runs a task to end, as a node that is drained does."""
        self._own(pid).terminate()

    def hold_callbacks(self) -> None:
        """Let no callback of a DAG run until :meth:`release_callbacks`."""
        if AIRFLOW_3:
            self.kill_component("dag-processor")
        else:  # It is a part of the scheduler: a callback before ours takes its time.
            self._hold.touch()

    def release_callbacks(self) -> None:
        """Let the callbacks come that were held."""
        if AIRFLOW_3:
            self.restart_component("dag-processor")
        else:
            self._hold.unlink()

    @property
    def _hold(self) -> Path:
        return self.home / HOLD

    def callback_log(self) -> list[str]:
        """Return what the callbacks of DAGs have logged."""
        return lines_of(self.home / "logs" / ("dag_processor" if AIRFLOW_3 else "scheduler"))

    def clear_by_command(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Clear a task as `airflow tasks clear` of Airflow 2 does."""
        date = run_id.partition("__")[2]
        airflow = Path(sys.executable).with_name("airflow")
        command = [str(airflow), "tasks", "clear", "--yes", "--task-regex", f"^{task_id}$"]
        subprocess.run(
            [*command, "--start-date", date, "--end-date", date, dag_id],
            env=self.env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    def lose_worker(self, pid: int) -> None:
        """Kill the process that runs a task and all above it but the scheduler: nobody is left who knows."""
        scheduler = self.component("scheduler")
        chain = [self._own(pid)]
        while (parent := chain[-1].parent()) is not None and parent != scheduler:
            chain.append(parent)
        assert parent == scheduler, f"{pid} does not belong to the scheduler: {chain}"
        for process in reversed(chain):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def stop(self, timeout: float = 40) -> None:
        """Stop everything, the restarted components first."""
        for popen in self._restarted.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                self._kill_all(psutil.Process(popen.pid))
            popen.wait()
        self._restarted.clear()
        super().stop(timeout)

    def log_tail(self, lines: int = 60) -> str:
        """Return the last lines that Airflow printed, without those of the access log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        kept = [line for line in text.splitlines() if "HTTP/1" not in line]
        return "\n".join([f"--- the end of {self.log}", *kept[-lines:]])

    def _own(self, pid: int) -> psutil.Process:
        process = psutil.Process(pid)
        assert process in self.processes(), f"{pid} is not ours to kill"
        return process

    @staticmethod
    def _kill_all(root: psutil.Process) -> None:
        # Stopped first, so that it starts nothing new between our look at its children and their end.
        root.send_signal(signal.SIGSTOP)
        processes = [*root.children(recursive=True), root]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=20)


def _row_files(folder: Path) -> Path:
    folder.mkdir()
    for row in ROWS:
        if any(chosen(row, group) for group in row.groups):
            (folder / f"{row.name}.py").write_text(DAG_FILE.format(name=row.name))
    return folder
