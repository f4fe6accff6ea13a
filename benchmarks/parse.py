"""
What an operator costs the parse of a DAG file: CPU, against the same file with a plain BaseOperator.

Airflow's DAG processor reads every DAG file every 30 seconds, each time in a fresh fork of a process that has
Airflow imported, and the modules named `airflow.*` that the file imports. Anything else that an operator's module
imports is paid for in each of those parses. This does the same, with the DAG processor's own functions: it forks
once per parse and takes the cases in turns, so that a slower minute of the machine hits all of them.
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
    "aws": (
        "from outside_provider import NeptuneStopDbClusterOperator",
        'NeptuneStopDbClusterOperator(task_id="task", db_cluster_id="{{ params.job_id }}")',
    ),
}
TITLES = {
    "plain": "BaseOperator",
    "ours": "NeptuneMLCancelTrainingOperator",
    "start": "NeptuneMLStartTrainingOperator",
    "aws": "Amazon's base operator, from outside",
}
# A provider outside `airflow.*` that is written as Amazon's are: Airflow does not import it before it forks.
OUTSIDE_PROVIDER = "from airflow.providers.amazon.aws.operators.neptune import NeptuneStopDbClusterOperator\n"
UNWANTED = ("boto3", "botocore", "airflow.providers.amazon")
LIMIT = 1.1


def write_dag_files(folder: Path) -> dict[str, Path]:
    (folder / "outside_provider.py").write_text(OUTSIDE_PROVIDER)
    sys.path.insert(0, str(folder))
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


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    arguments.add_argument("--rounds", type=int, default=60)
    rounds = arguments.parse_args().rounds

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as folder:
        files = write_dag_files(Path(folder))
        for file in files.values():
            _pre_import_airflow_modules(str(file), structlog.get_logger())
            parse(file)  # the first one compiles modules to bytecode
        gc.freeze()
        runs = [{name: parse(file) for name, file in files.items()} for _ in range(rounds)]

    median = {name: statistics.median(run[name]["cpu_ms"] for run in runs) for name in files}
    print(f"CPU to parse a DAG file with one task; medians of {rounds} forks each, taken in turns")
    for name, title in TITLES.items():
        ratio, more = median[name] / median["plain"], median[name] - median["plain"]
        print(f"  {title:38} {median[name]:7.2f} ms {ratio:6.2f} x {more:+8.2f} ms")

    ratio = median["ours"] / median["plain"]
    loaded = [*runs[-1]["ours"]["loaded"], *runs[-1]["start"]["loaded"]]
    print(f"Loaded by our operators of {', '.join(UNWANTED)}: {', '.join(sorted(loaded)) or 'none'}")
    print(f"Ratio of the one that cancels: {ratio:.3f} (limit {LIMIT})")
    return 0 if ratio <= LIMIT and not loaded else 1


if __name__ == "__main__":
    sys.exit(main())
