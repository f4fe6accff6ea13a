"""Model transform: a trained model's artifacts are computed for new data."""

from __future__ import annotations

from airflow_neptune_ml.operators.cancel import NeptuneMLCancelJobOperator


class NeptuneMLCancelTransformOperator(NeptuneMLCancelJobOperator):
    """Stop a Neptune ML model-transform job (``CancelMLModelTransformJob``).

    Arguments, XCom and errors: :class:`~airflow_neptune_ml.operators.cancel.NeptuneMLCancelJobOperator`.
    """

    kind = "modeltransform"
