"""``neptune-ml doctor``: what is wrong between Airflow and the cluster, and how to cure it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from airflow_neptune_ml.cli.checks.access import check_access
from airflow_neptune_ml.cli.checks.connection import check_connection
from airflow_neptune_ml.cli.checks.deployment import check_deployment
from airflow_neptune_ml.cli.checks.findings import Finding, Result
from airflow_neptune_ml.cli.checks.network import check_network
from airflow_neptune_ml.cli.cluster_jobs import hook_for
from airflow_neptune_ml.cli.job_rows import print_rows
from airflow_neptune_ml.cli.process import FINE, FOUND, command
from airflow_neptune_ml.hooks import NeptuneMLHook


@command
def doctor(args: Namespace) -> int:
    """Check everything."""
    findings = list(_findings(hook_for(args)))
    print_rows([finding.row() for finding in findings], args.output)
    return FOUND if any(finding.result is Result.FAILED for finding in findings) else FINE


def _findings(hook: NeptuneMLHook) -> Iterator[Finding]:
    """Yield all findings; after a failure, what depends on it is not checked."""
    yield from check_deployment()
    for check, title in ((check_connection, "address"), (check_network, "credentials"), (check_access, None)):
        findings = list(check(hook))
        yield from findings
        failed = [finding.check for finding in findings if finding.result is Result.FAILED]
        if failed and title:
            yield Finding.skipped(f"{title} and what follows", f"It depends on: {', '.join(failed)}.")
            return
