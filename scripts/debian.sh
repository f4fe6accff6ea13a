#!/usr/bin/env bash
# Installs packages of Debian's: scripts/debian.sh <what to say where there is no apt-get> <package>...
set -euo pipefail
missing=$1
shift
if ! command -v apt-get >/dev/null; then
    echo "$missing" >&2
    exit 1
fi
echo "Installing Debian's $*"
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "$@"
