#!/bin/sh
# shellcheck disable=SC2034,SC2154 # names are shared with cells.sh
# The article's claim, tested: language models and what an engineer would use instead, on the same tasks, in one table.
# ./dev claims runs it; README.md says what is measured. Each cell is a file in the cache, named by the hash of all that it is made
# of: what is there is not made again, and what was killed goes on. The latest of each row and column is kept in the repository.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)

usage() {
    cat <<'TEXT'
usage: ./dev claims [OPTION...]
  --row R, --column C  only these cells (commas between several); the table shows the others as the cache has them
                       rows: smol-zero gemma-zero smol-tuned gemma-tuned nano rules logistic boosting forest crf
                       columns: worked raw skab ai4i commands
  --only-baselines     only the simple methods
  --int4               what fewer bits cost: nano as f16, q8_0, q4_k_m, q4_0 and q2_k, of the unquantized model
  --table-only         make nothing, only write the table
  --quick              few examples and steps, to try the machinery: other cells, another table, numbers that say nothing
  --max-minutes N      a share of the training that is made for 20 minutes (default 20)
  --smol F, --gemma F, --nano F, --nano-full F
                       the models (default: those of ./dev models, models/smidge-nano.gguf, build/nano/model.gguf)
  --data FOLDER        with skab, ai4i2020 and commands (default: ../shared/data)
  --cache FOLDER       of cells, answers and adapters (default: ~/.cache/smidge/claims)
  --kept FOLDER        of the latest cell of each row and column (default: bench/claims/cells; with --quick none)
  --table FILE         (default: bench/claims/TABLE.md; with --quick build/claims/TABLE-quick.md)
  -t N                 threads (default: all processors)
SMIDGE_PYTHON is a Python with scikit-learn and sklearn-crfsuite, for the simple methods; SMIDGE_CLAIMS_BUILD the folder of the
programs (default: build/release).
TEXT
}

say() {
    echo "claims: $*" >&2
}

fail() {
    say "$*"
    exit 1
}

