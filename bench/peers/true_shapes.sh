#!/bin/sh
# The five models of the article in their true shapes, with random weights: that they load and run, that we cut text
# into the same tokens as llama.cpp and compute what it computes, and that they take the memory predicted.
#
#   bench/peers/true_shapes.sh [--libs DIR] [-t THREADS] [-b VARIANT] [--type TYPE] [SHAPE...]
#
# Without shapes, all five. Models are made where they are missing (see scripts/bench_models.sh; 11 GB in q4_k_m) and
# kept. Prints two markdown tables, those of agree.c and of memory_need.c, and fails where either fails. Takes about
# 25 minutes on two cores. Random weights do not amplify a difference in the last bit as trained ones do, so the two
# variants of the peer must differ from the first layer on, or their difference is not all of their noise: haswell and
# zen4, which agree.sh takes, add up most sums in the same order; haswell and ivybridge do not.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
release=$root/build/release

fail() {
    echo "true_shapes.sh: $*" >&2
    exit 1
}

type=q4_k_m threads=2 libs='' variant=''
[ "$(uname -m)" != x86_64 ] || variant=ivybridge
shapes=''
while [ $# -gt 0 ]; do
    case $1 in
        -*) [ $# -ge 2 ] || fail "$1 wants a value" ;;
    esac
    case $1 in
        --libs) libs=$2; shift ;;
        --type) type=$2; shift ;;
        -t) threads=$2; shift ;;
        -b) variant=$2; shift ;;
        -*) fail "unknown option $1" ;;
        *) shapes="$shapes $1" ;;
    esac
    shift
done
[ -n "$shapes" ] || shapes='1b 3b gemma2b phi3 mistral7b'
for program in smidge logits_dump memory_need make_model; do
    [ -x "$release/$program" ] || fail "build/release/$program is not built (./dev build release)"
done

# Of 20 prompts with 64 positions each, so many, since a large model takes long with them.
prompts_for() {
    case $1 in
        135m) echo 20 ;;
        1b) echo 8 ;;
        phi3) echo 8 ;;
        mistral7b) echo 6 ;;
        *) echo 4 ;;
    esac
}

work=$(mktemp -d "${TMPDIR:-/tmp}/smidge-shapes.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

set -- --keep-tokens "$work/peer.ids" -t "$threads"
[ -z "$libs" ] || set -- "$@" --libs "$libs"
[ -z "$variant" ] || set -- "$@" -b "$variant"

# The same prompts, cut by smidge; of an escaped line, printf makes what the peer makes of it.
our_tokens() {
    while IFS= read -r line; do
        printf '%b' "$line" >"$work/prompt.txt"
        "$release/smidge" tokenize "$1" -f "$work/prompt.txt" --ids
    done <"$here/prompts.txt" >"$work/our.ids"
}

failed=0
for shape in $shapes; do
    model=$("$root/scripts/bench_models.sh" "$shape-$type")
    prompts=$(prompts_for "$shape")
    echo "true_shapes.sh: $shape, $prompts of 20 prompts" >&2
    "$here/agree.sh" "$model" -p "$prompts" "$@" >"$work/agree" || failed=1
    our_tokens "$model"
    cmp -s "$work/our.ids" "$work/peer.ids" || {
        echo "true_shapes.sh: FAIL: $shape: the 20 prompts are cut into other tokens than the peer's" >&2
        failed=1
    }
    [ -s "$work/agreement" ] || sed -n '1s/^/| model /p; 2s/^/|---/p' "$work/agree" >"$work/agreement"
    sed -n "3,\$s/^/| $shape-$type /p" "$work/agree" >>"$work/agreement"
    "$release/memory_need" "$release/smidge" "$model" 256 "$threads" >>"$work/memory" || failed=1
done

cat "$work/agreement"
echo
echo "| model | positions | KV | weights | vocabulary | KV cache | scratch | program | predicted MiB | VmHWM MiB | over | verdict |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
cat "$work/memory"
exit "$failed"
