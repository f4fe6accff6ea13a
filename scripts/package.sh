#!/usr/bin/env bash
# Builds wheel and sdist into dist/, and looks at both: scripts/package.sh <bin folder of an environment with the tools>
set -euo pipefail
bin=$1

rm -rf dist
"$bin/validate-pyproject" pyproject.toml
# Without isolation: hatchling is pinned beside the other tools, and nothing is fetched.
"$bin/python" -m build --no-isolation --outdir dist . >/dev/null
"$bin/twine" check --strict dist/*
"$bin/check-wheel-contents" dist/*.whl
"$bin/python" scripts/package_contents.py dist
