"""The life-cycle example DAGs as they stand in Airflow, in each mode, with looks often enough for a test."""

import re
from datetime import timedelta
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3] / "example_dags"

for name in ("first_model", "incremental_retraining", "tuning"):
    for mode in ("sync", "deferrable"):
        default_args = {
            "aws_conn_id": "quick",
            "deferrable": mode == "deferrable",
            "poll_interval": 0.5,
            # A busy scheduler of Airflow 3.3.2 can take the end of a short deferral for a failure. The retry adopts
            # the job, which is the point.
            "retries": 1,
            "retry_delay": timedelta(seconds=1),
        }
        source, changes = re.subn(
            rf'DAG\(\s*"{name}",',
            f'DAG("{name}_{mode}", default_args=default_args,',
            (EXAMPLES / f"{name}.py").read_text(),
            count=1,
        )
        assert changes == 1
        module = {"__name__": f"{name}_{mode}", "__doc__": name, "default_args": default_args}
        exec(compile(source, f"{name}_{mode}", "exec"), module)
