#!/bin/sh
# Makes models with random weights in the true shapes of real ones, and prints where they are, one path a line.
#
#   scripts/bench_models.sh SHAPE-TYPE...        1b-q4_k_m phi3-q4_0 ...; without a name, says which there are
#
# One that is there is kept: a file has its name only once it is whole.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
make_model=$here/../build/release/make_model
cache=${XDG_CACHE_HOME:-$HOME/.cache}/smidge/bench

fail() {
    echo "bench_models.sh: $*" >&2
    exit 1
}

[ -x "$make_model" ] || fail "build/release/make_model is not built (./dev bench --models-only builds it)"
[ $# -gt 0 ] || exec "$make_model"
mkdir -p "$cache" || fail "$cache cannot be made"
for name in "$@"; do
    path=$cache/$name.gguf
    if [ ! -f "$path" ]; then
        echo "bench_models.sh: making $name" >&2
        "$make_model" "$name" "$path" || exit $?
    fi
    echo "$path"
done
