#!/bin/sh
# Makes the bundled model again: data, vocabulary, training, quantizing, evaluation.
#
#   scripts/train_nano.sh [-o MODEL.gguf] [-c hwu-home.jsonl] [-t THREADS] [--until data|vocabulary|model|quantized]
#
# Everything is kept in build/nano, and what is there is not made again, so that it may be stopped at any moment and started again;
# `smidge train` goes on from its checkpoint. Another recipe, other words or another generator start anew.
# The commands come from NLU-Evaluation-Data (X. Liu and others, IWSDS 2019; CC BY 4.0), which is not in the repository:
# SMIDGE_COMMANDS or -c says where hwu-home.jsonl is.
set -eu
cd "$(dirname "$0")/.."

smidge=build/release/smidge
tools=build/release/nano
words=models/nano/words
recipe=models/nano/recipe.json
work=build/nano
commands=${SMIDGE_COMMANDS:-../shared/data/commands/hwu-home.jsonl}
out=models/smidge-nano.gguf
threads=$(nproc)
last=evaluated

fail() {
    echo "train-nano: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || fail "$1 wants a value (usage: train-nano [-o MODEL.gguf] [-c hwu-home.jsonl] [-t THREADS] [--until STEP])"
    case $1 in
    -o) out=$2 ;;
    -c) commands=$2 ;;
    -t) threads=$2 ;;
    --until) last=$2 ;;
    *) fail "$1 is unknown (usage: train-nano [-o MODEL.gguf] [-c hwu-home.jsonl] [-t THREADS] [--until STEP])" ;;
    esac
    shift 2
done
case $last in
data | vocabulary | model | quantized | evaluated) ;;
*) fail "--until $last: there is no such step (data, vocabulary, model, quantized)" ;;
esac
[ -f "$commands" ] || fail "$commands: not there (give hwu-home.jsonl with -c FILE or SMIDGE_COMMANDS)"

# value NAME: a number of the recipe.
value() {
    number=$(sed -n "s/^ *\"$1\": *\([0-9.][0-9.]*\),\{0,1\}$/\1/p" "$recipe")
    [ -n "$number" ] || fail "$recipe: no number named $1"
    echo "$number"
}

say() {
    echo "train-nano: $*" >&2
}

done_with() {
    if [ "$last" = "$1" ]; then
        say "stopped behind: $1"
        exit 0
    fi
}

# What the data depend on; what was made of something else is not gone on with.
mkdir -p "$work"
mark=$(cat "$recipe" "$words"/*/*.txt models/nano/*.c models/nano/*.h "$commands" | sha256sum)
if [ "$(cat "$work/mark" 2>/dev/null)" != "$mark" ]; then
    rm -rf "$work"
    mkdir -p "$work"
    echo "$mark" >"$work/mark"
fi

seed=$(value seed)

# readings NAME LIST CASES SEED [FLAG...]: a file of cases, once.
readings() {
    name=$1 list=$2 count=$3 its_seed=$4
    shift 4
    [ -f "$work/$name.jsonl" ] ||
        "$tools/make_data" readings --words "$words/$list" --count "$count" --seed "$its_seed" "$@" -o "$work/$name.jsonl"
}

# orders NAME SPLIT SEED [FLAG...]: a file of commands, once.
orders() {
    name=$1 split=$2 its_seed=$3
    shift 3
    [ -f "$work/$name.jsonl" ] ||
        "$tools/make_data" commands --words "$words/train" --data "$commands" --split "$split" --seed "$its_seed" "$@" \
            -o "$work/$name.jsonl"
}

# ---- Data -------------------------------------------------------------------------------------------------

say "data"
readings spelling train "$(value vocabulary_cases)" "$((seed + 1))"
readings drill train "$(value drill_cases)" "$((seed + 2))" --sensors 1 --near 10 --worked 0 --terse 100 --hints all
readings few train "$(value few_cases)" "$((seed + 3))" --sensors 1-3 --worked 0 --terse 50 --hints all
readings full train "$(value full_cases)" "$((seed + 4))" --raw 4 --explained 1 --terse 10 --hints distances
orders commands train "$((seed + 5))" --count "$(value full_commands)"
readings valid train 1000 "$((seed + 6))"
readings test-raw test "$(value test_cases)" "$((seed + 7))" --worked 0
readings test-worked test "$(value test_cases)" "$((seed + 8))" --raw 0
# The raw ones by how near a limit their nearest reading is: beyond 5 % of it, and within.
beyond=$work/test-raw-beyond.jsonl within=$work/test-raw-within.jsonl
[ -f "$beyond" ] || awk -v beyond="$beyond.part" -v within="$within" '{
        match($0, /-apart[0-9]+/)
        print >(substr($0, RSTART + 6, RLENGTH - 6) + 0 > 5000 ? beyond : within)
    }' "$work/test-raw.jsonl"
[ -f "$beyond" ] || mv "$beyond.part" "$beyond"
orders test-commands dev "$((seed + 9))"
done_with data

# ---- Vocabulary -------------------------------------------------------------------------------------------

vocabulary=$work/vocabulary.gguf
[ -f "$vocabulary" ] ||
    "$tools/make_vocabulary" --size "$(value vocabulary)" -o "$vocabulary" "$work/spelling.jsonl" "$work/commands.jsonl"
done_with vocabulary

# ---- Training ---------------------------------------------------------------------------------------------

if [ ! -f "$work/model.gguf" ]; then
    say "training: at most two hours of two processors; it goes on where it was when it is started again"
    "$smidge" train --shape models/nano/shape.json --vocab "$vocabulary" \
        --stage "$work/drill.jsonl:$(value drill_steps)" --stage "$work/few.jsonl:$(value few_steps)" \
        --stage "$work/full.jsonl,$work/commands.jsonl:$(value full_steps)" \
        --valid "$work/valid.jsonl" --batch-tokens "$(value batch_tokens)" --sequence "$(value sequence)" --skip-long \
        --optimizer muon --muon-lr "$(value muon_lr)" --lr "$(value lr)" --beta2 "$(value beta2)" \
        --warmup "$(value warmup)" --lr-hold "$(value lr_hold)" --lr-floor "$(value lr_floor)" --hints "$(value hints)" --bf16 --seed "$seed" -t "$threads" \
        --log "$work/train.csv" -o "$work/model.gguf"
fi
done_with model

[ -f "$work/quantized.gguf" ] || "$smidge" quantize "$work/model.gguf" "$work/quantized.gguf" q8_0
size=$(wc -c <"$work/quantized.gguf")
[ "$size" -le 8388608 ] || fail "$work/quantized.gguf has $size bytes: more than 8 MiB (take a smaller shape)"
done_with quantized

# ---- Evaluation -------------------------------------------------------------------------------------------

for test in test-worked test-raw test-raw-beyond test-raw-within test-commands; do
    [ -f "$work/$test.md" ] || "$smidge" eval -m "$work/quantized.gguf" -d "$work/$test.jsonl" -t "$threads" -o "$work/$test.md"
    cat "$work/$test.md"
done
cp "$work/quantized.gguf" "$out.part"
mv "$out.part" "$out"
say "$out is made; the evaluations are in $work"
