#!/bin/sh
# Runs every case in tests/cli/cases against a program, each in an empty folder of its own.
#   run.sh [PROGRAM [CASE...]]
# One line a case: `passed NAME`, `failed NAME` (after what went wrong) or `skipped NAME REASON`. A case is a
# shell script that uses the helpers of assert.sh and ends with the first one that is not met.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
program=${1:-$root/build/release/smidge}
[ $# = 0 ] || shift

if [ ! -x "$program" ]; then
    echo "there is no $program (./dev build makes it)" >&2
    exit 1
fi
SMIDGE=$(cd "$(dirname "$program")" && pwd)/$(basename "$program")
BUILD=$(dirname "$SMIDGE")
FIXTURES=${SMIDGE_FIXTURES:-$root/../shared/fixtures}
export SMIDGE BUILD FIXTURES ROOT="$root"

if [ $# = 0 ]; then
    set -- "$here"/cases/*.sh
    [ -f "$1" ] || set --
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
failed=0
for case in "$@"; do
    [ -f "$case" ] || case=$here/cases/$case.sh
    name=$(basename "$case" .sh)
    rm -rf "$work/case"
    mkdir "$work/case"
    # shellcheck disable=SC2016 # expanded by the inner shell
    (cd "$work/case" && timeout 300 sh -c '. "$1"; . "$2"' "$name" "$here/assert.sh" "$case") \
        </dev/null >"$work/log" 2>&1
    status=$?
    case $status in
    0) echo "passed $name" ;;
    77) echo "skipped $name $(sed -n 's/^skipped: //p' "$work/log" | head -n 1)" ;;
    *)
        sed 's/^/    /' "$work/log"
        [ "$status" != 124 ] || echo "    it took longer than 300 seconds"
        echo "failed $name"
        failed=$((failed + 1))
        ;;
    esac
done
[ "$failed" = 0 ]
