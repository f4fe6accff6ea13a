"""Inference endpoints, which bill until they are deleted."""

from __future__ import annotations

from airflow_neptune_ml.operators.cancel import NeptuneMLCancelJobOperator


class NeptuneMLDeleteEndpointOperator(NeptuneMLCancelJobOperator):
    """Delete a Neptune ML inference endpoint (``DeleteMLEndpoint``).

    An endpoint in service, or one that failed, is deleted too; the wait ends when the service does not know it
    any more. ``job_id`` is the endpoint's Neptune ML id, not its SageMaker name.

    Arguments, XCom and errors: :class:`~airflow_neptune_ml.operators.cancel.NeptuneMLCancelJobOperator`.
    """

    kind = "endpoint"
