"""What boto3 sends is what the service reads, and what the service answers is what boto3 gives."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_neptune_ml.local import Fault, LocalNeptuneML
from airflow_neptune_ml.local.model import check

# A model of its own: what boto3 has, without the members that the local service adds.
MODEL = ServiceModel(Loader().load_service_model("neptunedata", "service-2"), "neptunedata")
OPERATIONS = [
    name
    for name in MODEL.operation_names
    if MODEL.operation_model(name).http["requestUri"].startswith("/ml/")
]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["a/b", "a b", "ä", "%2F", "?x=1&y", "#", "+", "a;b", "~", "..a", "\n", '"', "\\", "é" * 50, "x" * 300]
)
# Dot segments never arrive: urllib3 resolves them as part of the path.
LABELS = TEXTS.filter(lambda text: text not in ("", ".", ".."))


def values(shape: Shape) -> st.SearchStrategy[Any]:
    """Whatever the model allows for a shape."""
    match shape.type_name:
        case "string":
            return LABELS if shape.serialization.get("location") == "uri" else TEXTS
        case "integer" | "long":
            bits = 31 if shape.type_name == "integer" else 63
            return st.integers(shape.metadata.get("min", -(2**bits)), shape.metadata.get("max", 2**bits - 1))
        case "boolean":
            return st.booleans()
        case "list":
            return st.lists(values(shape.member), max_size=3)
        case "map":
            return st.dictionaries(TEXTS, values(shape.value), max_size=3)
        case "structure":
            members = {name: values(member) for name, member in shape.members.items()}
            required = {name: members.pop(name) for name in shape.required_members}
            return st.fixed_dictionaries(required, optional=members)
    raise AssertionError(f"no strategy for {shape.type_name}")


def test_there_are_sixteen_operations() -> None:
    """All ML operations of the API model are put to the test."""
    assert len(OPERATIONS) == 16


@pytest.mark.parametrize("operation", [*OPERATIONS, "GetEngineStatus"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_round_trip(
    operation: str, neptune_ml_server: LocalNeptuneML, session_client: Any, data: st.DataObject
) -> None:
    """Every request that the model allows is read as it was given, and every answer arrives as it was meant."""
    described = MODEL.operation_model(operation)
    params = data.draw(values(described.input_shape)) if described.input_shape else {}
    answer = data.draw(values(described.output_shape))
    neptune_ml_server.clear_faults()
    neptune_ml_server.fault(Fault(operation, answer=answer))

    got = getattr(session_client, xform_name(operation))(**params)

    read = neptune_ml_server.requests[-1]
    assert (read.operation, dict(read.params)) == (operation, params)
    got.pop("ResponseMetadata")
    assert got == answer
    check(operation, read.params)
