"""Handing a wait to a triggerer: whether Airflow can, before anything is started, and with what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.connection_arguments import ConnectionArguments
from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError
from airflow_neptune_ml.progress import Log
from airflow_neptune_ml.waiting import Wait

if TYPE_CHECKING:
    from airflow_neptune_ml.execution.cluster import Cluster
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger


def can_be_deferred(connection: ConnectionArguments, log: Log, *, required: bool) -> bool:
    """Tell whether Airflow can store with a trigger how the cluster is reached.

    :param required: False if a job may run already: an argument that was edited meanwhile is no reason to end
        it
    :raises NeptuneMLConfigurationError: names the argument that it cannot store, if that is required
    """
    for argument, value in connection.to_dict().items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            why = f"{argument} cannot be handed to the triggerer: {error}. Use plain values, or deferrable=False."
            if required:
                raise NeptuneMLConfigurationError(why) from None
            log.warning("This try waits in the worker. %s", why)
            return False
    return True


def trigger_for(wait: Wait, cluster: Cluster, **more: Any) -> NeptuneMLJobTrigger:
    """Return the trigger that goes on with a wait, at the address that has worked.

    :param more: its arguments that a wait does not have
    """
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger

    return NeptuneMLJobTrigger(
        kind=wait.kind,
        job_id=wait.job_id,
        until=wait.until,
        poll_interval=wait.poll_interval,
        deadline=wait.deadline,
        visible_by=wait.visible_by,
        moment=wait.moment,
        **more,
        **cluster.pinned().to_dict(),
    )
