"""Data processing: the graph's export becomes training data."""

from __future__ import annotations

from airflow_neptune_ml.operators.cancel import NeptuneMLCancelJobOperator


class NeptuneMLCancelDataProcessingOperator(NeptuneMLCancelJobOperator):
    """Stop a Neptune ML data-processing job (``CancelMLDataProcessingJob``).

    Arguments, XCom and errors: :class:`~airflow_neptune_ml.operators.cancel.NeptuneMLCancelJobOperator`.
    """

    kind = "dataprocessing"
