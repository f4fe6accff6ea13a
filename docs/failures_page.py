"""Write the table of docs/errors.md from the package's own: python docs/failures_page.py."""

from __future__ import annotations

from pathlib import Path

from airflow_neptune_ml.failures import FAILURES, Cure, Failure, Quota

PAGE = Path(__file__).parent / "errors.md"
BEGIN, END = "<!-- the table of failures: written by failures_page.py -->", "<!-- end of the table -->"
QUOTAS = {
    "`... is 0 Instances`": Quota("<name>", 0),
    "`request delta of` a number that is greater than the limit": Quota("<name>", 2, 3),
    "`The account-level service limit '<name>' is ..., with current utilization of ...`": Quota("<name>", 2),
}
RETRIES = {
    Cure.WAITING: "yes, each time",
    Cure.RETRY: "yes, until the same reason comes twice in a row",
    Cure.CHANGE: "no",
}


def table() -> str:
    """Return the table: each kind of failure, its words, what a message says, and what Airflow's retries do."""
    rows = [(signs, quota.failure()) for signs, quota in QUOTAS.items()]
    rows += [(", ".join(f"`{sign}`" for sign in failure.signs), failure) for failure in FAILURES]
    lines = ["| failure | words of it | the error begins with | retried |", "|---|---|---|---|"]
    return "\n".join(lines + [_row(signs, failure) for signs, failure in rows])


def render(page: str) -> str:
    """Return the page with the table as it is now."""
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


def _row(signs: str, failure: Failure) -> str:
    return f"| {failure.name} | {signs} | {failure.advice} | {RETRIES[failure.cure]} |"


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
