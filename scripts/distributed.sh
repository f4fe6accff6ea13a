#!/usr/bin/env bash
# Makes sure that there are PostgreSQL and Redis for the distributed Airflow. On Debian they are fetched if they are missing.
set -euo pipefail
has_postgresql() { command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
if has_postgresql && command -v redis-server >/dev/null; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    echo "PostgreSQL or redis-server is missing: install both" >&2
    exit 1
fi
echo "PostgreSQL or Redis is missing: installing Debian's"
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends postgresql redis-server
