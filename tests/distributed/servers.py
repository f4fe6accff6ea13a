"""PostgreSQL and Redis, with data folders and ports of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo.airflow_process import free_port
from tests.distributed.program import Program

DEBIAN = Path("/usr/lib/postgresql")


def postgresql_bin() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest that there is; Debian keeps it off the path."""
    found = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    place = found[-1] if found else shutil.which("initdb")
    return None if place is None else Path(place).resolve().parent


class PostgreSQL(Program):
    """A PostgreSQL on loopback with an empty database `airflow`; nothing of it outlives us."""

    def __init__(self, folder: Path) -> None:
        programs = postgresql_bin()
        assert programs is not None, "There is no PostgreSQL"
        self._bin = programs
        self.port = free_port()
        # Not below pytest's folder, which PostgreSQL's user cannot read.
        self.data = Path(tempfile.mkdtemp(prefix="postgresql-"))
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.data, self._user, self._user)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "250",
            # A machine that fails is no part of this.
            "fsync": "off",
            "full_page_writes": "off",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = [programs / "postgres", "-D", self.data / "db", *settings]
        # SIGINT is its fast shutdown: whoever is connected is thrown out.
        super().__init__("postgresql", command, folder=folder, user=self._user, stop_signal=signal.SIGINT)

    @property
    def address(self) -> str:
        """What follows the driver's name in SQLAlchemy's address of the database."""
        return f"://airflow@127.0.0.1:{self.port}/airflow"

    def create(self) -> None:
        """Make the folder and start it; does not wait."""
        become = (
            ["setpriv", "--reuid", self._user, "--regid", self._user, "--clear-groups"] if self._user else []
        )
        command = [*become, str(self._bin / "initdb"), "-D", str(self.data / "db")]
        subprocess.run(
            [*command, "-U", "airflow", "-A", "trust", "-E", "UTF8"], check=True, capture_output=True
        )
        self.start()

    def answers(self) -> bool:
        """Whether it takes connections; its database is made with the first."""
        with contextlib.suppress(Exception):
            with self.connect("postgres") as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'airflow'")
                if cursor.fetchone() is None:
                    cursor.execute("CREATE DATABASE airflow")
            return True
        return False

    @contextlib.contextmanager
    def connect(self, database: str = "airflow") -> Iterator[Any]:
        """Give a cursor, each statement of which is committed at once, and which waits 10 s at most."""
        import psycopg2

        connection = psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user="airflow",
            dbname=database,
            connect_timeout=5,
            options="-c statement_timeout=10000",
            tcp_user_timeout=10_000,
        )
        try:
            connection.autocommit = True
            yield connection.cursor()
        finally:
            connection.close()

    def stop(self, patience: float = 20) -> None:
        """Refuse connections, and end those that there are."""
        super().stop(patience)

    def remove(self) -> None:
        """Stop it, and remove its folder."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)


class Redis(Program):
    """A Redis on loopback that keeps what it was told over a restart."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        data = folder / "redis"
        data.mkdir(exist_ok=True)
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", data]
        super().__init__("redis", [*command, "--save", "", "--appendonly", "yes"], folder=folder)

    def answers(self) -> bool:
        """Whether it takes connections."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False
