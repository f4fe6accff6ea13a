#!/usr/bin/env bash
# Makes sure that there is a Chromium for the tests in a browser. On Debian it is fetched if it is missing.
set -euo pipefail
for browser in "${CHROMIUM:-}" chromium google-chrome; do
    if [ -n "$browser" ] && command -v "$browser" >/dev/null; then exit 0; fi
done
exec "$(dirname "$0")/debian.sh" "There is no Chromium: install one, or name one in CHROMIUM" chromium
