"""
What an operator costs the parse of a DAG file: CPU, against the same file with a plain BaseOperator.

Airflow's DAG processor reads every DAG file every 30 seconds, each time in a fresh fork of a process that has
imported Airflow, its plugins, and the modules named `airflow.*` that the file imports. Anything else that an
operator's module imports is paid for in each of those parses. This does the same, with the DAG processor's own
functions: it forks once per parse and takes the cases in turns, so that a slower minute of the machine hits all of
them. It is the median of several runs that is held to the limits.
"""

# ruff: noqa: E402  the environment comes first: Airflow reads it when it is imported
from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.dont_write_bytecode = False  # a DAG processor finds modules compiled
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="parse-"))
warnings.simplefilter("ignore")  # Airflow's own, about its dependencies

# What a running `airflow dag-processor` has imported when it forks.
import airflow.api_fastapi.execution_api.app
import airflow.cli.commands.dag_processor_command  # noqa: F401
import structlog
from airflow.dag_processing.processor import (
    DagFileParseRequest,
    _parse_file,
    _pre_import_airflow_modules,
)
from airflow.jobs.job import Job
from rows import Row, tell

DAG_FILE = """
from airflow_neptune_ml.airflow_versions import DAG, BaseOperator
{imports}

with DAG("{name}", schedule=None, params={{"job_id": "my-job"}}):
    {operator}
"""
CASES = {
    "plain": ("", 'BaseOperator(task_id="task")'),
    "ours": (
        "from airflow_neptune_ml.operators import NeptuneMLCancelTrainingOperator",
        'NeptuneMLCancelTrainingOperator(task_id="task", job_id="{{ params.job_id }}")',
    ),
    "start": (
        "from airflow_neptune_ml.operators import NeptuneMLStartTrainingOperator",
        'NeptuneMLStartTrainingOperator(task_id="task", data_processing_job_id="{{ params.job_id }}", '
        'train_model_s3_location="s3://bucket/models")',
    ),
}
TITLES = {
    "ours": "NeptuneMLCancelTrainingOperator",
    "start": "NeptuneMLStartTrainingOperator",
}
UNWANTED = ("boto3", "botocore", "airflow.providers.amazon")
LIMITS = {"ours": 1.05, "start": 1.10}
"""How much more than a plain BaseOperator each may cost."""


def write_dag_files(folder: Path) -> dict[str, Path]:
    files = {}
    for name, (imports, operator) in CASES.items():
        files[name] = folder / f"{name}.py"
        files[name].write_text(DAG_FILE.format(name=name, imports=imports, operator=operator))
    return files


def parse(file: Path) -> dict[str, object]:
    """Parse in a fork, as the DAG processor does. Returns CPU milliseconds and what was imported of UNWANTED."""
    inherited = set(sys.modules)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        request = DagFileParseRequest(
            file=str(file), bundle_path=file.parent, bundle_name="dags-folder", callback_requests=[]
        )
        started = time.process_time()
        result = _parse_file(request, structlog.get_logger())
        spent = (time.process_time() - started) * 1000
        found = {
            "cpu_ms": spent,
            "dags": len(result.serialized_dags),
            "errors": result.import_errors,
            "loaded": [name for name in set(sys.modules) - inherited if name.startswith(UNWANTED)],
        }
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    found = json.loads(answer)
    assert found["dags"] == 1, f"{file.name} did not parse: {found['errors']}"
    return found


def measure(files: dict[str, Path], runs: int, rounds: int) -> list[dict[str, float]]:
    """Return for each of several runs the medians of its rounds: CPU milliseconds by case."""
    medians = []
    for _ in range(runs):
        parsed = [{name: parse(file)["cpu_ms"] for name, file in files.items()} for _ in range(rounds)]
        medians.append({name: statistics.median(one[name] for one in parsed) for name in files})
    return medians


def row_of(name: str, runs: list[dict[str, float]]) -> Row:
    """Return the row of a case; its ratio is that of the medians."""
    ours, plain = (statistics.median(run[case] for run in runs) for case in (name, "plain"))
    return Row(f"Parse of a DAG file: {TITLES[name]}", "ms", ours, plain, "BaseOperator", LIMITS[name], "CPU")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--runs", type=int, default=15, help="how many ratios the told one is the median of")
    parser.add_argument("--json", action="store_true", help="print the rows of the table as JSON")
    parser.add_argument("--rounds", type=int, default=10, help="forks of each case in a run")
    arguments = parser.parse_args()

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    Job()  # the DAG processor's: Airflow loads its plugins when one is made
    with tempfile.TemporaryDirectory() as folder:
        files = write_dag_files(Path(folder))
        for file in files.values():
            _pre_import_airflow_modules(str(file), structlog.get_logger())
            parse(file)  # the first one compiles modules to bytecode
        gc.freeze()
        runs = measure(files, arguments.runs, arguments.rounds)
        loaded = [name for case in LIMITS for name in parse(files[case])["loaded"]]

    assert not loaded, f"our operators load {', '.join(sorted(set(loaded)))}"
    return tell([row_of(name, runs) for name in LIMITS])


if __name__ == "__main__":
    sys.exit(main())
