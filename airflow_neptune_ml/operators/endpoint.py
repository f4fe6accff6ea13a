"""Inference endpoints, which bill until they are deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_neptune_ml.arguments import boolean
from airflow_neptune_ml.operators.start import NeptuneMLStartJobOperator

if TYPE_CHECKING:
    from airflow_neptune_ml.jobs import JobStatus


class NeptuneMLCreateEndpointOperator(NeptuneMLStartJobOperator):
    """Create an inference endpoint, or update one so that it serves another model (``CreateMLEndpoint``).

    Give exactly one of ``ml_model_training_job_id`` and ``ml_model_transform_job_id``. For a pipeline that
    brings a new model to one endpoint again and again, give ``job_id`` and ``if_exists="update"``: the first
    run creates the endpoint, and every later run updates it. A retry adopts the endpoint that the first try
    of this run has begun to create. If somebody else is creating the endpoint, the task waits until it is in
    service, and then updates it.

    With ``update=True`` the endpoint ``job_id`` must exist. An endpoint that is updated serves its old model
    until the new one is ready. The task waits until then, and fails if the update was rolled back. An update
    cannot be cancelled, so ``on_timeout`` and ``cancel_on_kill`` have no effect on it. An endpoint takes one
    update at a time. If an update by somebody else, or by an earlier try, is under way, the task first waits
    in the worker until that update is over.

    **An endpoint bills until it is deleted**: see
    :class:`~airflow_neptune_ml.operators.cancel.NeptuneMLDeleteEndpointOperator`.

    **XCom**: the keys of :class:`~airflow_neptune_ml.operators.start.NeptuneMLStartJobOperator`, and

    * ``endpoint_name``: SageMaker's name of the endpoint, which queries need (Gremlin's
      ``Neptune#ml.endpoint``)

    Every argument below is templated. An argument that you leave out is not sent, so that AWS's default
    applies.

    :param ml_model_training_job_id: the id of the completed training job whose model the endpoint serves
    :param ml_model_transform_job_id: the id of the completed transform job whose artifacts the endpoint
        serves
    :param update: update the existing endpoint ``job_id`` and do not create one
    :param if_exists: ``adopt`` and ``fail`` as for all start operators. ``update``: create the endpoint
        ``job_id``, or update it if it exists. This argument is not templated
    :param model_name: such as ``rgcn``, ``kge``, ``transe``, ``distmult`` or ``rotate``. AWS's default: the
        model of the training
    :param instance_type: the instance that serves. AWS's default: ``ml.m5.xlarge``, about 166 USD a month
    :param instance_count: the least number of instances. AWS's default: 1
    :param volume_encryption_kms_key: KMS key for the instances' disks
    :param poll_interval: seconds (or a timedelta) between two polls of the endpoint. Default: 30
    :param timeout: seconds (or a timedelta) that the endpoint may take until it is in service. Default: 1
        hour; mostly it takes 5 to 10 minutes

    The other arguments, and the errors, are those of
    :class:`~airflow_neptune_ml.operators.start.NeptuneMLStartJobOperator`. Source: AWS's API reference.

    :raises UpdateRolledBack: the update failed, and the endpoint serves its old model again
    """

    kind = "endpoint"
    members: ClassVar[Mapping[str, str]] = {
        "ml_model_training_job_id": "mlModelTrainingJobId",
        "ml_model_transform_job_id": "mlModelTransformJobId",
        "update": "update",
        "model_name": "modelName",
        "instance_type": "instanceType",
        "instance_count": "instanceCount",
        "volume_encryption_kms_key": "volumeEncryptionKMSKey",
    }
    if_exists_choices: ClassVar[Sequence[str]] = ("adopt", "fail", "update")
    template_fields: Sequence[str] = (*members, *NeptuneMLStartJobOperator.template_fields)

    def __init__(
        self,
        *,
        ml_model_training_job_id: str | None = None,
        ml_model_transform_job_id: str | None = None,
        update: bool | str = False,
        model_name: str | None = None,
        instance_type: str | None = None,
        instance_count: int | str | None = None,
        volume_encryption_kms_key: str | None = None,
        poll_interval: float | timedelta = 30,
        timeout: float | timedelta = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(poll_interval=poll_interval, timeout=timeout, **kwargs)
        self.ml_model_training_job_id = ml_model_training_job_id
        self.ml_model_transform_job_id = ml_model_transform_job_id
        self.update = update
        self.model_name = model_name
        self.instance_type = instance_type
        self.instance_count = instance_count
        self.volume_encryption_kms_key = volume_encryption_kms_key
        self._note_given_ids()

    def result_of(self, job: JobStatus) -> dict[str, Any]:
        """Return the XCom for an endpoint."""
        result = super().result_of(job)
        return {**result, "endpoint_name": result["sagemaker_names"].get("endpoint")}

    @property
    def updates(self) -> bool:
        """Whether an existing endpoint is updated, and none created."""
        from airflow_neptune_ml.job_ids import is_missing

        return not is_missing(self.update) and boolean("update", self.update)
