"""
What importing an operator costs a new process that has Airflow's SDK, against one of the Amazon provider's.

    python benchmarks/imports.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from rows import Row, tell

ROUNDS = 7
SCRIPT = """
import os, tempfile, time, warnings
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp()
warnings.simplefilter("ignore")
from airflow_neptune_ml.airflow_versions import BaseOperator
began = time.process_time()
{imports}
print("spent", time.process_time() - began)
"""
OURS = "from airflow_neptune_ml.operators import {}"
THEIRS = "from airflow.providers.amazon.aws.operators.neptune import NeptuneStopDbClusterOperator"
CASES = {
    "Import of the cancel operator": OURS.format("NeptuneMLCancelTrainingOperator"),
    "Import of a start operator": OURS.format("NeptuneMLStartTrainingOperator"),
    "Import of the sensor": "from airflow_neptune_ml.sensors import NeptuneMLJobSensor",
}


def cpu_ms(imports: str) -> float:
    """Import in a new process; return the milliseconds of CPU."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(imports=imports)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.rpartition("spent ")[2]) * 1000


def main() -> int:
    spent: dict[str, list[float]] = {name: [] for name in (*CASES, "theirs")}
    for _ in range(ROUNDS):
        for name, imports in {**CASES, "theirs": THEIRS}.items():
            spent[name].append(cpu_ms(imports))
    theirs = statistics.median(spent["theirs"])
    return tell(
        [
            Row(name, "ms", statistics.median(spent[name]), theirs, "an operator of the Amazon provider", 0.2)
            for name in CASES
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
