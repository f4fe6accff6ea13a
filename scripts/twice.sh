#!/bin/sh
# Run a command, and once more if it fails; note the repeat in the file $REPEATS.
#
#   twice.sh NAME COMMAND...   e.g. twice.sh live-3.3 python -m pytest -q tests/live
#   twice.sh --report          count the repeats, and show the summary line of each run that failed
set -u
: "${REPEATS:?the file for the notes}"

if [ "$1" = --report ]; then
    if [ -s "$REPEATS" ]; then
        echo "Runs of live tests that failed and were repeated: $(wc -l <"$REPEATS")"
        sed 's/^/  /' "$REPEATS"
    else
        echo "No run of live tests was repeated."
    fi
    exit 0
fi

name=$1
shift
output=$(mktemp)
trap 'rm -f "$output"' EXIT
# In a file of its own, so that the command's result is not that of tee.
{ "$@" 2>&1; echo $? >"$output.result"; } | tee "$output"
result=$(cat "$output.result")
rm -f "$output.result"
[ "$result" = 0 ] && exit 0

mkdir -p "$(dirname "$REPEATS")"
summary=$(tail -n 1 "$output")
echo "$name: $summary" >>"$REPEATS"
echo "Once more, in a new Airflow"
"$@"
result=$?
echo "$name was repeated. The first run ended with: $summary"
exit $result
