"""Look at what is in the built wheel and sdist: python scripts/package_contents.py dist."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
IN_WHEEL = {
    "airflow_neptune_ml/py.typed",
    "airflow_neptune_ml/plugin.py",
    "airflow_neptune_ml/policy.py",
    "airflow_neptune_ml/provider_info.py",
    *(f"airflow_neptune_ml/example_dags/{path.name}" for path in (ROOT / "example_dags").glob("*.py")),
}
IN_SDIST = {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "docs/index.md", "tests/conftest.py"}
ENTRY_POINTS = ("apache_airflow_provider", "airflow.plugins", "airflow.policy", "pytest11", "console_scripts")


def main(folder: Path) -> None:
    """Raise if a file is missing, or is there that should not be."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (described,) = (name for name in names if name.endswith("entry_points.txt"))
        entry_points = archive.read(described).decode()
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "airflow_neptune_ml").rglob("*.py")}
    missing = (code | IN_WHEEL) - names
    strange = {
        name for name in names if not name.startswith(("airflow_neptune_ml/", "airflow_provider_neptune_ml-"))
    }
    assert not missing, f"the wheel lacks {sorted(missing)}"
    assert not strange, f"the wheel has {sorted(strange)}"
    assert all(f"[{group}]" in entry_points for group in ENTRY_POINTS), entry_points
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert not IN_SDIST - inside, f"the sdist lacks {sorted(IN_SDIST - inside)}"
    private = {
        name for name in inside if name.startswith((".venv", ".cache", ".git/", "dist", "docs/_build"))
    }
    assert not private, f"the sdist has {sorted(private)}"
    print(f"{wheel.name}: {len(names)} files; {sdist.name}: {len(inside)} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
