"""Handing a wait to a triggerer, and whether Airflow can, before anything is started."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_neptune_ml.arguments import ConnectionArguments
from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError

if TYPE_CHECKING:
    from airflow_neptune_ml.triggers.neptune_ml import NeptuneMLJobTrigger
    from airflow_neptune_ml.waiting import Wait


def trigger_for(wait: Wait, connection: ConnectionArguments, **more: Any) -> NeptuneMLJobTrigger:
    """Return the trigger that goes on with a wait.

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
        **connection.to_dict(),
    )


def check_deferral(connection: ConnectionArguments) -> None:
    """Refuse what Airflow cannot store with a trigger.

    :raises NeptuneMLConfigurationError: names the argument
    """
    for argument, value in connection.to_dict().items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise NeptuneMLConfigurationError(
                f"{argument} cannot be handed to the triggerer: {error}. Use plain values, or deferrable=False."
            ) from None
