"""Members that AWS documents for the HTTP API and that botocore's model lacks, so that boto3 refuses them.

Like those that a caller gives under :data:`EXTRA`, they are taken out before botocore checks the arguments,
and put into the body before it is signed. Members that the installed botocore knows are not touched.
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
    "StartMLModelTransformJob": frozenset({"enableInterContainerTrafficEncryption"}),
}
"""The members by operation. Source: the Neptune ML guide on the commands that start jobs."""

EXTRA = "extra_request"
"""The key of a request under which members stand that are sent as they are: AWS may have added them since."""

_KEPT = "neptune_ml_http_only"


def take_out(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    """Take out the members that botocore would refuse: a ``before-parameter-build`` handler."""
    kept = dict(params.pop(EXTRA, None) or {})
    if model.name in HTTP_ONLY:
        unknown = HTTP_ONLY[model.name] - set(model.input_shape.members)
        kept |= {name: params.pop(name) for name in unknown & params.keys()}
    context[_KEPT] = kept


def put_back(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Put the members back into the body: a ``before-call`` handler, which runs before the signing."""
    if context.get(_KEPT):
        params["body"] = json.dumps({**json.loads(params["body"]), **context[_KEPT]}).encode()
