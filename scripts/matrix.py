"""Try the built wheel in the environments of requirements/matrix.toml: scripts/matrix.py [--tests none] [NAME...].

It wants wheel and sdist in dist/ (`make package`), and uv. For each environment it resolves the pins of its day,
installs them and the wheel into .venv/matrix/NAME, and runs there: what Airflow lists as its providers, tests, and the
demo in a live Airflow. The tests come from the sdist, without its `airflow_neptune_ml`, so that nothing but the wheel can
be imported. An environment whose pins are still the same is kept.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DATA = ROOT / "requirements" / "matrix.toml"
FOLDER = ROOT / ".venv" / "matrix"
LOGS = ROOT / ".cache" / "matrix"
UV = os.environ.get("UV") or str(ROOT / ".venv" / "tools" / "bin" / "uv")
TESTS = ("none", "some", "all")
EXTRAS = ("deferrable", "openlineage", "local")

COMPATIBILITY = tuple(
    line for line in (ROOT / "tests" / "compatibility.txt").read_text().splitlines() if line
)
# What waits in the triggerer. The rest has it in the names of its tests and of their parameters.
WITH_AIOBOTOCORE = ("tests/triggers/test_trigger.py", "tests/hooks/test_async_credentials.py")
WITHOUT_AIOBOTOCORE = ("-k", "not deferrable and not async and not test_the_role_is_on_every_call")
# The local Neptune ML knows no Airflow, and the IAM policies of the docs know none either: they want today's moto. What
# looks at the repository, and not at the package, needs the repository.
LEFT_OUT = (
    "--ignore=tests/local",
    "--ignore=tests/iam",
    "--ignore=tests/graph_notebook",
    "--ignore=tests/foreign_clients",
    "--ignore=tests/docs/test_repository_files.py",
)


@dataclass(frozen=True)
class Environment:
    """One set of versions; its fields are explained at the top of the file that names it."""

    name: str
    airflow: str
    amazon: str
    python: str
    released: datetime.date | None = None
    packages: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    mwaa: bool = False
    may_fail: bool = False

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return FOLDER / self.name

    @property
    def aiobotocore(self) -> bool:
        """Whether tasks can wait in the triggerer."""
        return "deferrable" not in self.without


class StepError(RuntimeError):
    """A command of an environment has failed; the message is the last line that it wrote."""


def read() -> list[Environment]:
    """Return the environments of the matrix."""
    return [Environment(**row) for row in tomllib.loads(DATA.read_text())["environment"]]


def main() -> int:
    """Try the environments, two at a time; return 1 if one has failed that may not fail."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="of environments, or `mwaa`; all of them by default")
    parser.add_argument("--tests", choices=TESTS, default="some", help="`all` leaves the demo out")
    parser.add_argument("--jobs", type=int, default=2, help="how many environments at a time")
    parsed = parser.parse_args()
    wanted = [one for one in read() if not parsed.names or chosen(one, parsed.names)]
    if not wanted:
        parser.error(f"No environment is called {' or '.join(parsed.names)}.")
    LOGS.mkdir(parents=True, exist_ok=True)
    with tests_of_sdist() as tree, ThreadPoolExecutor(parsed.jobs) as pool:
        results = list(pool.map(lambda one: attempt(one, tree, parsed.tests), wanted))
    print()
    for one, (result, good) in zip(wanted, results, strict=True):
        print(f"{one.name:<14} {'ok    ' if good else 'may fail' if one.may_fail else 'FAILED'} {result}")
    return int(any(not good and not one.may_fail for one, (_, good) in zip(wanted, results, strict=True)))


def chosen(environment: Environment, names: list[str]) -> bool:
    """Whether an environment is one of those named."""
    return environment.name in names or (environment.mwaa and "mwaa" in names)


@contextmanager
def tests_of_sdist() -> Iterator[Path]:
    """Yield a folder with the tests and the demo, and without the package."""
    (sdist,) = (ROOT / "dist").glob("*.tar.gz")
    with tempfile.TemporaryDirectory(prefix="airflow-neptune-ml-matrix-") as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        (tree,) = Path(folder).iterdir()
        shutil.rmtree(tree / "airflow_neptune_ml")
        yield tree


def attempt(environment: Environment, tree: Path, tests: str) -> tuple[str, bool]:
    """Install and try one environment; return what to say about it, and whether all went well."""
    began = time.monotonic()
    said = [
        f"Airflow {environment.airflow}, Amazon provider {environment.amazon}, Python {environment.python}"
    ]
    log = LOGS / f"{environment.name}.log"
    log.write_text("")
    steps = [
        lambda: install(environment, log),
        lambda: run_discovery(environment, tree, log),
    ]
    if tests != "none":
        steps.append(lambda: run_tests(environment, tree, log, all_tests=tests == "all"))
    if tests != "all":
        steps.append(lambda: run_demo(environment, tree, log))
    good = True
    for step in steps:
        try:
            said.append(step())
        except StepError as error:
            # The demo is worth a try after a failed test, and nothing is without an installation.
            said.append(f"{error} (see {log.relative_to(ROOT)})")
            good = False
            if step in steps[:2]:
                break
    result = "; ".join(filter(None, said))
    print(f"{environment.name}: {result} [{time.monotonic() - began:.0f} s]", flush=True)
    return result, good


