"""The files beside the code that others read: registry, citation, workflows, issue forms."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
import yaml

from airflow_neptune_ml import __version__
from airflow_neptune_ml.provider_info import get_provider_info
from tests.docs.pages import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))


def test_the_registry_names_what_there_is():
    """Every operator, by a module that has it; and what the provider tells of itself."""
    registry = yaml.safe_load((ROOT / ".airflow-registry.yaml").read_text())
    info = get_provider_info()
    assert (registry["package-name"], registry["display-name"]) == (info["package-name"], info["name"])
    entries = [entry["module"] for key in ("operators", "other") for entry in registry[key]]
    for entry in entries:
        module, _, name = entry.rpartition(".")
        assert hasattr(import_module(module), name)
    operators = {entry["module"].rpartition(".")[2] for entry in registry["operators"]}
    assert operators == set(import_module("airflow_neptune_ml.operators").__all__)


def test_the_citation_has_the_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_its_actions_and_may_do_little(path):
    """An action's tag can be moved to other code; a commit cannot. What it runs with make is there."""
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action)] == []
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"run: make ([\w-]+)", text)) <= targets


@pytest.mark.parametrize("path", sorted(GITHUB.glob("ISSUE_TEMPLATE/[bi]*.yml")), ids=lambda path: path.name)
def test_an_issue_form_can_be_read(path):
    form = yaml.safe_load(path.read_text())
    assert {"name", "description", "body"} <= set(form)
    assert all("label" in field["attributes"] for field in form["body"] if field["type"] != "markdown")
