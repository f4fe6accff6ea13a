"""What a Gremlin query that wants a prediction is answered: the guide's "List of exceptions for Neptune ML
Gremlin"."""

from __future__ import annotations

import re
import uuid
from typing import Any

from airflow_neptune_ml.local.errors import bad_request
from airflow_neptune_ml.local.store import Store

_ENDPOINT = re.compile(r"""["']Neptune#ml\.endpoint["']\s*,\s*["']([^"']*)["']""")
NOT_FOUND = "Endpoint {} not found."
"""The guide's text for an endpoint that does not exist. SageMaker says the same of one that is not in
service."""

PREDICTION = "a prediction of the local Neptune ML"


def answer_query(query: str, store: Store) -> dict[str, Any]:
    """Return one value for a query, whatever it asks.

    :raises ServiceError: It names a SageMaker endpoint that is not in service. Neptune's own id is no such
        name.
    """
    for name in _ENDPOINT.findall(query):
        serving = [job.names.of(job.kind.stages[0]) for job in store.all() if job.serves]
        if name not in serving:
            raise bad_request(NOT_FOUND.format(name))
    return {
        "requestId": str(uuid.uuid4()),
        "status": {"code": 200, "message": "", "attributes": {"@type": "g:Map", "@value": []}},
        "result": {
            "data": {"@type": "g:List", "@value": [PREDICTION]},
            "meta": {"@type": "g:Map", "@value": []},
        },
    }
