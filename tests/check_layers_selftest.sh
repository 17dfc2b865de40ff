#!/bin/sh
# Shows that check_layers.sh finds what it looks for: a sound tree passes, and each of a few offences does not.
set -u
check=$(cd "$(dirname "$0")" && pwd)/check_layers.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
bad=0

# expect 0|1 WHAT
expect() {
    sh "$check" "$tree" >"$tree/log" 2>&1
    status=$?
    if [ "$status" != "$1" ]; then
        echo "check_layers.sh on $2: exit $status instead of $1"
        cat "$tree/log"
        bad=1
    fi
}

# offence WHAT FILE TEXT: writes the file, expects to be caught, removes it.
offence() {
    mkdir -p "$(dirname "$tree/$2")"
    printf '%s\n' "$3" >"$tree/$2"
    expect 1 "$1"
    rm -f "$tree/$2"
    rmdir "$(dirname "$tree/$2")" 2>/dev/null
}

mkdir -p "$tree/src/base" "$tree/src/engine" "$tree/apps/smidge" "$tree/include/smidge" "$tree/tests/unit"
echo '#include <stdint.h>' >"$tree/include/smidge/smidge.h"
echo '#include "smidge/smidge.h"' >"$tree/src/base/error.h"
printf '#include "base/error.h"\n#include "kernels/kernels.h"\n' >"$tree/src/engine/session.c"
echo '#include "smidge/smidge.h"' >"$tree/apps/smidge/main.c"
echo '#include "engine/session.h"' >"$tree/tests/unit/session_test.c"
expect 0 "a sound tree"

offence "an upward include" src/base/upward.c '#include "engine/session.h"'
offence "an include sideways" src/fetch/sideways.c '#include "cpu/cpu.h"'
offence "a command that uses an internal header" apps/smidge/cmd_x.c '#include "engine/session.h"'
offence "the fetching program that uses the engine" apps/smidge-fetch/x.c '#include "engine/session.h"'
offence "an example that uses an internal header" examples/x.c '#include "base/error.h"'
offence "a public header that includes an internal one" include/smidge/x.h '#include "base/error.h"'
offence "an unknown module" src/misc/misc.c 'int x;'
offence "a name used twice" src/engine/error.h 'int x;'
offence "a long file" src/base/long.c "$(seq 1 801)"
offence "a long function" src/base/wide.c "$(printf 'void f(void)\n{\n'; seq 1 101; echo '}')"
expect 0 "the sound tree again"
exit "$bad"
