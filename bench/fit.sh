#!/bin/sh
# Whether smidge fit is right: memory against the most that smidge run had (VmHWM), and tokens a second against what smidge
# bench measures, in turns, medians of several rounds.
#   bench/fit.sh [--memory | --speed] [--rounds N] [FOLDER]       FOLDER: models of true shape (./dev bench --models-only makes them)
# Two tables; exit status 1 if a row is not within max(5 %, 8 MiB), or below what was taken, or a speed not within 20 %.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
build=${SMIDGE_BUILD:-$root/build/release}
folder=${XDG_CACHE_HOME:-$HOME/.cache}/smidge/bench
what=both
rounds=5
while [ $# -gt 0 ]; do
    case $1 in
    --memory) what=memory ;;
    --speed) what=speed ;;
    --rounds) rounds=$2 && shift ;;
    -*) echo "usage: bench/fit.sh [--memory | --speed] [--rounds N] [FOLDER]" >&2 && exit 2 ;;
    *) folder=$1 ;;
    esac
    shift
done
failed=0

# number KEY: its value in the JSON on standard input, one key a line.
number() {
    sed -n "s/^ *\"$1\": *\\([0-9.]*\\).*/\\1/p" | head -n 1
}

median() {
    sort -n | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'
}

memory() {
    echo "| model | positions | KV | weights | vocabulary | KV cache | scratch | program | predicted MiB | VmHWM MiB | over | |"
    echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
    for model in 135m-q4_0 135m-q8_0 1b-q4_k_m; do
        [ -f "$folder/$model.gguf" ] || { echo "no $model.gguf in $folder" >&2 && failed=1 && continue; }
        for positions in 128 1024; do
            for kv in f16 q8_0 f32; do
                "$build/memory_need" "$build/smidge" "$folder/$model.gguf" $positions 2 $kv || failed=1
            done
        done
    done
}

speed() {
    echo "| model | threads | predicted tokens/s | measured | off by |"
    echo "|---|---|---|---|---|"
    for model in 135m-q4_0 135m-q8_0 135m-q4_k_m 1b-q4_0 1b-q8_0 1b-q4_k_m 3b-q4_k_m; do
        file=$folder/$model.gguf
        [ -f "$file" ] || { echo "no $model.gguf in $folder" >&2 && failed=1 && continue; }
        for threads in 1 2; do
            : >"$work/predicted"
            : >"$work/measured"
            for _ in $(seq "$rounds"); do
                "$build/smidge" fit "$file" -t $threads --force --json | number tokens_per_second >>"$work/predicted"
                "$build/smidge" bench -m "$file" -t $threads --force -p 0 -n 16 -r 3 --readings 0 -o json |
                    number tokens_per_second >>"$work/measured"
            done
            predicted=$(median <"$work/predicted")
            measured=$(median <"$work/measured")
            awk -v name="$model" -v threads=$threads -v p="$predicted" -v m="$measured" 'BEGIN {
                off = 100 * (p / m - 1)
                printf "| %s | %d | %.1f | %.1f | %+.1f %% |\n", name, threads, p, m, off
                exit off > 20 || off < -20
            }' || failed=1
        done
    done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
[ "$what" = speed ] || memory
[ "$what" = both ] && echo
[ "$what" = memory ] || speed
exit $failed
