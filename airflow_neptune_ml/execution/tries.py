"""One try of a task as a value: Airflow's arithmetic of retries and clears stands here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_neptune_ml.airflow_versions import IS_AIRFLOW_3, AirflowFailException
from airflow_neptune_ml.execution.started_jobs import family_of
from airflow_neptune_ml.job_families import JobFamily


@dataclass(frozen=True)
class Try:
    """One try of a task instance.

    :param number: Airflow's ``try_number``: 1, 2, ... over retries and clears
    :param max_tries: Airflow's ``max_tries`` of the task instance
    :param retries: the task's ``retries`` as the DAG file has them now
    :param map_index: of a mapped task's instance; -1 for a task that is not mapped
    :param family: the ids of the jobs that the task may start in this DAG run
    :param policy_ends: tells whether the task's retry policy (from Airflow 3.3 on) makes no other try after
        an error
    """

    number: int
    max_tries: int
    retries: int
    map_index: int
    family: JobFamily
    policy_ends: Callable[[BaseException], bool] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, context: Any, task: Any) -> Try:
        """Read the try of a task from the context that Airflow gives."""
        ti = context["ti"]
        family = family_of(ti.task_id, dag_id=ti.dag_id, run_id=ti.run_id)
        policy: Any = getattr(task, "retry_policy", None)

        def ends(error: BaseException) -> bool:
            try:
                asked = {"exception": error, "try_number": ti.try_number, "max_tries": ti.max_tries}
                return bool(policy.evaluate(**asked, context=context).action.value == "fail")
            except Exception:
                return False  # as Airflow does with a policy that fails

        return cls(
            ti.try_number, ti.max_tries, task.retries or 0, ti.map_index, family, ends if policy else None
        )

    @property
    def generation(self) -> int:
        """How often the user has asked for this job: a clear starts a new generation, a retry does not.

        Airflow sets ``max_tries`` to the tries so far plus the task's retries when a user clears the task,
        and leaves it alone when it retries, also when the DAG's ``retries`` were edited meanwhile. Two clears
        lead to the same number, and so count as retries: that of a running task, on Airflow 2, or on Airflow
        3 if its worker was lost; and one after ``retries`` was lowered by just as many tries as were used.
        """
        return self.max_tries

    @property
    def is_first(self) -> bool:
        """Whether Airflow counts no earlier try of this task instance, of any generation."""
        return self.number == 1

    @property
    def is_retry(self) -> bool:
        """Whether an earlier try served the same generation."""
        # Before this generation there were max_tries - retries tries. The difference is negative if retries
        # were raised in the DAG file since.
        return self.number > max(self.max_tries - self.retries, 0) + 1

    @property
    def was_cleared(self) -> bool:
        """Whether a user may have cleared the task in this run."""
        return self.max_tries != self.retries

    def has_started(self, pushed: str | None, given: str | None) -> bool:
        """Tell whether an earlier process of this try has told that it started a job of this generation.

        Airflow's number does not tell: with Celery a message that was delivered twice runs one try twice.

        :param pushed: the id that this task instance has told, if any
        :param given: the id that the user has chosen, if any
        """
        if pushed is None:
            return False
        map_index, generation, _ = self.family.position(pushed) or (None, None, None)
        return pushed == given or (map_index, generation) == (self.map_index, self.generation)

    def another_follows(self, error: BaseException | None = None) -> bool:
        """Tell whether Airflow makes another try after this one, if it ends with *error*.

        Airflow 2 retries nothing any more once the DAG file says ``retries=0``, whatever ``max_tries`` says.
        Airflow 3 does not ask the DAG file.
        """
        retries = self.max_tries if IS_AIRFLOW_3 else self.retries
        if isinstance(error, AirflowFailException) or not retries or self.number > self.max_tries:
            return False
        return error is None or self.policy_ends is None or not self.policy_ends(error)

    def job_id(self, attempt: int, generation: int | None = None) -> str:
        """Return the derived id of an attempt of this generation, or of an earlier one."""
        which = self.generation if generation is None else generation
        return self.family.job_id(generation=which, attempt=attempt, map_index=self.map_index)
