"""A retry policy for Neptune ML tasks, for Airflow 3.3 and later: older ones have no retry policies.

Nothing else in this package imports this module, so that nobody else pays for it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError
from airflow_neptune_ml.failures import CAPACITY, QUOTAS, Cure, Failure

try:
    from airflow.sdk import RetryPolicy
    from airflow.sdk.definitions.retry_policy import RetryDecision
except ImportError as error:
    raise ImportError("NeptuneMLRetryPolicy needs Airflow 3.3 or later.") from error

if TYPE_CHECKING:
    from airflow_neptune_ml.airflow_versions import Context

__all__ = ["NeptuneMLRetryPolicy"]


class NeptuneMLRetryPolicy(RetryPolicy):
    """Wait before the next try as long as the failure needs: for a quota, or for capacity.

    A failure that only a change cures is not retried. All else is retried as the task's ``retries`` and
    ``retry_delay`` say::

        NeptuneMLStartTrainingOperator(..., retries=6, retry_policy=NeptuneMLRetryPolicy())

    :param quota_delay: how long to wait for room in a quota of SageMaker that is used up
    :param capacity_delay: how long to wait for an instance that AWS does not have
    """

    def __init__(
        self,
        *,
        quota_delay: timedelta = timedelta(minutes=10),
        capacity_delay: timedelta = timedelta(minutes=30),
    ) -> None:
        self.quota_delay = quota_delay
        self.capacity_delay = capacity_delay

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide what follows an error. Airflow itself ends the task if the error is fatal."""
        failure = getattr(exception, "failure", None)
        if isinstance(exception, NeptuneMLConfigurationError):
            return RetryDecision.fail("the configuration must change")
        if not isinstance(failure, Failure):
            return RetryDecision.default()
        if failure.cure is Cure.CHANGE:
            return RetryDecision.fail(failure.advice)
        if failure.name in QUOTAS:
            return RetryDecision.retry(self.quota_delay, failure.advice)
        if failure.name == CAPACITY.name:
            return RetryDecision.retry(self.capacity_delay, failure.advice)
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "__type": type(self).__name__,
            "quota_delay": self.quota_delay.total_seconds(),
            "capacity_delay": self.capacity_delay.total_seconds(),
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> NeptuneMLRetryPolicy:
        """Read what :meth:`serialize` wrote."""
        return cls(
            quota_delay=timedelta(seconds=data["quota_delay"]),
            capacity_delay=timedelta(seconds=data["capacity_delay"]),
        )
