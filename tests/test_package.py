"""The package as Airflow and DAG files meet it: discovery, imports, what a parse costs, what is exported."""

import ast
import importlib
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import airflow
import jsonschema
import pytest

import airflow_neptune_ml
from airflow_neptune_ml.provider_info import get_provider_info

PACKAGE = Path(airflow_neptune_ml.__file__).parent
ROOT = PACKAGE.parent
# A wheel has the example DAGs in it.
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "example_dags" not in path.parts)
LAYERS = [
    "plugin",
    "policy",
    "retries",
    "cli",
    "operators",
    "notifications",
    "sensors",
    "execution",
    "triggers",
    "links",
    "connection_arguments",
    "hooks",
    "stopping",
    "waiting",
    "pace",
    "wait_result",
    "progress",
    "updates",
    "arguments",
    "exceptions",
    "failures",
    "airflow_versions",
    "job_families",
    "job_ids",
    "sagemaker_parts",
    "jobs",
    "job_kinds",
    "connection_form",
]


def run(*command):
    """Run a command in a new process, and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python(code):
    """Run Python code in a new process, and return what it printed."""
    return run(sys.executable, "-c", code)


def test_the_provider_info_is_what_airflow_wants():
    """The dict validates against Airflow's own schema; a fault here breaks discovery for a whole deployment."""
    schema = Path(airflow.__path__[0], "provider_info.schema.json")
    jsonschema.validate(get_provider_info(), json.loads(schema.read_text()))


def test_the_provider_is_named_as_its_distribution():
    """Airflow refuses a provider whose package-name is not that of the distribution."""
    info = get_provider_info()
    metadata = importlib.metadata.metadata("airflow-provider-neptune-ml")
    assert info["package-name"] == metadata["Name"]
    assert info["versions"][0] == metadata["Version"]


def test_the_modules_of_the_provider_info_exist():
    """What the provider says it has can be imported."""
    info = get_provider_info()
    for role in ("hooks", "operators", "sensors", "triggers"):
        for group in info.get(role, []):
            for module in group["python-modules"]:
                importlib.import_module(module)


def test_airflow_discovers_the_provider():
    """`airflow providers list` and `get` show it, and `airflow version` still works."""
    airflow_command = str(Path(sys.executable).with_name("airflow"))
    listed = run(airflow_command, "providers", "list", "--output", "json")
    names = [row["package_name"] for row in json.loads(listed[listed.index("[{") :])]
    assert "airflow-provider-neptune-ml" in names
    assert "airflow-provider-neptune-ml" in run(
        airflow_command, "providers", "get", "airflow-provider-neptune-ml", "--output", "plain"
    )
    assert run(airflow_command, "version").strip().splitlines()[-1].startswith(airflow.__version__)


def test_airflow_knows_the_setting():
    """`airflow config list` shows [neptune_ml] namespace with its meaning, so that nobody has to guess its name."""
    airflow_command = str(Path(sys.executable).with_name("airflow"))
    listed = run(airflow_command, "config", "list", "--section", "neptune_ml", "--include-descriptions")
    assert re.search(r"^(# )?namespace = *$", listed, re.MULTILINE)
    assert "The name of this Airflow deployment, if several deployments share a Neptune cluster" in listed


@pytest.mark.parametrize("module", ["airflow_neptune_ml", "airflow_neptune_ml.provider_info"])
def test_discovery_imports_nothing_of_airflow(module):
    """Importing Airflow while Airflow discovers providers kills every one of its commands."""
    loaded = python(
        f"import sys, {module}; print([name for name in sys.modules if name.startswith('airflow.')])"
    )
    assert loaded.strip() == "[]"


IMPORTED_BY_DAG_FILES = [
    "jobs",
    "job_ids",
    "exceptions",
    "arguments",
    "waiting",
    "triggers",
    "notifications",
    "sensors",
    "operators",
    "local.pytest_plugin",
]
HEAVY = {"boto3", "botocore", "aiobotocore", "moto", "uvicorn", "airflow.providers.amazon.aws"}


def test_importing_for_a_dag_loads_nothing_of_aws_and_of_execution():
    """What a DAG file imports loads no boto3, botocore and Amazon provider, and nothing that only a run needs."""
    unwanted = HEAVY | {"airflow_neptune_ml.execution"}
    # The star, because the operators' modules are loaded when their names are first used.
    steps = [
        f"from airflow_neptune_ml.{module} import *\nif {unwanted!r} & sys.modules.keys(): found.append({module!r})"
        for module in IMPORTED_BY_DAG_FILES
    ]
    loaded = python("\n".join(["import sys", "found = []", *steps, "print(found)"]))
    assert loaded.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("role", ["operators", "sensors", "notifications"])
