"""The command ``neptune-ml-local``: a Neptune ML in a terminal."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = (
    "Serve a Neptune ML on this machine: the ML API of Amazon Neptune, with jobs that live in memory."
)


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    made = argparse.ArgumentParser(prog="neptune-ml-local", description=DESCRIPTION)
    made.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    made.add_argument("--port", type=int, default=8182, help="0 takes a free one (default: %(default)s)")
    made.add_argument(
        "--job-seconds", type=float, default=30.0, help="how long a job runs; inf: until cancelled"
    )
    made.add_argument("--stop-seconds", type=float, default=1.0, help="how long a cancelled job is Stopping")
    made.add_argument(
        "--with-aws", action="store_true", help="serve moto's S3, STS, IAM and Neptune there too"
    )
    made.add_argument("--tls-cert", metavar="FILE", help="serve https with this certificate")
    made.add_argument("--tls-key", metavar="FILE", help="the certificate's key")
    made.add_argument("--access-key", help="check signatures: the access key id that may sign")
    made.add_argument(
        "--secret-key", help="its secret; better in NEPTUNE_ML_LOCAL_SECRET_KEY, which nobody can list"
    )
    made.add_argument("--region", help="refuse signatures for other regions")
    made.add_argument(
        "--ready-file", type=Path, help="write the URL into this file when requests are answered"
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    :returns: The exit code: 0 after a signal, 2 when the arguments do not go together, 1 when the port is taken.
    """
    command = parser()
    options = command.parse_args(argv)
    secret = options.secret_key or os.environ.get("NEPTUNE_ML_LOCAL_SECRET_KEY")
    if bool(options.access_key) != bool(secret):
        command.error("--access-key and its secret go together")
    if bool(options.tls_cert) != bool(options.tls_key):
        command.error("--tls-cert and --tls-key go together")

    # Only now: `--help` need not wait for botocore.
    from airflow_neptune_ml.local import Life, LocalNeptuneML

    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_stop.set())
    neptune = LocalNeptuneML(
        host=options.host,
        port=options.port,
        life=Life(seconds=options.job_seconds, stop_seconds=options.stop_seconds),
        credentials={options.access_key: secret} if secret else None,
        region=options.region,
        with_aws=options.with_aws,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )
    try:
        neptune.start()
    except OSError as error:
        print(f"neptune-ml-local: cannot serve at {options.host}:{options.port}: {error}", file=sys.stderr)
        return 1
    beside = " with S3, STS, IAM and Neptune" if options.with_aws else ""
    print(f"Neptune ML{beside} at {neptune.url}: use it as endpoint_url; Ctrl-C stops it", flush=True)
    if options.ready_file is not None:
        # Renamed when it is whole: whoever waits for the file must not read it empty.
        written = options.ready_file.with_name(f"{options.ready_file.name}.{os.getpid()}")
        written.write_text(neptune.url)
        written.replace(options.ready_file)
    # A wait without timeout would keep Python from running the signal handlers on some platforms.
    while not asked_to_stop.wait(0.5):
        pass
    neptune.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
