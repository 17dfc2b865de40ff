#!/bin/sh
# LoRA training by smidge and by transformers + PEFT, in turns on one machine: medians, ratios, peaks of memory.
#
#   SMIDGE_PYTHON=PYTHON bench/peers/train.sh MODEL.gguf [-n ROUNDS] [-t THREADS]
#
# Each turn is a process of its own: 1,024 tokens a step in sequences of 128, rank 8 on every matrix of a layer, a loss at the last four
# tokens of each sequence, AdamW, nothing recomputed; the median of five steps behind a first one. PYTHON has torch, transformers, peft
# and gguf (tests/golden/README.md says which).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
ours=$here/../../build/release/train_step
python=${SMIDGE_PYTHON:-python3}

fail() {
    echo "train.sh: $*" >&2
    exit 1
}

model='' rounds=5 threads=2
while [ $# -gt 0 ]; do
    case $1 in
        -*) [ $# -ge 2 ] || fail "$1 wants a value" ;;
    esac
    case $1 in
        -n) rounds=$2; shift ;;
        -t) threads=$2; shift ;;
        -*) fail "unknown option $1" ;;
        *) model=$1 ;;
    esac
    shift
done
[ -r "$model" ] || fail "which MODEL? (./dev models fetches one and prints its path)"
[ -x "$ours" ] || fail "build/release/train_step is not there (./dev build)"
"$python" -c 'import torch, transformers, peft, gguf' 2>/dev/null ||
    fail "$python lacks torch, transformers, peft or gguf (SMIDGE_PYTHON says which Python has them)"

said=$(mktemp "${TMPDIR:-/tmp}/smidge-train.XXXXXX")
trap 'rm -f "$said"' EXIT
trap 'exit 1' HUP INT TERM

# turn NAME COMMAND...: one line of what it said.
turn() {
    name=$1
    shift
    line=$("$@" 2>/dev/null | grep 'tokens/s') || fail "this failed: $*"
    echo "$name $line" | tee -a "$said"
}

round=0
while [ $round -lt "$rounds" ]; do
    turn smidge-f32 "$ours" "$model" -t "$threads"
    turn peft-f32 "$python" "$here/peft_step.py" "$model" -t "$threads"
    turn smidge-bf16 "$ours" "$model" -t "$threads" --bf16
    turn peft-bf16 "$python" "$here/peft_step.py" "$model" -t "$threads" --bf16
    round=$((round + 1))
done

# NAME RATE tokens/s loss LOSS peak MIB MiB
awk '
function median(list, count,    i, j, kept) {
    for (i = 2; i <= count; i++)
        for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
            kept = list[j]; list[j] = list[j - 1]; list[j - 1] = kept
        }
    return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
}
{ n[$1]++; rate[$1, n[$1]] = $2; peak[$1, n[$1]] = $7 }
END {
    split("smidge-f32 smidge-bf16 peft-f32 peft-bf16", names, " ")
    print "\n| | tokens/s | least | most | peak, MiB |\n|---|---:|---:|---:|---:|"
    for (i = 1; i <= 4; i++) {
        name = names[i]
        for (k = 1; k <= n[name]; k++) { r[k] = rate[name, k]; p[k] = peak[name, k] }
        middle[i] = median(r, n[name]); most[i] = median(p, n[name])
        printf "| %s | %.1f | %.1f | %.1f | %.0f |\n", name, middle[i], r[1], r[n[name]], most[i]
    }
    us = middle[1] > middle[2] ? 1 : 2
    them = middle[3] > middle[4] ? 3 : 4
    printf "\nthe better of each: %.2f times the tokens/s (at least 1.5 wanted), %.2f of the peak (at most 0.5)\n",
        middle[us] / middle[them], most[us] / most[them]
}' "$said"
