#!/bin/sh
# Makes the bundled model again: data, vocabulary, training, quantizing, evaluation.
#
#   scripts/train_nano.sh [-o MODEL.gguf] [-c hwu-home.jsonl] [-t THREADS] [--until data|vocabulary|model|quantized]
#
# Everything is kept in build/nano, each file with the key of what it was made from, and what is current is not made again: stopped at any
# moment and started again it goes on, `smidge train` from its checkpoint; and of another recipe, other words or another generator
# only what depends on them is made anew.
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

mkdir -p "$work"
seed=$(value seed)

# ---- What is kept -----------------------------------------------------------------------------------------

# current FILE KEY...: whether FILE was made from just these keys. If not it is gone, and what makes it next is noted.
current() {
    file=$1
    shift
    key=$(printf '%s\n' "$@" | sha256sum)
    if [ "$(cat "$file.key" 2>/dev/null)" != "$key" ]; then
        rm -f "$file" "$file.checkpoint"
        echo "$key" >"$file.key"
    fi
    [ -f "$file" ]
}

sources=$(cat "$words"/*/*.txt models/nano/*.c models/nano/*.h src/data/limits.[ch] | sha256sum)

# readings NAME LIST CASES SEED [FLAG...]: a file of cases.
readings() {
    name=$1 list=$2 count=$3 its_seed=$4
    shift 4
    current "$work/$name.jsonl" "$sources" "$list $count $its_seed $*" ||
        "$tools/make_data" readings --words "$words/$list" --count "$count" --seed "$its_seed" "$@" -o "$work/$name.jsonl"
}

# orders NAME SPLIT SEED [FLAG...]: a file of commands.
orders() {
    name=$1 split=$2 its_seed=$3
    shift 3
    current "$work/$name.jsonl" "$sources" "$spoken" "$split $its_seed $*" ||
        "$tools/make_data" commands --words "$words/train" --data "$commands" --split "$split" --seed "$its_seed" "$@" \
            -o "$work/$name.jsonl"
}

# ---- Data -------------------------------------------------------------------------------------------------

say "data"
spoken=$(sha256sum <"$commands")
readings spelling train "$(value vocabulary_cases)" "$((seed + 1))"
readings comparing train "$(value comparing_cases)" "$((seed + 2))" --sensors 1-6 --near 10 --worked 0 --terse 100 --together --varied 60 --hints all
readings finding train "$(value finding_cases)" "$((seed + 3))" --sensors 1-6 --near 10 --worked 0 --terse 100 --varied 40 --hints owners
readings plain train "$(value plain_cases)" "$((seed + 5))" --worked 0 --terse "$(value plain_terse)" --plain 60 --varied 25 --noise 10 \
    --hints owners --severities
readings full train "$(value full_cases)" "$((seed + 6))" --raw 6 --explained 1 --worked 2 --terse "$(value full_terse)" --plain 15 --varied 15 --noise 15 \
    --hints recall --severities
orders commands train "$((seed + 7))" --count "$(value full_commands)"
readings valid-comparing train 1000 "$((seed + 8))" --sensors 1-6 --near 10 --worked 0 --terse 100 --together
readings valid-finding train 1000 "$((seed + 9))" --sensors 1-6 --near 10 --worked 0 --terse 100
readings valid-plain train 1000 "$((seed + 10))" --worked 0 --plain 60
readings valid-full test 1000 "$((seed + 11))"
readings test-raw test "$(value test_cases)" "$((seed + 12))" --worked 0
readings test-worked test "$(value test_cases)" "$((seed + 13))" --raw 0
orders test-commands dev "$((seed + 14))"
# The raw ones by how near a limit their nearest reading is: beyond 5 % of it, and within.
beyond=$work/test-raw-beyond.jsonl within=$work/test-raw-within.jsonl
awk -v beyond="$beyond" -v within="$within" '{
        match($0, /-apart[0-9]+/)
        print >(substr($0, RSTART + 6, RLENGTH - 6) + 0 > 5000 ? beyond : within)
    }' "$work/test-raw.jsonl"
done_with data

# ---- Vocabulary -------------------------------------------------------------------------------------------

# Names and units are cut in the same way wherever they stand: they do not get the space before them.
vocabulary=$work/vocabulary.gguf
apart="--apart $words/train/names.txt --apart $words/train/syllables.txt --apart $words/train/units.txt"
how="--size $(value vocabulary) --joined $(value vocabulary_joined) $apart"
# shellcheck disable=SC2086 # words of their own
current "$vocabulary" "$(cat "$work/spelling.jsonl.key" "$work/commands.jsonl.key")" "$how" ||
    "$tools/make_vocabulary" $how -o "$vocabulary" "$work/spelling.jsonl" "$work/commands.jsonl"
done_with vocabulary

# ---- Training ---------------------------------------------------------------------------------------------

# phase NAME START FILES: what is learned from FILES (names with commas) with the flags START, which name the model to begin with.
# Each has its own rise and fall of the rates, and its own file, which is not made again unless something of it changes.
phase() {
    name=$1 start=$2
    model=$work/$name.gguf
    files='' keys=$(cat "$vocabulary" models/nano/shape.json | sha256sum)
    for file in $(echo "$3" | tr ',' ' '); do
        files=$files${files:+,}$work/$file.jsonl
        keys="$keys $(sha256sum <"$work/$file.jsonl")"
    done
    [ -z "$before" ] || keys="$keys $(cat "$before.key")"
    how="--stage $files:$(value "${name}_steps") --batch-tokens $(value "${name}_batch") --sequence $(value sequence) --skip-long
        --optimizer muon --muon-lr $(value "${name}_muon_lr") --lr $(value "${name}_lr") --beta2 $(value beta2) --warmup $(value warmup)
        --lr-hold $(value "${name}_hold") --lr-floor $(value lr_floor) --hints $(value "${name}_hints")
        --prompt-loss $(value "${name}_prompts") --bf16 --seed $seed"
    before=$model
    current "$model" "$keys" "$how" && return
    say "training: $name"
    # shellcheck disable=SC2086 # words of their own
    "$smidge" train $start $how --valid "$work/valid-$name.jsonl" -t "$threads" --log "$work/$name.csv" -o "$model"
}

before=''
phase comparing "--shape models/nano/shape.json --vocab $vocabulary" comparing
phase finding "-m $work/comparing.gguf" finding
phase plain "-m $work/finding.gguf" plain
phase full "-m $work/plain.gguf" full,commands
ln -f "$work/full.gguf" "$work/model.gguf"
done_with model

quantized=$work/quantized.gguf
current "$quantized" "$(cat "$work/full.gguf.key")" || "$smidge" quantize "$work/full.gguf" "$quantized" q8_0
size=$(wc -c <"$quantized")
[ "$size" -le 8388608 ] || fail "$quantized has $size bytes: more than 8 MiB (take a smaller shape)"
done_with quantized

# ---- Evaluation -------------------------------------------------------------------------------------------

# evaluate TEST [FLAG...]: its report, also as TEST.md.
evaluate() {
    test=$1
    shift
    current "$work/$test.md" "$(cat "$quantized.key")" "$(sha256sum <"$work/$test.jsonl")" ||
        "$smidge" eval -m "$quantized" -d "$work/$test.jsonl" -t "$threads" -q -o "$work/$test.md" "$@" >/dev/null
    printf '\n# %s\n\n' "$test"
    cat "$work/$test.md"
}

for test in test-worked test-raw test-raw-beyond test-raw-within; do
    evaluate "$test"
done
evaluate test-commands -jf models/nano/commands.schema.json
cp "$quantized" "$out.part"
mv "$out.part" "$out"
say "$out is made; the evaluations are in $work"
