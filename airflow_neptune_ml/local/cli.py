"""The command ``neptune-ml-local``: a Neptune ML in a terminal."""

from __future__ import annotations

import argparse
import math
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_type_hints

from airflow_neptune_ml.local.kinds import KINDS
from airflow_neptune_ml.local.service_rules import ServiceRules

if TYPE_CHECKING:
    from airflow_neptune_ml.local import LocalNeptuneML

DESCRIPTION = (
    "Serve a Neptune ML on this machine: the ML API of Amazon Neptune, with jobs that live in memory."
)

RULE_VALUES = {
    name: get_args(hint) or ("true", "false") for name, hint in get_type_hints(ServiceRules).items()
}
"""What each of the service's rules can be."""


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    made = argparse.ArgumentParser(prog="neptune-ml-local", description=DESCRIPTION)
    add = made.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=8182, help="0 takes a free one (default: %(default)s)")
    add("--job-seconds", type=_seconds, default=30.0, help="how long a job runs; inf: until cancelled")
    add("--stop-seconds", type=_seconds, default=1.0, help="how long a cancelled job is Stopping")
    add(
        "--job",
        action="append",
        default=[],
        type=_job,
        metavar="[KIND/]ID",
        help="put a running job there, a training unless KIND is given; it runs until it is cancelled",
    )
    add(
        "--completed-job",
        action="append",
        default=[],
        type=_job,
        metavar="[KIND/]ID",
        help="put a completed job there, such as dataprocessing/my-data, on which a training can build",
    )
    add("--state", type=Path, metavar="FILE", help="keep the jobs in this file over a restart")
    add("--with-aws", action="store_true", help="serve moto's S3, STS, IAM and Neptune there too")
    add("--tls-cert", metavar="FILE", help="serve https with this certificate")
    add("--tls-key", metavar="FILE", help="the certificate's key")
    add("--access-key", help="check signatures: the access key id that may sign")
    add("--secret-key", help="its secret; better in NEPTUNE_ML_LOCAL_SECRET_KEY, which nobody can list")
    add("--region", help="refuse signatures for other regions")
    add(
        "--requires-neptune-iam-role",
        action="store_true",
        help="refuse calls without neptuneIamRoleArn, as a cluster without its parameter does",
    )
    add(
        "--rule",
        action="append",
        default=[],
        type=_rule,
        metavar="NAME=VALUE",
        help=f"how to behave where AWS's documents are silent: {'; '.join(_rules())}",
    )
    add("--ready-file", type=Path, help="write the URL into this file when requests are answered")
    return made


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    # nan is not even itself.
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(f"a duration is a number of seconds from 0 on, or inf, not {text}")
    return seconds


def _job(text: str) -> tuple[str, str]:
    kind, slash, job_id = text.rpartition("/")
    kind = kind if slash else "modeltraining"
    if kind not in KINDS or not re.fullmatch(r"[A-Za-z0-9-]{1,48}", job_id):
        raise argparse.ArgumentTypeError(
            f"a job is an id, or a kind and an id as in endpoint/my-endpoint, not {text}; the kinds are "
            f"{', '.join(KINDS)}"
        )
    return kind, job_id


def _rules() -> list[str]:
    return [f"{name}={'|'.join(values)}" for name, values in RULE_VALUES.items()]


def _rule(text: str) -> tuple[str, str | bool]:
    name, _, value = text.partition("=")
    if value not in RULE_VALUES.get(name, ()):
        raise argparse.ArgumentTypeError(f"{text} is none of {'; '.join(_rules())}")
    return name, {"true": True, "false": False}.get(value, value)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    :returns: The exit code: 0 after a signal, 2 when the arguments do not go together, 1 when it cannot
        serve: the port is taken, a certificate or the state file cannot be read.
    """
    command = parser()
    options = command.parse_args(argv)
    secret = options.secret_key or os.environ.get("NEPTUNE_ML_LOCAL_SECRET_KEY")
    if bool(options.access_key) != bool(secret):
        command.error("--access-key and its secret go together")
    if bool(options.tls_cert) != bool(options.tls_key):
        command.error("--tls-cert and --tls-key go together")
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_stop.set())
    try:
        neptune = _start(options, secret)
    except (OSError, ValueError) as error:
        print(f"neptune-ml-local: cannot serve at {options.host}:{options.port}: {error}", file=sys.stderr)
        return 1
    beside = " with S3, STS, IAM and Neptune" if options.with_aws else ""
    print(f"Neptune ML{beside} at {neptune.url}: use it as endpoint_url; Ctrl-C stops it", flush=True)
    if options.ready_file is not None:
        # Renamed when it is whole: whoever waits for the file must not read it empty.
        written = options.ready_file.with_name(f"{options.ready_file.name}.{os.getpid()}")
        written.write_text(neptune.url)
        written.replace(options.ready_file)
    while not asked_to_stop.is_set():
        # A wait without timeout would keep Python from running the signal handlers on some platforms.
        asked_to_stop.wait(0.5)
    neptune.stop()
    return 0


def _start(options: argparse.Namespace, secret: str | None) -> LocalNeptuneML:
    # Only now: `--help` need not wait for botocore.
    from airflow_neptune_ml.local import Life, LocalNeptuneML

    neptune = LocalNeptuneML(
        host=options.host,
        port=options.port,
        life=Life(seconds=options.job_seconds, stop_seconds=options.stop_seconds),
        rules=ServiceRules(**dict(options.rule)),
        requires_neptune_iam_role=options.requires_neptune_iam_role,
        credentials={options.access_key: secret} if secret else None,
        region=options.region,
        state=options.state,
        with_aws=options.with_aws,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )
    known = {(job.kind.name, job.id) for job in neptune.jobs()}
    running = Life(seconds=None, stop_seconds=options.stop_seconds)
    added = [(*job, running) for job in options.job]
    for kind, job_id, life in added + [(*job, Life(seconds=0)) for job in options.completed_job]:
        # One that the state file has goes on as it was.
        if (kind, job_id) not in known:
            neptune.add_job(kind, job_id, life=life)
    return neptune.start()


if __name__ == "__main__":
    sys.exit(main())
