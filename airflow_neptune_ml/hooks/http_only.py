"""Members that AWS documents for the HTTP API and that botocore's model lacks, so that boto3 refuses them.

They travel past botocore's check of the arguments and are put into the body before it is signed. Whatever an installed
botocore knows goes the usual way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

HTTP_ONLY: Mapping[str, frozenset[str]] = {
    "StartMLDataProcessingJob": frozenset({"enableInterContainerTrafficEncryption"}),
    "StartMLModelTrainingJob": frozenset(
        {"enableInterContainerTrafficEncryption", "maxWaitTime", "modelName"}
    ),
}
"""By operation; from the Neptune ML guide's pages on the dataprocessing and modeltraining commands."""

_KEPT = "neptune_ml_http_only"


def take_out(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    """Keep what botocore would refuse; a ``before-parameter-build`` handler."""
    if model.name in HTTP_ONLY:
        unknown = HTTP_ONLY[model.name] - set(model.input_shape.members)
        context[_KEPT] = {name: params.pop(name) for name in unknown & params.keys()}


def put_back(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Add to the body what was kept; a ``before-call`` handler, which comes before the signature."""
    if context.get(_KEPT):
        params["body"] = json.dumps({**json.loads(params["body"]), **context[_KEPT]}).encode()
