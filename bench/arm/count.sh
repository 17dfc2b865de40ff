#!/bin/sh
# Instructions per token on 64-bit ARM, counted under qemu-user: ours, function by function, with rows as the file has them and
# with interleaved ones (smidge repack), and llama.cpp's.
#
#   bench/arm/count.sh [--cpu NAME] [--path NAME] [--libs DIR | --no-peer] [--build DIR] [MODEL.gguf...]
#
# --cpu is qemu's: cortex-a72 has no dot product, cortex-a76 has it, max has the 8-bit matrix multiply as well. --path takes one of
# ours, as `smidge inspect --cpu` names them, instead of the best that this processor has.
#
# Without models: 135m in q4_0, q8_0 and q4_k_m, made as `./dev bench --models-only` makes them. `./dev build arm64` comes
# first. One thread; a decoded token is an eighth of what 12 take beyond 4, a prefilled one a 64th of what 80 take
# beyond 16, each with the logits of one token. Counts repeat exactly; they know nothing of memory and of what an
# instruction takes (mca.sh does).
#
# Wants qemu-user, gcc-aarch64-linux-gnu, and for the peer libstdc++6-arm64-cross and libgomp1-arm64-cross.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
sysroot=/usr/aarch64-linux-gnu

fail() {
    echo "count.sh: $*" >&2
    exit 1
}

cpu=cortex-a76 path=auto libs='' peer=yes build=$root/build/arm64
while [ $# -gt 0 ]; do
    case $1 in
        --cpu | --path | --libs | --build) [ $# -ge 2 ] || fail "$1 wants a value" ;;
    esac
    case $1 in
        --cpu) cpu=$2; shift ;;
        --path) path=$2; shift ;;
        --libs) libs=$2; shift ;;
        --no-peer) peer='' ;;
        --build) build=$2; shift ;;
        -*) fail "unknown option $1" ;;
        *) break ;;
    esac
    shift
done

[ -x "$build/count_steps" ] || fail "$build/count_steps is not built (./dev build arm64)"
command -v qemu-aarch64 >/dev/null || fail "qemu-aarch64 is missing (install qemu-user)"
if [ $# = 0 ]; then
    models=$("$root/scripts/bench_models.sh" 135m-q4_0 135m-q8_0 135m-q4_k_m)
    # shellcheck disable=SC2086 # one path a line, of our own making
    set -- $models
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/smidge-count.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cc -O2 -Wall -Wextra -shared -fPIC -o "$work/insn_count.so" "$here/insn_count.c"

if [ -n "$peer" ]; then
    [ -n "$libs" ] || libs=$("$root/bench/peers/libs.sh" aarch64)
    for file in "$libs"/libggml-cpu-armv8*.so "$sysroot/lib/libstdc++.so.6" "$sysroot/lib/libgomp.so.1"; do
        [ -f "$file" ] || fail "$file is missing (see the top of this script; --no-peer leaves the peer out)"
    done
    aarch64-linux-gnu-gcc -std=gnu11 -O2 -Wall -Wextra -o "$work/peer_steps" "$here/peer_steps.c" \
        "$root/bench/peers/peer_library.c" -ldl
fi

# count WHO MODEL PREFILL DECODE: into the file WHO.PREFILL.DECODE
count() {
    plugin=$work/insn_count.so,out=$work/$1.$3.$4
    if [ "$1" != peer ]; then
        qemu-aarch64 -cpu "$cpu" -plugin "$plugin" "$build/count_steps" "$2" "$3" "$4" 1 "$path"
    else
        qemu-aarch64 -cpu "$cpu" -L "$sysroot" -E "LD_LIBRARY_PATH=$libs:$sysroot/lib" -plugin "$plugin" \
            "$work/peer_steps" "$2" "$3" "$4" "$libs" >"$work/variant"
    fi
}

# share WHO FEWER MORE TOKENS: millions a token, "TOTAL" and each function that has 1 % of it
share() {
    awk -v tokens="$4" '
        NR == FNR { before[$2] = $1; next }
        { each[$2] = ($1 - before[$2]) / tokens / 1e6; total += each[$2] }
        END {
            printf "%.2f TOTAL\n", total
            for (name in each)
                if (each[name] >= total / 100)
                    printf "%.2f %s\n", each[name], name | "sort -rn"
        }' "$work/$1.$2" "$work/$1.$3"
}

# row WHO MODEL TEST FEWER MORE TOKENS
row() {
    share "$1" "$4" "$5" "$6" >"$work/ours"
    mine=$(awk '$2 == "TOTAL" { print $1 }' "$work/ours")
    theirs=- ratio=-
    if [ -n "$peer" ]; then
        theirs=$(share peer "$4" "$5" "$6" | awk '$2 == "TOTAL" { print $1 }')
        ratio=$(awk -v a="$mine" -v b="$theirs" 'BEGIN { printf "%.3f", a / b }')
    fi
    functions=$(awk '$2 != "TOTAL" { printf "%s%s %s", separator, $2, $1; separator = ", " }' "$work/ours")
    echo "| $2 | $3 | $mine | $theirs | $ratio | $functions |"
}

echo "Million instructions a token, $cpu, path $path, one thread:"
echo
echo "| model | | smidge | llama.cpp | ratio | smidge by function |"
echo "|---|---|---|---|---|---|"
for model in "$@"; do
    [ -r "$model" ] || fail "$model cannot be read"
    name=$(basename "$model" .gguf)
    qemu-aarch64 -cpu "$cpu" "$build/smidge" repack -q -m "$model" -o "$work/r16.gguf" ||
        fail "$model cannot be repacked"
    for steps in "4 4" "4 12" "16 0" "80 0"; do
        # shellcheck disable=SC2086 # two numbers
        count plain "$model" $steps
        # shellcheck disable=SC2086
        count r16 "$work/r16.gguf" $steps
        # shellcheck disable=SC2086
        [ -z "$peer" ] || count peer "$model" $steps
    done
    row plain "$name" decode 4.4 4.12 8
    row r16 "$name-r16" decode 4.4 4.12 8
    row plain "$name" prefill 16.0 80.0 64
    row r16 "$name-r16" prefill 16.0 80.0 64
    rm "$work/r16.gguf"
done
[ -z "$peer" ] || printf '\nllama.cpp chose %s.\n' "$(cat "$work/variant")"
