"""The connection's form as Airflow reads it: from metadata in 3.2 and later, from the hook's methods before."""

import importlib.util
import json
from importlib.metadata import version
from pathlib import Path

import airflow
import jsonschema
import pytest

from airflow_neptune_ml import connection_form
from airflow_neptune_ml.hooks import NeptuneMLHook
from airflow_neptune_ml.provider_info import get_provider_info

AIRFLOW_2 = version("apache-airflow").startswith("2.")
READS_METADATA = not version("apache-airflow").startswith(("2.", "3.0.", "3.1."))
(TYPE,) = get_provider_info()["connection-types"]


def strict_schema():
    """Return the schema that Airflow's own providers must keep, for one connection type."""
    schema = json.loads(Path(airflow.__path__[0], "provider.yaml.schema.json").read_text())
    return {**schema["properties"]["connection-types"]["items"], "definitions": schema.get("definitions", {})}


def test_the_metadata_keeps_airflows_strict_schema():
    """Airflow checks installed providers by a lax one, with which a wrong word is lost without a sound."""
    jsonschema.validate(TYPE, strict_schema())


@pytest.mark.skipif(not READS_METADATA, reason="its schema does not know these members")
@pytest.mark.parametrize("place", ["ui-field-behaviour", "conn-fields"])
def test_the_strict_schema_finds_a_wrong_word(place):
    """Else the test above would say nothing."""
    wrong = {**TYPE, place: {**TYPE[place], "region": {"lable": "AWS region"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, strict_schema())


def test_the_metadata_has_every_field():
    """In the form's order, with its label and what it means; what is missing there Airflow 3 never shows."""
    fields = {field.name: (field.label, field.description) for field in connection_form.FIELDS}
    shown = {name: (field["label"], field["description"]) for name, field in TYPE["conn-fields"].items()}
    assert list(shown.items()) == list(fields.items())


def test_the_hook_and_the_metadata_say_the_same():
    """Type, name, labels, hidden fields and placeholders, in the words of each."""
    behaviour = {
        key.replace("_", "-"): value for key, value in NeptuneMLHook.get_ui_field_behaviour().items()
    }
    assert behaviour == TYPE["ui-field-behaviour"]
    assert (TYPE["connection-type"], TYPE["hook-name"]) == (NeptuneMLHook.conn_type, NeptuneMLHook.hook_name)
    assert TYPE["hook-class-name"] == f"{NeptuneMLHook.__module__}.{NeptuneMLHook.__name__}"


@pytest.mark.skipif(not AIRFLOW_2, reason="later ones read metadata")
def test_airflow_2_shows_every_field_of_the_metadata():
    """With the same label, description and type."""
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    prefix = f"extra__{connection_form.CONNECTION_TYPE}__"
    shown = {
        name.removeprefix(prefix): {
            "label": info.field.args[0],
            "description": info.field.kwargs["description"],
            "type": {"StringField": ["string", "null"], "BooleanField": "boolean"}[
                info.field.field_class.__name__
            ],
        }
        for name, info in manager.connection_form_widgets.items()
        if name.startswith(prefix)
    }
    assert shown == {
        name: {"label": field["label"], "description": field["description"], "type": field["schema"]["type"]}
        for name, field in TYPE["conn-fields"].items()
    }
    assert list(shown) == list(TYPE["conn-fields"])
    assert manager.field_behaviours[connection_form.CONNECTION_TYPE]["relabeling"] == dict(
        connection_form.LABELS
    )


def shows_own_fields():
    """Tell whether this Airflow shows any provider's own fields: 3.0 and 3.1 do with the FAB provider's packages."""
    return READS_METADATA or (not AIRFLOW_2 and importlib.util.find_spec("wtforms") is not None)


@pytest.mark.skipif(
    not shows_own_fields(), reason="no provider's own fields are shown, or the webserver does it"
)
def test_airflow_3_shows_every_field_of_the_metadata():
    """As its API tells the UI."""
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    (shown,) = (
        meta
        for meta in HookMetaService.hook_meta_data()
        if meta.connection_type == connection_form.CONNECTION_TYPE
    )
    assert shown.hook_name == "Amazon Neptune ML"
    assert list(shown.extra_fields) == list(TYPE["conn-fields"])
    assert shown.standard_fields.host.title == "Cluster endpoint"
    assert shown.standard_fields.url_schema.hidden


def test_every_field_of_the_form_is_used():
    """A field that nothing reads would be a false promise; each is read in tests/hooks/test_neptune_ml_connection.py."""
    text = Path(__file__).with_name("hooks").joinpath("test_neptune_ml_connection.py").read_text()
    assert [field.name for field in connection_form.FIELDS if f'"{field.name}"' not in text] == []