absolute() {
    case $1 in
    /*) echo "$1" ;;
    *) echo "$PWD/$1" ;;
    esac
}

# ---- Options ----------------------------------------------------------------------------------------------

build=${SMIDGE_CLAIMS_BUILD:-$source/build/release}
cache_home=${XDG_CACHE_HOME:-$HOME/.cache}/smidge
cache=$cache_home/claims
kept=''
smol=$cache_home/models/SmolLM2-135M-Instruct.Q4_1.gguf
gemma=$cache_home/models/gemma-3-270m-q4_k_m.gguf
nano=$source/models/smidge-nano.gguf
nano_full=$source/build/nano/model.gguf
data_root=$source/../shared/data
python=${SMIDGE_PYTHON:-python3}
threads=$(nproc)
max_minutes=20
quick=0 only='' int4=0 table='' want_rows='' want_columns=''

while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=1 ;;
    --only-baselines) only=simple ;;
    --table-only) only=none ;;
    --int4) int4=1 ;;
    -h | --help)
        usage
        exit 0
        ;;
    --row | --column | --max-minutes | --smol | --gemma | --nano | --nano-full | --data | --cache | --kept | --table | -t)
        [ $# -ge 2 ] || fail "$1 wants a value (--help lists the options)"
        case $1 in
        --row) want_rows="$want_rows $(echo "$2" | tr , ' ')" ;;
        --column) want_columns="$want_columns $(echo "$2" | tr , ' ')" ;;
        --max-minutes) max_minutes=$2 ;;
        --smol) smol=$(absolute "$2") ;;
        --gemma) gemma=$(absolute "$2") ;;
        --nano) nano=$(absolute "$2") ;;
        --nano-full) nano_full=$(absolute "$2") ;;
        --data) data_root=$(absolute "$2") ;;
        --cache) cache=$(absolute "$2") ;;
        --kept) kept=$(absolute "$2") ;;
        --table) table=$(absolute "$2") ;;
        -t) threads=$2 ;;
        esac
        shift
        ;;
    *) fail "$1 is unknown (--help lists the options)" ;;
    esac
    shift
done
case $max_minutes in
'' | *[!0-9]* | 0) fail "--max-minutes $max_minutes is no whole number from 1 on" ;;
esac
if [ "$quick" = 0 ]; then
    table=${table:-$here/TABLE.md} kept=${kept:-$here/cells}
else
    table=${table:-$source/build/claims/TABLE-quick.md}
fi

smidge=$build/smidge tools=$build/nano claims=$build/claims
words=$source/models/nano/words
skab=$data_root/skab ai4i=$data_root/ai4i2020/ai4i2020.tsv commands=$data_root/commands/hwu-home.jsonl
made=' '
for program in "$smidge" "$tools/make_data" "$claims/claims_score" "$claims/claims_features" "$claims/claims_table"; do
    [ -x "$program" ] || fail "$program: not there (./dev claims builds it)"
done

# shellcheck source=/dev/null
. "$here/cells.sh"

# known WHAT LIST NAME...
known() {
    what=$1 list=$2
    shift 2
    for name in "$@"; do
        case " $list " in
        *" $name "*) ;;
        *) fail "$what $name: there is no such one (there are: $list)" ;;
        esac
    done
}
rows="$language_rows $simple_rows"
[ "$int4" = 0 ] || rows=$int4_rows
# shellcheck disable=SC2086 # lists of names
known --row "$rows" $want_rows
# shellcheck disable=SC2086
known --column "$columns" $want_columns

mkdir -p "$cache" "$(dirname "$table")"
if command -v flock >/dev/null; then
    exec 9>"$cache/lock"
    flock -n 9 || fail "$cache: another run is at it (wait for it, or give another --cache)"
fi
data=$cache/data
[ "$quick" = 0 ] || data=$cache/data-quick
mkdir -p "$data"

# ---- Hashes -----------------------------------------------------------------------------------------------

hash_of_text() {
    printf '%s\n' "$@" | sha256sum | cut -c 1-32
}

# Large files are hashed once a run.
file_hash() {
    key=$(printf '%s' "$1" | tr -c 'A-Za-z0-9' _)
    eval "known_hash=\${hash_$key:-}"
    if [ -z "$known_hash" ]; then
        known_hash=$(sha256sum <"$1" | cut -c 1-32)
        eval "hash_$key=\$known_hash"
    fi
}

# name_cell PREDICTIONS: sets `cell`, and brings it from the repository, which keeps the latest of each, if that is the one. Answers
# outlive another way of scoring them.
name_cell() {
    file_hash "$here/claims_score.c"
    cell_name=$(hash_of_text "$1" "$known_hash")
    cell=$cache/$cell_name.json
    if [ -n "$kept" ] && [ ! -f "$cell" ] && grep -q "\"cell\": *\"$cell_name\"" "$kept/$row-$column.json" 2>/dev/null; then
        put "$cell" cat "$kept/$row-$column.json" || fail "$cache: cannot be written"
    fi
}

# Of a model that is not here the table shows what was measured last.
kept_cell() {
    cell=$kept/$row-$column.json
    [ -n "$kept" ] && [ -f "$cell" ]
}

# ---- Language models --------------------------------------------------------------------------------------

# The minutes of training, over all attempts: an attempt that was killed counts up to its last checkpoint, behind which it is made again.
minutes_of() {
    awk '{ sum += $1 } END { printf "%.1f", sum / 60 }' "$1/seconds"
}

finetune() {
    folder=$1
    shift
    if [ -f "$folder/started" ] && [ -f "$folder/adapter.gguf.checkpoint" ]; then
        spent=$(($(stat -c %Y "$folder/adapter.gguf.checkpoint") - $(cat "$folder/started")))
        [ "$spent" -lt 0 ] || echo "$spent" >>"$folder/seconds"
    fi
    date +%s >"$folder/started"
    # shellcheck disable=SC2086 # a recipe is several words
    "$smidge" finetune -m "$model" -d "$folder/learn.jsonl" -o "$folder/adapter.gguf" $recipe -t "$threads" \
        --checkpoint-every "${SMIDGE_CLAIMS_CHECKPOINT:-60}" --log "$folder/log.csv" >&2 || fail "$row $column: training failed (above)"
    echo $(($(date +%s) - $(cat "$folder/started"))) >>"$folder/seconds"
    rm -f "$folder/started"
}

# Sets `adapter` and `minutes`; trains where that was not done.
train() {
    training "$kind" "$column"
    file_hash "$model" && model_hash=$known_hash
    file_hash "$data/$learns"
    folder=$cache/train-$(hash_of_text "$PROTOCOL" "$model_hash" "$known_hash" "$examples" "$recipe")
    adapter=$folder/adapter.gguf
    mkdir -p "$folder"
    if [ ! -f "$folder/done" ]; then
        # what was begun goes on with the very same file
        [ -f "$folder/learn.jsonl" ] ||
            put "$folder/learn.jsonl" evenly "$data/$learns" "$examples" || fail "$row $column: $folder cannot be written"
        say "$row $column: training on $(wc -l <"$folder/learn.jsonl") examples; killed, it goes on where it was"
        finetune "$folder"
        : >"$folder/done"
    fi
    minutes=$(minutes_of "$folder")
    learned=$(wc -l <"$folder/learn.jsonl")
}

# evenly FILE N: so many of its lines, evenly spread; 0 or too many: all.
evenly() {
    awk -v want="$2" -v have="$(wc -l <"$1")" '
        want == 0 || want >= have || int(NR * want / have) > int((NR - 1) * want / have)' "$1"
}

# predict FILE OUT [FLAG...]: asks 500 at a time, so that at most these are lost when it is killed.
predict() {
    asked_file=$1 out=$2
    shift 2
    [ ! -f "$out" ] || return 0
    parts=$out.parts
    mkdir -p "$parts"
    if [ ! -f "$parts/cut" ]; then
        split -l 500 -a 3 "$asked_file" "$parts/part-" || fail "$parts: cannot be written"
        : >"$parts/cut"
    fi
    for part in "$parts"/part-???; do
        [ ! -f "$part.said" ] || continue
        "$smidge" eval -m "$model" -d "$part" -t "$threads" -q --latency 1 --predictions "$part.now" "$@" >/dev/null ||
            fail "$row $column: evaluation failed (above)"
        mv "$part.now" "$part.said"
    done
    put "$out" cat "$parts"/part-???.said || fail "$out: cannot be written"
    rm -r "$parts"
}

# The flags of `smidge eval` for a column.
ask() {
    labels_of "$column"
    if [ -n "$labels" ]; then
        predict "$@" --labels "$labels"
    else
        predict "$@" -jf "$source/models/nano/commands.schema.json"
    fi
}

# model_of ROW: sets `model`, `kind`, `way` (zero, tuned, as-is) and `chat`.
model_of() {
    chat='' way=as-is kind=${1%%-*}
    case $1 in
    smol-zero) model=$smol way=zero chat=--chat ;;
    gemma-zero) model=$gemma way=zero ;;
    smol-tuned) model=$smol way=tuned ;;
    gemma-tuned) model=$gemma way=tuned ;;
    nano) model=$nano ;;
    nano-*) model=$nano_full ;;
    esac
    case $1-$2 in
    nano*-skab | nano*-ai4i) way=tuned ;; # nothing of the kind was in its training
    esac
}

# The unquantized nano in another type; its adapters are trained over the unquantized one.
other_type() {
    file_hash "$nano_full"
    quantized=$cache/nano-$known_hash-${row#nano-}.gguf
    if [ ! -f "$quantized" ]; then
        "$smidge" quantize "$nano_full" "$quantized" "${row#nano-}" -q || fail "$row: quantizing failed (above)"
    fi
    model=$quantized
}

language_cell() {
    model_of "$row" "$column"
    if [ ! -f "$model" ]; then
        why="not there: $(basename "$model")"
        kept_cell
        return
    fi
    adapter='' minutes='' learned='' told=$data/test-$column.jsonl
    asked "$kind" "$column"
    [ "$way" != zero ] || told=$data/zero-$column.jsonl
    [ "$way" != tuned ] || training "$kind" "$column"
    file_hash "$model" && model_hash=$known_hash
    file_hash "$told" && told_hash=$known_hash
    learns_hash='' valid=''
    if [ "$way" = tuned ]; then
        file_hash "$data/$learns" && learns_hash="$known_hash $examples $recipe"
        # failures are rare, and learned from balanced examples: from which probability on to say so is chosen elsewhere
        [ "$column" != ai4i ] || valid=$data/valid-ai4i.jsonl
    fi
    valid_hash=''
    if [ -n "$valid" ]; then file_hash "$valid" && valid_hash=$known_hash; fi
    file_hash "$source/models/nano/commands.schema.json"
    name=$(hash_of_text "$PROTOCOL" "$row" "$column" "$model_hash" "$told_hash" "$learns_hash" "$valid_hash" "$limit" "$chat" "$known_hash")
    name_cell "$name"
    [ ! -f "$cell" ] || return 0
    why="not run yet"
    [ "$run" = 1 ] || return 1
    [ "$way" != tuned ] || train
    case $row in
    nano-*) other_type ;;
    esac
    say "$row $column: asking"
    # adapter and chat are each one word or nothing
    set -- ${chat:+"$chat"}
    [ -z "$adapter" ] || set -- "$@" --lora "$adapter"
    put "$cache/$name.asked.jsonl" evenly "$told" "$limit" || fail "$cache: cannot be written"
    ask "$cache/$name.asked.jsonl" "$cache/$name.said.jsonl" "$@"
    tuned=''
    if [ -n "$valid" ]; then
        put "$cache/$name.chosen-by.jsonl" evenly "$valid" "$limit" || fail "$cache: cannot be written"
        ask "$cache/$name.chosen-by.jsonl" "$cache/$name.valid.jsonl" "$@"
        tuned=$cache/$name.valid.jsonl
    fi
    score "$cache/$name.asked.jsonl" "$cache/$name.said.jsonl" "$tuned" --set "way=$way" --set "minutes=$minutes" --set "learned=$learned" \
        --set "model=$(basename "$model")" --set "threads=$threads"
}

# ---- Simple methods ---------------------------------------------------------------------------------------

# Says in `why` what is missing.
python_for() {
    modules=sklearn
    [ "$row" != crf ] || modules="sklearn, sklearn_crfsuite"
    why="needs Python with scikit-learn (SMIDGE_PYTHON)"
    [ "$row" != crf ] || why="needs Python with sklearn-crfsuite (SMIDGE_PYTHON)"
    "$python" -c "import numpy, $modules" 2>/dev/null
}

simple_cell() {
    case $row-$column in
    crf-commands | logistic-commands) ;;
    crf-* | *-commands)
        why=-
        return 1
        ;;
    esac
    train=$data/train-$column.jsonl test=$data/test-$column.jsonl valid=''
    case $column in
    worked | raw) train=$data/train-thresholds.tsv test=$data/test-$column.tsv ;;
    ai4i) train=$data/all-ai4i.jsonl valid=$data/valid-ai4i.jsonl ;;
    esac
    file_hash "$train" && train_hash=$known_hash
    file_hash "$test" && test_hash=$known_hash
    valid_hash=''
    if [ -n "$valid" ]; then file_hash "$valid" && valid_hash=$known_hash; fi
    if [ "$column" = commands ]; then file_hash "$commands" && train_hash=$known_hash; fi
    file_hash "$here/baselines.py"
    name=$(hash_of_text "$PROTOCOL" "$row" "$column" "$train_hash" "$test_hash" "$valid_hash" "$known_hash")
    name_cell "$name"
    [ ! -f "$cell" ] || return 0
    why="not run yet"
    [ "$run" = 1 ] || return 1
    python_for || return 1
    say "$row $column"
    set -- --train "$train" --test "$test" --commands "$commands" --out "$cache/$name.said.jsonl"
    [ -z "$valid" ] || set -- "$@" --valid "$valid" --valid-out "$cache/$name.valid.jsonl"
    if [ ! -f "$cache/$name.took" ]; then
        began=$(date +%s)
        "$python" "$here/baselines.py" "$row" "$column" "$@" >&2 || fail "$row $column: failed (above)"
        awk -v s="$(($(date +%s) - began))" 'BEGIN { printf "%.1f", s / 60 }' >"$cache/$name.took"
    fi
    took=$(cat "$cache/$name.took")
    labels_of "$column"
    # rules say yes or no, and there is nothing to choose
    tuned=''
    [ -z "$valid" ] || [ "$row" = rules ] || tuned=$cache/$name.valid.jsonl
    learned=$(wc -l <"$train")
    [ "$column" != commands ] || learned=$(grep -c '"split":"train"' "$commands")
    score "$data/test-$column.jsonl" "$cache/$name.said.jsonl" "$tuned" --set way=simple --set "minutes=$took" --set "learned=$learned"
}

# score DATA SAID TUNED [FLAG...]: writes the cell.
score() {
    of=$1 said=$2 tuned=$3
    shift 3
    [ -z "$positive" ] || set -- --positive "$positive" "$@"
    [ "$column" != commands ] || set -- --json "$@"
    [ -z "$tuned" ] || set -- --tune "$tuned" "$@"
    put "$cell" "$claims/claims_score" "$@" --set "cell=$cell_name" --set "row=$row" --set "column=$column" --set "when=$(date -u +%Y-%m-%d)" \
        --set "version=$("$smidge" --version | head -n 1)" "$of" "$said" || fail "$row $column: cannot be scored (above)"
    if [ -n "$kept" ]; then
        mkdir -p "$kept" || fail "$kept: cannot be made"
        put "$kept/$row-$column.json" cat "$cell" || fail "$kept: cannot be written"
    fi
}

# ---- All cells, and the table -----------------------------------------------------------------------------

# Is this one to be made?
wanted() {
    case " ${want_rows:-$rows} " in *" $row "*) ;; *) return 1 ;; esac
    case " ${want_columns:-$columns} " in *" $column "*) ;; *) return 1 ;; esac
    case $only in
    none) return 1 ;;
    simple) case " $simple_rows " in *" $row "*) ;; *) return 1 ;; esac ;;
    esac
}

manifest=$cache/manifest # the lock keeps it to one run
trap 'rm -f "$manifest"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# add_rows ROW...: makes what is wanted of them, and lists what there is.
add_rows() {
    for row in "$@"; do
        for column in $columns; do
            run=0
            ! wanted || run=1
            cell='' why=''
            if data_for "$column"; then
                case " $simple_rows " in
                *" $row "*) simple_cell || cell='' ;;
                *) language_cell || cell='' ;;
                esac
            fi
            printf '%s\t%s\t%s\t%s\n' "$row" "$column" "$cell" "$why" >>"$manifest"
        done
    done
}

: >"$manifest"
# shellcheck disable=SC2086 # lists of names
if [ "$int4" = 1 ]; then
    add_rows $int4_rows
    rows="$language_rows $simple_rows" only=none
    add_rows $rows
else
    add_rows $rows
    only=none
    add_rows $int4_rows
fi
set --
[ "$quick" = 0 ] || set -- --quick
put "$table" "$claims/claims_table" "$@" "$manifest" || fail "$table: cannot be written"
say "$table is written"
cat "$table"
