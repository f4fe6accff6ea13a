"""Every block of code in the pages is that of a tested file, or runs here."""

from __future__ import annotations

import argparse
import configparser
import json
import re
import shlex
import tomllib
from datetime import timedelta
from importlib.util import find_spec

import pytest

import airflow_neptune_ml.airflow_versions as airflow
from airflow_neptune_ml import operators
from airflow_neptune_ml.cli.definition import get_commands
from airflow_neptune_ml.local import Fault, Life, LocalNeptuneML, NeptuneML, ServiceRules, mock_neptune_ml
from airflow_neptune_ml.local.cli import parser as local_parser
from airflow_neptune_ml.notifications import NeptuneMLCancelJobNotifier
from airflow_neptune_ml.provider_info import get_provider_info
from airflow_neptune_ml.sensors import NeptuneMLJobSensor
from docs.code_blocks import filled, pages
from tests.docs.pages import ROOT, Block, blocks

PYTHON = [block for block in blocks("python") if not block.note.startswith("from: ")]
JSON = list(blocks("json"))
INI = list(blocks("ini"))
SHELL = [block for block in blocks("", "console", "bash") if "neptune-ml" in block.code]
AIRFLOW = [block for block in blocks("", "console", "bash") if "airflow connections add" in block.code]
EVERY_LANGUAGE = {"", "python", "json", "ini", "{toctree}", "{include}"}

HAS_RETRY_POLICIES = airflow.IS_AIRFLOW_3 and find_spec("airflow.sdk.definitions.retry_policy") is not None

TRAINING = {
    "data_processing_job_id": "my-data",
    "train_model_s3_location": "s3://my-bucket/models",
    "training_instance_type": "ml.g4dn.xlarge",
}
ELSEWHERE = {"process", "train", "compare", "evaluate", "serve"}
"""Tasks that a block names and another one makes."""


class Names(dict):
    """What a block finds without having imported it: the names of this package, and tasks of other blocks."""

    def __missing__(self, name):
        if name not in ELSEWHERE:
            raise KeyError(name)
        found = self[name] = operators.NeptuneMLStartTrainingOperator(task_id=name, **TRAINING)
        return found


def names():
    found = Names(
        timedelta=timedelta,
        TRAINING=TRAINING,
        DAG=airflow.DAG,
        task=airflow.task,
        Fault=Fault,
        Life=Life,
        LocalNeptuneML=LocalNeptuneML,
        ServiceRules=ServiceRules,
        mock_neptune_ml=mock_neptune_ml,
        neptune=NeptuneML(),
        neptune_ml=NeptuneML(),
        NeptuneMLJobSensor=NeptuneMLJobSensor,
        NeptuneMLCancelJobNotifier=NeptuneMLCancelJobNotifier,
        **{name: getattr(operators, name) for name in operators.__all__},
    )
    try:
        from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference
    except ImportError:
        return found
    return Names(
        found, AsyncCallback=AsyncCallback, DeadlineAlert=DeadlineAlert, DeadlineReference=DeadlineReference
    )


def runnable(code: str) -> str:
    """Return a block with the import that every Airflow has, and with arguments where it has dots."""
    code = code.replace("from airflow.sdk import DAG", "from airflow_neptune_ml.airflow_versions import DAG")
    code = code.replace("DAG(..., ", 'DAG("dots", schedule=None, ').replace(", ...)", ", **TRAINING)")
    code = code.replace("Operator(..., ", 'Operator(task_id="dots", **TRAINING, ')
    code = code.replace("= ...(", '= NeptuneMLStartTrainingOperator(task_id="dots", **TRAINING, ')
    if code.rstrip().endswith(":"):
        code += "    pass"
    # Airflow 3 has no default for it any more, and pages do not say it where it does not matter.
    return re.sub(r'(DAG\(\s*"\w+")(?!, schedule|,\s*schedule)', r"\1, schedule=None", code)


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_runs(block: Block):
    """As it stands, in a DAG of its own."""
    if "DeadlineAlert(" in block.code and "DeadlineAlert" not in names():
        pytest.skip("this Airflow has no deadlines")
    if "RetryPolicy" in block.code and not HAS_RETRY_POLICIES:
        pytest.skip("this Airflow has no retry policies")
    if "from cancel_training import" in block.code:
        pytest.skip("tests/docs/test_walk_through.py runs it")
    with airflow.DAG("of_the_page", schedule=None):
        exec(compile(runnable(block.code), str(block), "exec"), {}, names())


def test_blocks_of_files_are_up_to_date():
    """What stands in a page behind `from:` is what stands in the file."""
    stale = [page.name for page in pages() if filled(page.read_text()) != page.read_text()]
    assert stale == [], "run: python docs/code_blocks.py"


def test_every_language_is_looked_at():
    """A block in a language that no test here reads could say anything."""
    found = {block.language for block in blocks(*EVERY_LANGUAGE)}
    others = re.findall(r"^ *```(\S+)$", "\n".join(page.read_text() for page in pages()), re.MULTILINE)
    assert set(others) - EVERY_LANGUAGE == set()
    assert found <= EVERY_LANGUAGE


@pytest.mark.parametrize("block", JSON, ids=str)
def test_json_can_be_read(block: Block):
    """By a strict reader; and a connection's settings stand under the key that is read."""
    read = json.loads(block.code)
    extra = read.get("extra", read)
    assert set(extra.get("service_config", {})) <= {"neptunedata"}


@pytest.mark.parametrize("block", INI, ids=str)
def test_options_exist(block: Block):
    """Each option of ours is one that the package declares."""
    read = configparser.ConfigParser()
    read.read_string(block.code)
    known = get_provider_info()["config"]["neptune_ml"]["options"]
    for section in read.sections():
        assert section != "neptune_ml" or set(read[section]) <= set(known)


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_are_understood(block: Block):
    """By the parsers of `neptune-ml` and `neptune-ml-local`; nothing is run."""
    for line in block.code.replace("\\\n", " ").splitlines():
        line = line.partition("#")[0]
        if match := re.search(r"(?<!/)\bneptune-ml(-local)? (?!.*\.whl)(.+)", line):
            understand(bool(match[1]), shlex.split(match[2].replace("KIND", "endpoint")))


def understand(local: bool, words: list[str]) -> None:
    if local:
        local_parser().parse_args(words)
        return
    (group,) = get_commands()
    (command,) = (found for found in group.subcommands if found.name == words[0])
    parser = argparse.ArgumentParser()
    for arg in command.args:
        arg.add_to_parser(parser)
    if words[1:] != ["..."]:
        parser.parse_args([word for word in words[1:] if word != "..."])


@pytest.mark.parametrize("block", AIRFLOW, ids=str)
def test_connections_can_be_added(block: Block):
    """The extra is JSON, and of the types that the hook takes."""
    command = block.code[block.code.index("airflow connections add") :].replace("\\\n", " ")
    words = shlex.split(command)
    json.loads(words[words.index("--conn-extra") + 1])
    assert words[words.index("--conn-type") + 1] in ("aws", "neptune_ml")


def test_extras_and_make_targets_exist():
    """Those that the pages tell people to use."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    targets = set(re.findall(r"^([\w.%-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = "\n".join(block.code for block in blocks("", "console", "bash"))
    extras = {extra for found in re.findall(r"'\S*\[([\w,]+)\]'", code) for extra in found.split(",")}
    assert extras
    assert extras <= set(project["optional-dependencies"])
    made = set(re.findall(r"^make ([\w.-]+)", code, re.MULTILINE))
    assert made
    assert made <= targets
