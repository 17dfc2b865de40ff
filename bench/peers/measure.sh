#!/bin/sh
# Perplexity and importance matrix of one text by llama.cpp's libraries and by smidge, and how far they are apart.
#
#   bench/peers/measure.sh MODEL.gguf TEXT [-c CONTEXT] [--chunks N] [-t THREADS] [-a VARIANT] [--libs DIR]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build/release

fail() {
    echo "measure.sh: $*" >&2
    exit 1
}

case $(uname -m) in
    x86_64) variant=haswell ;;
    aarch64) variant=armv8.0_1 ;;
    *) fail "no peer package for $(uname -m)" ;;
esac

model='' text='' context=512 chunks=8 threads=1 libs=''
while [ $# -gt 0 ]; do
    case $1 in
        -*) [ $# -ge 2 ] || fail "$1 wants a value" ;;
    esac
    case $1 in
        -c) context=$2; shift ;;
        --chunks) chunks=$2; shift ;;
        -t) threads=$2; shift ;;
        -a) variant=$2; shift ;;
        --libs) libs=$2; shift ;;
        -*) fail "unknown option $1" ;;
        *) if [ -z "$model" ]; then model=$1; else text=$1; fi ;;
    esac
    shift
done
[ -r "$model" ] || fail "which MODEL? (./dev models fetches one and prints its path)"
[ -r "$text" ] || fail "which TEXT?"
[ -x "$build/imatrix_compare" ] || fail "build/release is not there (./dev build)"
[ -n "$libs" ] || libs=$("$here/libs.sh")

work=$(mktemp -d "${TMPDIR:-/tmp}/smidge-measure.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -o "$work/measure_peer" "$here/measure_peer.c" "$here/peer_library.c" -ldl -lm
echo "llama.cpp ($variant):"
"$work/measure_peer" "$model" "$text" -o "$work/peer.dat" --libs "$libs" --variant "$variant" -c "$context" \
    --chunks "$chunks" -t "$threads"
echo "smidge:"
"$build/smidge" perplexity -m "$model" -f "$text" -c "$context" --chunks "$chunks" -t "$threads"
"$build/smidge" imatrix -m "$model" -f "$text" -o "$work/ours.gguf" -c "$context" --chunks "$chunks" -t "$threads"
"$build/imatrix_compare" "$model" "$work/ours.gguf" "$work/peer.dat"
