"""What the code has stands in the pages: whoever adds a name or an argument is told to write about it."""

from __future__ import annotations

import inspect
import re
from importlib import import_module

import pytest

from airflow_neptune_ml import connection_form
from airflow_neptune_ml.cli.definition import get_commands
from airflow_neptune_ml.execution.cancel_record import RESULT_KEYS
from airflow_neptune_ml.execution.xcom import ADDRESS_KEY, LEFT_KEY, STARTED_KEY
from airflow_neptune_ml.provider_info import get_provider_info
from docs import agents, benchmarks, diagrams
from docs.reference import OTHERS, PAGES, arguments_of, found
from docs.reference import pages as reference_pages
from docs.reference_entries import ENTRIES
from tests.docs.pages import DOCS, ROOT, anchors, written_pages

PACKAGES = ("operators", "sensors", "triggers", "notifications", "hooks", "links", "exceptions", "local")
PUBLIC = [
    f"airflow_neptune_ml.{package}.{name}"
    for package in PACKAGES
    for name in import_module(f"airflow_neptune_ml.{package}").__all__
]
USED_IN_DAGS = [
    name for name in PUBLIC if name.split(".")[1] in ("operators", "sensors", "notifications")
] + ["airflow_neptune_ml.operators.start.NeptuneMLStartJobOperator"]
WRITTEN = written_pages()
EVERYWHERE = "\n".join(WRITTEN.values())
NOT_FOR_USERS = {"context"}


def is_written(name: str) -> bool:
    """Tell whether a page has the name, as a whole word in code."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", EVERYWHERE) is not None


def test_the_reference_is_up_to_date():
    """It is made from the code as it is now, and has no page from before."""
    made = reference_pages()
    there = {path.name: path.read_text() for path in PAGES.glob("*.md")}
    assert {name: there.get(name) for name in made} == made, "run: python docs/reference.py"
    assert set(there) == {f"{name}.md" for name in ENTRIES} | set(OTHERS)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_an_entry_in_the_reference(name: str):
    """And stands in a page that somebody wrote, but for what is of use to few."""
    short = name.rpartition(".")[2]
    headings = [line for path in PAGES.glob("*.md") for line in path.read_text().splitlines()]
    assert f"## {short}" in headings
    assert is_written(short) or short in {"read_event", "NeptuneML", "Request"}


@pytest.mark.parametrize("name", USED_IN_DAGS)
def test_an_argument_stands_in_a_page(name: str):
    """In the docstring, and so in the reference; and in a page that somebody wrote."""
    documented = found(name)
    own = set(inspect.signature(documented.__init__).parameters) - {"self", "args", "kwargs"} - NOT_FOR_USERS
    documentation = "\n".join(
        cls.__doc__ or "" for cls in documented.__mro__ if "neptune_ml" in cls.__module__
    )
    for argument in sorted(set(arguments_of(documented)) & own):
        assert f":param {argument}:" in documentation, f"{argument} has no :param"
        assert f"`{argument}" in EVERYWHERE or f"`{argument}`" in EVERYWHERE, f"{argument} stands on no page"


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("data-processing", "NeptuneMLStartDataProcessingOperator"),
        ("training", "NeptuneMLStartTrainingOperator"),
        ("transform", "NeptuneMLStartTransformOperator"),
        ("endpoint", "NeptuneMLCreateEndpointOperator"),
    ],
)
def test_a_member_of_a_request_stands_in_the_page_of_its_kind(page: str, name: str):
    """Whoever starts a job finds all that AWS's API takes for it in one place."""
    members = found(f"airflow_neptune_ml.operators.{name}").members
    assert [argument for argument in members if f"`{argument}`" not in WRITTEN[f"docs/{page}.md"]] == []


@pytest.mark.parametrize("option", get_provider_info()["config"]["neptune_ml"]["options"])
def test_an_option_stands_in_a_page(option: str):
    assert is_written(option)


@pytest.mark.parametrize("command", [command.name for command in get_commands()[0].subcommands])
def test_a_command_stands_in_a_page(command: str):
    assert f"neptune-ml {command}" in WRITTEN["docs/command.md"]


OF_STARTS = ("sagemaker_names", "sagemaker_arns", "output_location", "model_names", "endpoint_name")


@pytest.mark.parametrize("key", [*RESULT_KEYS, *OF_STARTS, "jobs", STARTED_KEY, ADDRESS_KEY, LEFT_KEY])
def test_a_key_of_xcom_stands_in_its_page(key: str):
    assert f"`{key}`" in WRITTEN["docs/xcom.md"]


def test_the_errors_table_names_every_error():
    """Every public error that a user can meet stands in docs/error-classes.md."""
    from airflow_neptune_ml import exceptions

    roots = {"NeptuneMLError", "NeptuneMLServiceError"}
    assert [
        name
        for name in set(exceptions.__all__) - roots
        if f"`{name}`" not in WRITTEN["docs/error-classes.md"]
    ] == []


def test_the_fields_of_the_form_stand_in_the_page():
    """By their labels, as people see them."""
    page = WRITTEN["docs/connection.md"]
    labels = [field.label for field in connection_form.FIELDS] + list(connection_form.LABELS.values())
    assert [label for label in labels if label.lower() not in page.lower()] == []


def test_the_readme_is_short():
    """Whoever wants more goes on to the docs."""
    assert len(WRITTEN["README.md"].splitlines()) <= 130


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_outside_the_site_lead_somewhere(page: str):
    """Sphinx looks after the links in docs/ only."""
    for target in re.findall(r"\]\(([^)\s]+)\)", WRITTEN[page]):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = ROOT / path if path else ROOT / page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text()), target


def test_pictures_made_from_data_are_up_to_date():
    assert diagrams.PICTURE.read_text() == diagrams.draw(diagrams.read()), "run: python docs/diagrams.py"


def test_what_machines_read_is_up_to_date():
    """llms.txt and AGENTS.md are made from the pages' own first sentences."""
    for path, text in agents.files().items():
        assert path.read_text() == text, "run: python docs/agents.py"


def test_every_page_is_in_the_list_of_pages():
    """So that a reader of the index finds it."""
    listed = agents.listed_pages()
    there = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")} - {"index"}
    assert {page for page in there if not page.startswith("_build")} == listed


def test_the_page_of_benchmarks_is_that_of_the_saved_results():
    rows = benchmarks.read()

    assert benchmarks.PAGE.read_text() == benchmarks.page_of(rows), "run: python docs/benchmarks.py"
    assert benchmarks.PICTURE.read_text() == benchmarks.draw(rows), "run: python docs/benchmarks.py"
