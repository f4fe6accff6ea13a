#!/usr/bin/env bash
# Makes one test environment: scripts/install.sh <python> <folder> <pins>
# Needs a Python 3.11 or newer and a package index; on Debian it fetches python3-venv if that is missing.
set -euo pipefail
python=$1 env=$2 pins=$3
tools=.venv/tools

# The tools environment holds uv, which installs Airflow's 200 packages in seconds where pip takes minutes.
if ! [ -x "$tools/bin/pip" ]; then
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        "$(dirname "$0")/debian.sh" "$python has no ensurepip, with which it makes environments" python3-venv
    fi
    "$python" -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet uv || echo "uv cannot be installed here: using pip"
fi

# Compiled at once: `airflow standalone` is half a dozen processes, and each would compile all of Airflow for itself.
install() {
    # pip knows settings that uv doesn't read (pip.conf), so it has the last word.
    if [ -x "$tools/bin/uv" ] && "$tools/bin/uv" pip install --quiet --compile-bytecode --python "$env/bin/python" "$@"; then return; fi
    "$tools/bin/pip" --python "$env/bin/python" install --quiet "$@"
}

rm -rf "$env"
"$python" -m venv --without-pip "$env"
install --no-deps -r "$pins"
install --no-deps --editable .
