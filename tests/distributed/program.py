"""One program of the deployment: killed, frozen, asked to end, and started again when it has ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from demo.airflow_process import is_alive, processes_of

PAUSE = 3.0
"""Seconds before a program that ended is started again, as a service manager has it."""


class Program:
    """A program with its processes, in a session of its own. It ends with us, whatever ends us.

    :param name: also of its log, `<folder>/<name>.log`, which goes on when it is started again
    :param user: who it runs as, if not ourselves
    :param pid_file: removed before each start: a program that was killed leaves it, and refuses to start beside it
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        folder: Path,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        pid_file: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.starts = 0
        self.held = True
        """Whether it is away on purpose, and not started again."""
        become = ["--reuid", user, "--regid", user, "--clear-groups"] if user else []
        self._command = ["setpriv", "--pdeathsig", "TERM", *become, "--", *map(str, command)]
        self._env = dict(os.environ if env is None else env)
        self._folder = folder
        self._pid_file = pid_file
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None
        self._ended: float | None = None
        self._log_begins = 0

    def start(self) -> None:
        """Start it, and keep it running from now on."""
        assert not self.is_alive(), f"{self.name} runs already"
        if self._pid_file is not None:
            self._pid_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._log_begins = log.tell()
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._folder,
                start_new_session=True,
            )
        self.starts += 1
        self.held, self._ended = False, None

    def mend(self) -> bool:
        """Start it again if it has ended by itself; tell whether that was so."""
        if self.held or self.is_alive():
            return False
        if self._ended is None:
            self._end_the_rest()
            self._ended = time.monotonic()
        if time.monotonic() < self._ended + PAUSE:
            return False
        self.start()
        return True

    def is_alive(self) -> bool:
        """Whether its first process runs."""
        return self._process is not None and self._process.poll() is None

    def log_since_start(self) -> str:
        """Return what it has logged since its last start."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self._log_begins)
            return log.read().decode(errors="replace")

    def processes(self) -> list[psutil.Process]:
        """Return all its processes that live, and those that it has left behind."""
        found = set() if self._process is None else processes_of(self._process.pid)
        return [process for process in found if is_alive(process)]

    def memory(self) -> float:
        """Return its memory in MB, what processes share divided among them."""
        used = 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                used += process.memory_full_info().pss
        return used / 2**20

    def kill(self, *, hold: bool = False) -> None:
        """Kill it with all its processes, as the loss of its machine would.

        :param hold: do not start it again until :meth:`start`
        """
        self.held = hold
        if self._process is None:
            return
        # Stopped first, so that it starts nothing new between our look at its children and their end.
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGSTOP)
        self._end_the_rest()
        self._process.wait()

    def ask_to_end(self) -> None:
        """Send what a service manager sends first, and nothing more; it is started again when it has ended."""
        if self._process is not None and self.is_alive():
            self._process.send_signal(self._stop_signal)

    def stop(self, patience: float = 20) -> None:
        """Ask it to end, wait, and kill what is left. It is away until :meth:`start`."""
        self.held = True
        self.thaw()
        self.ask_to_end()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        self.kill(hold=True)

    def freeze(self) -> None:
        """Let it answer nothing while its connections stay open, until :meth:`thaw`."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _end_the_rest(self) -> None:
        processes = self.processes()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=20)
