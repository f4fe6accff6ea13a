"""Looks up known weaknesses of what is pinned: python scripts/audit.py <pip-audit> requirements/airflow-3.3.txt ...

pip-audit says "No known vulnerabilities found" also when its service has told it of no package at all, as behind a mirror
that serves packages and not PyPI's JSON API. So this counts what was really looked up, and fails unless that is everything.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def verdict(report: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Return what pip-audit has found, line by line, and whether all is well."""
    packages = report["dependencies"]
    skipped = [package for package in packages if "skip_reason" in package]
    weak = [package for package in packages if package.get("vulns")]
    lines = [
        f"{package['name']} {package['version']}: {weakness['id']}, mended in "
        f"{', '.join(weakness['fix_versions']) or 'no version yet'}"
        for package in weak
        for weakness in package["vulns"]
    ]
    lines.append(
        f"{len(packages) - len(skipped)} of {len(packages)} packages looked up, {len(weak)} with known weaknesses"
    )
    if skipped:
        lines.append(f"NOT AUDITED: {len(skipped)} packages, the first with: {skipped[0]['skip_reason']}")
    return lines, not (weak or skipped)


def audit(tool: str, pins: Path) -> tuple[list[str], bool]:
    """Ask pip-audit about a file of pins."""
    command = [tool, "--requirement", str(pins), "--no-deps", "--disable-pip", "--format", "json"]
    done = subprocess.run(
        [*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False
    )
    try:
        return verdict(json.loads(done.stdout))
    except (ValueError, LookupError):
        # No report: the service did not answer, or the file cannot be read.
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        return [f"NOT AUDITED: {said[-1] if said else f'pip-audit ended with {done.returncode}'}"], False


def main() -> int:
    """Audit the files, and print what was found."""
    tool, *files = sys.argv[1:]
    well = True
    for name in files:
        lines, good = audit(tool, Path(name))
        well = well and good
        print("\n".join(f"{name}: {line}" for line in lines), flush=True)
    return int(not well)


if __name__ == "__main__":
    sys.exit(main())
