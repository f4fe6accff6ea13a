"""What every command does around its work: Airflow's settings before, errors as one line after."""

from __future__ import annotations

import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from functools import wraps
from typing import Any

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_neptune_ml.airflow_versions import IS_AIRFLOW_3
from airflow_neptune_ml.exceptions import NeptuneMLError

FINE, FOUND, USAGE, INTERRUPTED = 0, 1, 2, 130


class CommandError(Exception):
    """A command cannot go on.

    :param message: one line: what happened and what to do
    :param code: the exit code
    """

    def __init__(self, message: str, code: int = FOUND) -> None:
        super().__init__(message)
        self.code = code


def command(function: Callable[[Namespace], int]) -> Callable[[Namespace], None]:
    """Make a command of a function that returns its exit code."""

    @wraps(function)
    def run(args: Namespace) -> None:
        # Airflow 3 reads connections of its database only in a process that says that it is a server.
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
        if getattr(args, "verbose", False):
            log_to_stderr()
        code = FINE

        def work(args: Namespace) -> None:
            nonlocal code
            code = function(args)

        try:
            # Airflow's own decorators, which drop what a function returns.
            suppress_logs_and_warning(providers_configuration_loaded(work))(args)
        except KeyboardInterrupt:
            code = INTERRUPTED
        except BrokenPipeError:  # the reader of a pipe, `| head`, has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = INTERRUPTED
        except Exception as error:
            if getattr(args, "verbose", False) and not isinstance(error, CommandError | NeptuneMLError):
                raise
            code = error.code if isinstance(error, CommandError) else FOUND
            say(f"neptune-ml {args.subcommand}: {one_line(error)}")
        if code:
            sys.exit(code)

    return run


def say(text: str) -> None:
    """Write a line for whoever runs the command; the output proper goes to stdout."""
    print(text, file=sys.stderr, flush=True)


def user_name() -> str:
    """Return who runs the command; a container may run as a user without a name."""
    from airflow.utils.platform import getuser

    try:
        return str(getuser())
    except Exception:
        return f"user {os.getuid()}"


def one_line(error: BaseException) -> str:
    """Return an error as one line of text, with its class if it is none of ours."""
    text = " ".join(str(error).split())
    if isinstance(error, CommandError | NeptuneMLError):
        return text
    return f"{type(error).__name__}: {text} (--verbose shows where)"


def log_to_stderr() -> None:
    """Keep log lines out of the output, as Airflow does from 3.3 on."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        # A new one: the stream of Airflow 2's handler cannot be set.
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            other = logging.StreamHandler(sys.stderr)
            other.setFormatter(handler.formatter)
            for mask in handler.filters:  # secrets stay masked
                other.addFilter(mask)
            root.removeHandler(handler)
            root.addHandler(other)
    if IS_AIRFLOW_3:
        import structlog

        factory: Any = structlog.get_config()["logger_factory"]
        # Airflow 3.1 and 3.2 have loggers that no handler serves; they write to stdout unless told where to.
        if getattr(factory, "io", sys.stderr) is None:
            factory.io = _Stderr()


class _Stderr:
    """The stderr of the moment of writing, since structlog's loggers keep what they were given."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()
