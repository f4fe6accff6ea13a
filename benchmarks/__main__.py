"""
All benchmarks as one table, each row with the ratio to a named peer of the same run: `python -m benchmarks`.

Each script runs in a process of its own, one after the other; they want a quiet machine. `results.json` keeps the
rows. Names of scripts choose some of them, and change nothing that is kept of the others:

    python -m benchmarks imports calls
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from rows import HEAD, Row  # noqa: E402 - the scripts run by themselves, so that it stands beside them

SCRIPTS = ("parse", "imports", "calls", "cancel", "polls", "memory", "waits", "marked")
RESULTS = HERE / "results.json"


def rows_of(script: str) -> list[Row]:
    """Run a script; return its rows."""
    done = subprocess.run(
        [sys.executable, HERE / f"{script}.py", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return [Row(**row) for row in json.loads(done.stdout.strip().splitlines()[-1])]
    except (ValueError, IndexError):
        sys.exit(f"{script} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("scripts", nargs="*", help="default: all")
    chosen = parser.parse_args().scripts or list(SCRIPTS)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    missed = False
    print(HEAD)
    for script in chosen:
        rows = rows_of(script)
        for row in rows:
            print(row.line(), flush=True)
        missed = missed or any(row.missed for row in rows)
        kept[script] = [asdict(row) for row in rows]
        RESULTS.write_text(
            json.dumps({name: kept[name] for name in SCRIPTS if name in kept}, indent=1) + "\n"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
