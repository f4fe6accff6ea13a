"""The command beside Airflow's own: in real processes, with the package as it is, and broken."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_neptune_ml
from airflow_neptune_ml.cli.definition import get_commands
from tests.cli.conftest import AIRFLOW

PACKAGE = Path(airflow_neptune_ml.__file__).parent
ROOT = Path(__file__).parents[2]
HAS_PROVIDER_COMMANDS = tuple(map(int, importlib.metadata.version("apache-airflow").split(".")[:2])) >= (3, 2)
COMMAND = [sys.executable, "-m", "airflow_neptune_ml.cli"]


def run(command, folder=PACKAGE.parent, **environment):
    """Run a command that imports our package from a folder."""
    env = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "120", **environment}
    return subprocess.run(
        command,
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Return a function that gives a folder with our package, of which one module cannot be imported."""

    def break_module(module):
        folder = tmp_path_factory.mktemp("broken")
        shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
        path = folder / PACKAGE.name / module
        path.write_text(f"raise ImportError('broken on purpose')\n{path.read_text()}")
        return folder

    return break_module


@pytest.mark.parametrize(
    "module",
    [
        "cli/__init__.py",
        "cli/definition.py",
        "hooks/neptune_ml.py",
        "operators/__init__.py",
    ],
)
def test_airflow_goes_on_when_a_module_of_ours_is_broken(broken, module):
    """`airflow version` and another command work; the broken import may be logged, and nothing more."""
    folder = broken(module)
    seen = run(
        [sys.executable, "-c", "import airflow_neptune_ml; print(airflow_neptune_ml.__file__)"], folder
    )
    assert seen.stdout.startswith(str(folder)), "the broken package must be the one that is tried"
    version = run([AIRFLOW, "version"], folder)
    assert version.returncode == 0, version.stdout + version.stderr
    assert importlib.metadata.version("apache-airflow") in version.stdout
    providers = run([AIRFLOW, "providers", "list", "-o", "plain"], folder)
    assert providers.returncode == 0, providers.stdout + providers.stderr
    assert "airflow-provider-neptune-ml" in providers.stdout


@pytest.mark.skipif(not HAS_PROVIDER_COMMANDS, reason="providers have commands from Airflow 3.2 on")
def test_airflow_has_the_command():
    """`airflow neptune-ml` stands in `airflow --help`, and does the same."""
    assert "neptune-ml" in run([AIRFLOW, "--help"]).stdout
    done = run([AIRFLOW, "neptune-ml", "--help"])
    assert done.returncode == 0
    assert all(command.name in done.stdout for command in get_commands()[0].subcommands)
    wrong = run([AIRFLOW, "neptune-ml", "cancel"])
    assert (wrong.returncode, "Give either KIND and ids" in wrong.stderr) == (2, True)


def test_what_every_airflow_command_imports_is_light():
    """Airflow calls the function with each of its commands: it loads no provider, hook or model."""
    code = (
        "import json, sys, airflow.cli.cli_config\n"
        "before = set(sys.modules)\n"
        "from airflow_neptune_ml.cli.definition import get_commands\n"
        "get_commands()\n"
        "print(json.dumps([name for name in set(sys.modules) - before if 'airflow' in name or 'boto' in name]))"
    )
    done = run([sys.executable, "-c", code])
    ours = {
        "airflow_neptune_ml",
        "airflow_neptune_ml.arguments",
        "airflow_neptune_ml.cli",
        "airflow_neptune_ml.cli.definition",
    }
    assert set(json.loads(done.stdout.strip().splitlines()[-1])) <= ours


def test_the_provider_info_names_a_list():
    """A string in place of a list ends every airflow command of 3.2 and later with an error."""
    from airflow_neptune_ml.provider_info import get_provider_info

    assert get_provider_info()["cli"] == ["airflow_neptune_ml.cli.definition.get_commands"]


def test_the_name_of_the_command_is_free():
    """Airflow ends with CliConflictError, in every command, if a name is taken."""
    from airflow.cli.cli_config import core_commands

    (group,) = get_commands()
    assert group.name not in {command.name for command in core_commands}


def test_a_connection_of_the_database_is_found(tmp_path, neptune_ml):
    """Airflow 3 reads it only in a process that is set up as its own commands are."""
    home = {"AIRFLOW_HOME": str(tmp_path)}
    extra = {
        "region_name": "us-east-1",
        "service_config": {"neptunedata": {"endpoint_url": neptune_ml.url}},
        "config_kwargs": {"signature_version": "unsigned"},
    }
    neptune_ml.add_job("modeltraining", "runs")
    add = ["connections", "add", "from_database", "--conn-type", "aws", "--conn-extra", json.dumps(extra)]
    for command in (["db", "migrate"], add):
        done = run([AIRFLOW, *command], **home)
        assert done.returncode == 0, done.stdout + done.stderr
    commands = [COMMAND, [AIRFLOW, "neptune-ml"]] if HAS_PROVIDER_COMMANDS else [COMMAND]
    for command in commands:
        done = run([*command, "jobs", "--conn-id", "from_database", "-o", "json"], **home)
        assert [row["id"] for row in json.loads(done.stdout)] == ["runs"], done.stderr


@pytest.mark.parametrize("command", [command.name for command in get_commands()[0].subcommands])
def test_every_option_is_explained(command, capfd):
    """--help has every option, the exit codes, and whether the metadata database is needed."""
    from airflow_neptune_ml.cli.main import main

    with pytest.raises(SystemExit) as exit:
        main([command, "--help"])
    text = capfd.readouterr().out
    assert exit.value.code == 0
    assert "Metadata database:" in text
    assert "exit codes:" in text
    (described,) = (sub for sub in get_commands()[0].subcommands if sub.name == command)
    for arg in described.args:
        assert arg.kwargs.get("help"), arg.flags
        assert all(flag in text or arg.kwargs.get("metavar", "") in text for flag in arg.flags)


def test_every_option_is_in_the_page():
    """docs/command.md leaves none out."""
    page = (ROOT / "docs" / "command.md").read_text()
    options = {
        flag
        for command in get_commands()[0].subcommands
        for arg in command.args
        for flag in arg.flags
        if flag.startswith("--")
    }
    assert {option for option in options if option not in page} == set()


def test_the_console_script_is_declared():
    """`neptune-ml` is what the package installs."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["neptune-ml"] == "airflow_neptune_ml.cli.main:main"


def test_verbose_keeps_the_output_clean(neptune_ml, tmp_path):
    """Log lines go to stderr, so that the output can be piped."""
    connection = {
        "conn_type": "aws",
        "extra": {
            "region_name": "us-east-1",
            "service_config": {"neptunedata": {"endpoint_url": neptune_ml.url}},
            "config_kwargs": {"signature_version": "unsigned"},
        },
    }
    environment = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection)}
    done = run([*COMMAND, "jobs", "-v", "-o", "json"], **environment)
    assert json.loads(done.stdout) == [], done.stderr
