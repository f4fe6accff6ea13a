"""Asking before something is cancelled."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from airflow_neptune_ml.cli.process import USAGE, CommandError, say


def confirm(question: str, *, yes: bool) -> bool:
    """Ask a yes-or-no question; anything but yes is no.

    :param yes: the answer was given with the command
    :raises CommandError: nobody is there to answer
    """
    if yes:
        return True
    needs_terminal("--yes")
    return _answer(f"{question} [y/N] ").lower() in ("y", "yes")


def confirm_cluster(question: str, url: str, *, given: str | None) -> bool:
    """Ask for the name of the cluster, so that nobody empties another one than he thinks.

    :param given: the name as it was given with the command
    """
    name = cluster_name(url)
    if given is None:
        needs_terminal(f"--cluster {name}")
        given = _answer(f"{question} Type the cluster's name, {name}, to go on: ")
    if given == name:
        return True
    say(f"The cluster's name is {name}, not {given!r}.")
    return False


def cluster_name(url: str) -> str:
    """Return the cluster's identifier in a Neptune endpoint; for any other address its host."""
    host = urlsplit(url).hostname or url
    return host.partition(".")[0] if ".neptune.amazonaws.com" in host else host


def needs_terminal(option: str) -> None:
    """Raise if nobody is there to be asked.

    :param option: what gives the answer without a question
    """
    if not sys.stdin.isatty():
        raise CommandError(f"Nobody can be asked here: add {option} to cancel without being asked.", USAGE)


def _answer(prompt: str) -> str:
    # input() would write its prompt into the output.
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()
