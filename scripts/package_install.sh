#!/usr/bin/env bash
# Installs the built wheel into an empty environment, looks for the provider there, and removes it again:
# scripts/package_install.sh <python> <pins, or "alone" for what pip finds by itself>
set -euo pipefail
python=$1 pins=$2
env=$(mktemp -d)
trap 'rm -rf "$env"' EXIT
wheel=$(ls dist/*.whl)
uv=${UV:-.venv/tools/bin/uv}

"$python" -m venv "$env"
export AIRFLOW_HOME=$env/airflow AIRFLOW__CORE__LOAD_EXAMPLES=False
if [ "$pins" = alone ]; then
    "$env/bin/pip" install --quiet "$wheel"
else
    if [ -x "$uv" ]; then
        "$uv" pip install --quiet --python "$env/bin/python" --no-deps -r "$pins"
    else
        "$env/bin/pip" install --quiet --no-deps -r "$pins"
    fi
    "$env/bin/pip" install --quiet --no-deps "$wheel"
    "$env/bin/pip" check
fi
cd "$env"
bin/airflow providers list -o plain | grep '^airflow-provider-neptune-ml '
bin/neptune-ml --help >/dev/null
bin/python -c 'import airflow_neptune_ml as package; from pathlib import Path; assert (Path(package.__path__[0]) / "example_dags" / "nightly.py").exists()'
bin/pip uninstall --quiet --yes airflow-provider-neptune-ml
if bin/airflow providers list -o plain | grep '^airflow-provider-neptune-ml '; then
    echo "The provider is listed after it was removed." >&2
    exit 1
fi