def test_what_a_dag_file_names_loads_no_table_and_no_error(role):
    """Each parse of a DAG file, every 30 seconds, pays for what these modules import."""
    unwanted = {
        f"airflow_neptune_ml.{name}" for name in ("exceptions", "hooks", "jobs", "triggers", "waiting")
    }
    loaded = python(
        f"import sys\nfrom airflow_neptune_ml.{role} import *\nprint({unwanted!r} & sys.modules.keys())"
    )
    assert loaded.strip().splitlines()[-1] == "set()"


@pytest.mark.parametrize("module", ["jobs", "job_ids"])
def test_what_needs_only_the_standard_library_loads_only_that(module):
    """Decisions that need no I/O are testable without Airflow."""
    loaded = python(f"import sys, airflow_neptune_ml.{module}; print('airflow' in sys.modules)")
    assert loaded.strip() == "False"


def name_of(path):
    """Return a module's dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in MODULES}


def imports_of(path):
    """Yield each of our own modules that a file imports, at any level, type-only imports included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow_neptune_ml"):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in NAMES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("airflow_neptune_ml"))


def layer(module):
    """Return the index of a module's layer."""
    return LAYERS.index(module.split(".")[1])


def test_the_layers_name_every_module():
    """A new module gets its place in the order, or the order means nothing."""
    apart = {"provider_info", "local"}
    assert {name.split(".")[1] for name in NAMES if "." in name} == set(LAYERS) | apart


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    """Operators may use triggers, triggers the hook, the hook the tables; never the other way round.

    The local Neptune ML imports nothing of the rest, so that the code and its stand-in share no mistake.
    """
    own = name_of(path)
    for imported in imports_of(path):
        if own.startswith("airflow_neptune_ml.local"):
            assert imported.startswith("airflow_neptune_ml.local"), f"{own} imports {imported}"
        elif own != "airflow_neptune_ml.provider_info" and imported != "airflow_neptune_ml":
            assert not imported.startswith("airflow_neptune_ml.local"), f"{own} imports {imported}"
            assert layer(own) <= layer(imported), f"{own} imports {imported}"


def test_there_is_no_circle():
    """No module reaches itself through its imports, type-only imports and those inside functions included."""
    graph = {name: sorted(set(imports_of(path)) - {name}) for name, path in NAMES.items()}
    done: set[str] = set()

    def visit(name, way):
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name in done:
            return
        for imported in graph.get(name, ()):
            visit(imported, [*way, name])
        done.add(name)

    for name in graph:
        visit(name, [])


def test_only_the_hooks_make_clients_of_aws():
    """Whoever wants something of AWS asks the hook, so that every error of botocore leaves it as one of ours."""
    makers = {"boto3", "aiobotocore"}
    for name, path in NAMES.items():
        if name.startswith(("airflow_neptune_ml.hooks", "airflow_neptune_ml.local")):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not makers & {full.split(".")[0] for full in imported}, f"{name} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_fits_in_one_sitting(path):
    """No module is much longer than 250 lines."""
    assert len(path.read_text().splitlines()) <= 260


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_function_fits_on_a_screen(path):
    """No function is longer than 60 lines."""
    long = {
        node.name: lines
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > 60
        and node.name != "get_provider_info"  # one dictionary
    }
    assert not long


def test_the_exported_names_are_these():
    """The public names are a promise; changing them is a decision."""
    exported = {
        name: sorted(importlib.import_module(f"airflow_neptune_ml.{name}").__all__)
        for name in ("hooks", "operators", "sensors", "notifications", "triggers", "local")
    }
    assert exported == {
        "hooks": ["NeptuneMLHook"],
        "operators": [
            "NeptuneMLCancelDataProcessingOperator",
            "NeptuneMLCancelTrainingOperator",
            "NeptuneMLCancelTransformOperator",
            "NeptuneMLCreateEndpointOperator",
            "NeptuneMLDeleteEndpointOperator",
            "NeptuneMLStartDataProcessingOperator",
            "NeptuneMLStartTrainingOperator",
            "NeptuneMLStartTransformOperator",
        ],
        "sensors": ["NeptuneMLJobSensor"],
        "notifications": ["NeptuneMLCancelJobNotifier"],
        "triggers": ["NeptuneMLJobTrigger", "read_event"],
        "local": [
            "Fault",
            "Life",
            "LocalNeptuneML",
            "NeptuneML",
            "Request",
            "ServiceRules",
            "mock_neptune_ml",
        ],
    }
