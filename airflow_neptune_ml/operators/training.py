"""Model training, on GPU instances that bill by the hour until the job ends or is stopped."""

from __future__ import annotations

from airflow_neptune_ml.operators.cancel import NeptuneMLCancelJobOperator


class NeptuneMLCancelTrainingOperator(NeptuneMLCancelJobOperator):
    """Stop a Neptune ML model-training job (``CancelMLModelTrainingJob``).

    Arguments, XCom and errors: :class:`~airflow_neptune_ml.operators.cancel.NeptuneMLCancelJobOperator`.
    """

    kind = "modeltraining"
