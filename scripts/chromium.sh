#!/usr/bin/env bash
# Makes sure that there is a Chromium for the tests in a browser. On Debian it is fetched if it is missing.
set -euo pipefail
for browser in "${CHROMIUM:-}" chromium google-chrome; do
    if [ -n "$browser" ] && command -v "$browser" >/dev/null; then exit 0; fi
done
if ! command -v apt-get >/dev/null; then
    echo "There is no Chromium: install one, or name one in CHROMIUM" >&2
    exit 1
fi
echo "There is no Chromium: installing Debian's"
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends chromium
