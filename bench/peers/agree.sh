#!/bin/sh
# Compares our logits with llama.cpp's, and llama.cpp's with its own on another CPU variant (its noise).
#
#   bench/peers/agree.sh MODEL.gguf [-a VARIANT] [-b VARIANT] [-n POSITIONS] [-p PROMPTS] [-t THREADS]
#                        [--batch N] [--fa off|on|auto] [--kv f16|f32] [--libs DIR] [--keep-tokens FILE]
#                        [--lora ADAPTER.gguf]
#
# Prints one markdown table (see agree.c for the columns and the verdict). --kv f32 for models in F32: with f16 both variants of the
# peer round queries to F16 alike, which their difference does not show. Ours comes from
# build/release/logits_dump; without it only the noise is shown. The peer's libraries come from
# libs.sh unless --libs says where they are. Work files (250 MB each for a 49152-token
# vocabulary) go to a temporary folder that is removed at the end. --keep-tokens leaves the ids that the
# peer cuts all prompts into, one a line.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

fail() {
    echo "agree.sh: $*" >&2
    exit 1
}

case $(uname -m) in
    x86_64) variant_a=haswell variant_b=zen4 ;;
    aarch64) variant_a=armv8.0_1 variant_b=armv8.2_1 ;;
    *) fail "no peer package for $(uname -m)" ;;
esac

model='' positions=64 prompts=20 threads=1 batch=0 flash=off libs='' kept_tokens='' lora='' kv=f16
while [ $# -gt 0 ]; do
    case $1 in
        -*) [ $# -ge 2 ] || fail "$1 wants a value" ;;
    esac
    case $1 in
        -a) variant_a=$2; shift ;;
        -b) variant_b=$2; shift ;;
        -n) positions=$2; shift ;;
        -p) prompts=$2; shift ;;
        -t) threads=$2; shift ;;
        --batch) batch=$2; shift ;;
        --fa) flash=$2; shift ;;
        --libs) libs=$2; shift ;;
        --lora) lora=$2; shift ;;
        --kv) kv=$2; shift ;;
        --keep-tokens) kept_tokens=$2; shift ;;
        -*) fail "unknown option $1" ;;
        *) model=$1 ;;
    esac
    shift
done
[ -n "$model" ] || fail "which model? (./dev models fetches one and prints its path)"
[ -r "$model" ] || fail "$model cannot be read"

work=$(mktemp -d "${TMPDIR:-/tmp}/smidge-agree.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

[ -n "$libs" ] || libs=$("$here/libs.sh")

cc=${CC:-cc}
"$cc" -std=gnu11 -O2 -Wall -Wextra -o "$work/llama_peer" "$here/llama_peer.c" "$here/peer_library.c" -ldl
"$cc" -std=gnu11 -O2 -Wall -Wextra -o "$work/agree" "$here/agree.c" -lm

peer_logits() {
    "$work/llama_peer" logits "$model" "$work/tokens.bin" -o "$work/$1.f32" --libs "$libs" --variant "$1" \
        -t "$threads" -b "$batch" --fa "$flash" --kv "$kv" ${lora:+--lora "$lora"}
}

echo "agree.sh: greedy text and logits with $variant_a" >&2
head -n "$prompts" "$here/prompts.txt" >"$work/prompts.txt"
"$work/llama_peer" greedy "$model" "$work/prompts.txt" "$positions" -o "$work/tokens.bin" --libs "$libs" \
    --variant "$variant_a" -t "$threads" --fa "$flash" ${lora:+--lora "$lora"}
peer_logits "$variant_a"
echo "agree.sh: logits with $variant_b" >&2
peer_logits "$variant_b"

if [ -n "$kept_tokens" ]; then
    "$work/llama_peer" tokens "$model" "$here/prompts.txt" -o "$kept_tokens" --libs "$libs" --variant "$variant_a"
fi

ours=$root/build/release/logits_dump
set -- "$variant_a=$work/$variant_a.f32" "$variant_b=$work/$variant_b.f32"
if [ -x "$ours" ]; then
    echo "agree.sh: logits with smidge" >&2
    "$ours" "$model" "$work/tokens.bin" -o "$work/ours.f32" -t "$threads" --kv "$kv" ${lora:+--lora "$lora"}
    set -- "$@" "smidge=$work/ours.f32"
else
    echo "agree.sh: ours is skipped: build/release/logits_dump is not built (./dev build)" >&2
fi
"$work/agree" "$work/tokens.bin" "$@"
