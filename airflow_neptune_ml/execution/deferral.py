"""Handing a wait to a triggerer: whether Airflow can, before anything is started."""

from __future__ import annotations

import json

from airflow_neptune_ml.arguments import ConnectionArguments
from airflow_neptune_ml.exceptions import NeptuneMLConfigurationError


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
