"""Which jobs may be cancelled when a run has ended."""

from airflow_neptune_ml.execution import final_jobs
from airflow_neptune_ml.job_families import JobFamily
from tests.policy.conftest import RUN


def test_a_job_that_no_task_of_the_run_has_started_is_kept(run):
    """Whoever has listed it."""
    families = {"train": JobFamily.of("", "d", RUN, "train")}
    run.states["train"] = {-1: "failed"}
    mine = families["train"].job_id(generation=0, attempt=1, map_index=-1)
    jobs = {"other": None, mine: final_jobs.instance_of(mine, families)}
    final, kept = final_jobs.final_only(jobs, "d", RUN, None)
    assert final == [mine]
    assert kept == {"other": ("no task of this run has started it", False)}
