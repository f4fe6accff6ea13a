"""Tasks that note the try and the generation they run in: retried, mapped, deferred, and cleared at any time."""

import json
import os
import time
from datetime import timedelta
from pathlib import Path

from airflow.triggers.temporal import TimeDeltaTrigger

from airflow_neptune_ml.airflow_versions import DAG, BaseOperator, TaskGroup


class NumberedOperator(BaseOperator):
    """
    Notes its numbers in a file, then does what its plan has for this try.

    :param plan: a word for each try: `fail`, `defer`, `defer_long`, `sleep` or `ok`; after the last word, `ok`
    """

    def __init__(self, *, plan: str = "", **kwargs) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def execute(self, context):
        try_number = context["ti"].try_number
        self.note("execute", context)
        words = self.plan.split()
        word = words[try_number - 1] if try_number <= len(words) else "ok"
        if word == "fail":
            raise RuntimeError("as planned")
        if word == "sleep":
            time.sleep(300)
        if word in ("defer", "defer_long"):
            # Not 0: a task that comes back before the scheduler knows that it had left is retried for no reason.
            delay = timedelta(hours=1) if word == "defer_long" else timedelta(seconds=3)
            # From where Airflow 2 has it; Airflow 3 still finds it there.
            self.defer(trigger=TimeDeltaTrigger(delay), method_name="execute_complete")  # noqa: AIR312

    def execute_complete(self, context, event=None):
        self.note("execute_complete", context)

    def note(self, method, context):
        # A file, because XComs go away with the next try.
        ti = context["ti"]
        line = {
            "task": f"{ti.task_id}[{ti.map_index}]" if ti.map_index >= 0 else ti.task_id,
            "method": method,
            "run_id": ti.run_id,
            "try_number": ti.try_number,
            "max_tries": ti.max_tries,
            "retries": self.retries,
        }
        # One short write to a file opened for appending stays whole when several tasks write at once.
        with Path(os.environ["AIRFLOW_HOME"], "generation.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


with DAG("generation", schedule=None, default_args={"retries": 1, "retry_delay": timedelta(0)}):
    NumberedOperator(task_id="retried", retries=2, plan="fail ok fail ok")
    NumberedOperator(task_id="without_retries", retries=0)
    with TaskGroup("group"):
        NumberedOperator.partial(task_id="mapped").expand(plan=["ok", "fail fail fail"])
    NumberedOperator(task_id="deferred", plan="defer_long defer")
    NumberedOperator(task_id="running", plan="sleep")
