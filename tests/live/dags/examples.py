"""The life-cycle example DAGs in each mode, with polls often enough for a test.

They keep their own `retries`: a busy scheduler of Airflow 3.3.2 can take the end of a short deferral for a failure. The
retry adopts the job.
"""

import re
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3] / "example_dags"

for name in ("first_model", "incremental_retraining", "nightly", "tuning"):
    for mode in ("sync", "deferrable"):
        test_args = {
            "aws_conn_id": "{{ dag_run.conf.get('connection', 'quick') }}",
            "deferrable": mode == "deferrable",
            "poll_interval": 0.5,
        }
        source, changes = re.subn(
            rf'DAG\(\s*"{name}",(.*?)default_args={{',
            rf'DAG("{name}_{mode}",\1default_args={{**test_args, ',
            (EXAMPLES / f"{name}.py").read_text(),
            count=1,
            flags=re.DOTALL,
        )
        assert changes == 1
        # A test triggers its runs itself.
        source = re.sub(r'schedule="0 2 [*] [*] [*]"', "schedule=None", source)
        source = source.replace("is_paused_upon_creation=True", "is_paused_upon_creation=False")
        module = {"__name__": f"{name}_{mode}", "__doc__": name, "test_args": test_args}
        exec(compile(source, f"{name}_{mode}", "exec"), module)