def install(environment: Environment, log: Path) -> str:
    """Install the pins of its day, if they are not there, and the wheel."""
    pins = resolve(environment, log)
    kept = environment.folder / "pins.txt"
    if not kept.exists() or kept.read_text() != pins:
        shutil.rmtree(environment.folder, ignore_errors=True)
        run([UV, "venv", "--quiet", "--python", environment.python, str(environment.folder)], log)
        unfinished = environment.folder / "unfinished.txt"
        unfinished.write_text(pins)
        # Not compiled: the tests compile what is used, before the demo begins with half a dozen processes.
        into = ["--quiet", "--python", str(python(environment)), "--no-deps"]
        run([UV, "pip", "install", *into, "--requirement", str(unfinished)], log)
        unfinished.rename(kept)
    (wheel,) = (ROOT / "dist").glob("*.whl")
    into = ["--quiet", "--reinstall", "--no-deps", "--python", str(python(environment))]
    run([UV, "pip", "install", *into, str(wheel)], log)
    run([UV, "pip", "check", "--quiet", "--python", str(python(environment))], log)
    return ", ".join(re.findall(r"^(?:botocore|aiobotocore)==.*$", pins, re.MULTILINE))


def resolve(environment: Environment, log: Path) -> str:
    """Return the pins: what its Airflow and the package need, as it could be had on its day."""
    extra = "" if not environment.aiobotocore else "[aiobotocore]"
    requirements = [
        f"apache-airflow=={environment.airflow}",
        f"apache-airflow-providers-amazon{extra}=={environment.amazon}",
        *environment.packages,
        f"-r {ROOT / 'requirements' / 'tools.in'}",
    ]
    command = [UV, "pip", "compile", "--quiet", "--no-annotate", "--no-header"]
    command += ["--python-version", environment.python]
    for name in EXTRAS:
        command += [] if name in environment.without else ["--extra", name]
    if environment.released:
        command += ["--exclude-newer", str(environment.released)]
    return run([*command, "pyproject.toml", "-"], log, given="\n".join(requirements))


def run_discovery(environment: Environment, tree: Path, log: Path) -> str:
    """See that the wheel is what is imported, and that Airflow lists it."""
    where = run(
        [str(python(environment)), "-c", "import airflow_neptune_ml; print(airflow_neptune_ml.__file__)"],
        log,
        tree,
    )
    if not where.startswith(str(environment.folder)):
        raise StepError(f"{where.strip()} was imported, which is not the wheel")
    airflow = str(python(environment).with_name("airflow"))
    listed = run([airflow, "providers", "list", "--output", "plain"], log, tree)
    if not re.search("^airflow-provider-neptune-ml ", listed, re.MULTILINE):
        raise StepError("Airflow does not list the provider")
    return ""


def run_tests(environment: Environment, tree: Path, log: Path, *, all_tests: bool) -> str:
    """Run the tests that count for compatibility, or all that need no live Airflow; return pytest's summary."""
    command = [str(python(environment)), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not live"]
    if all_tests:
        command += ["-n", "2", "--dist", "worksteal", *LEFT_OUT]
    elif environment.aiobotocore:
        command += COMPATIBILITY
    else:
        command += [*(path for path in COMPATIBILITY if path not in WITH_AIOBOTOCORE), *WITHOUT_AIOBOTOCORE]
    return last_line(run(command, log, tree)).strip("= ")


def run_demo(environment: Environment, tree: Path, log: Path) -> str:
    """Run the demo, which needs a live Airflow."""
    return f"demo in {last_line(run([str(python(environment)), '-m', 'demo'], log, tree)).split()[0]} s"


def python(environment: Environment) -> Path:
    """Return the interpreter of an environment."""
    return environment.folder / "bin" / "python"


def last_line(text: str) -> str:
    """Return the last line that is not empty."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def run(command: list[str], log: Path, folder: Path = ROOT, given: str = "") -> str:
    """Run a command, without any settings of Airflow or Python; return what it printed."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "AWS_", "PYTHON"))
    }
    home = folder / "airflow-home" if folder != ROOT else Path(tempfile.gettempdir())
    settings = {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    lines = []
    # As it comes, so that one can look into a run that takes long.
    with log.open("a") as file:
        file.write(f"$ {' '.join(command)}\n")
        file.flush()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=kept | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
        assert process.stdin
        assert process.stdout
        process.stdin.write(given)
        process.stdin.close()
        for line in process.stdout:
            file.write(line)
            file.flush()
            lines.append(line)
    if process.wait():
        raise StepError(last_line("".join(lines)).strip("= \n") or last_line(log.read_text()))
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
