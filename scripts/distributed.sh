#!/usr/bin/env bash
# Makes sure that there are PostgreSQL and Redis for the distributed Airflow. On Debian they are fetched if they are missing.
set -euo pipefail
has_postgresql() { command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
if has_postgresql && command -v redis-server >/dev/null; then exit 0; fi
exec "$(dirname "$0")/debian.sh" "PostgreSQL or redis-server is missing: install both" postgresql redis-server
