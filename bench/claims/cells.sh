# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # names are shared with run.sh
# The protocol: what each cell is made of. run.sh reads this file. What a cell depends on (data, models, the words of the commands
# below, the scorer) is hashed, so that changing one cell's numbers makes that cell again and no other; PROTOCOL is for
# changes that the hash cannot see.
PROTOCOL=1

language_rows="smol-zero gemma-zero smol-tuned gemma-tuned nano"
simple_rows="rules logistic boosting forest crf"
int4_rows="nano-f16 nano-q8_0 nano-q4_k_m nano-q4_0 nano-q2_k"
columns="worked raw skab ai4i commands"

# Readings: seeds 13 and 14 are those of scripts/train_nano.sh for its tests, 15 that of its test of commands.
seed_raw=13
seed_worked=14
seed_commands=15
seed_train=101
test_cases=10000
simple_cases=60000
if [ "$quick" = 1 ]; then
    test_cases=600
    simple_cases=3000
fi

# training MODEL COLUMN: sets `learns` (which file), `examples` (so many of it, evenly spread; 0: all) and `recipe`. They are such that a
# cell takes less than 20 minutes on the machine that README.md names, alone on it; --max-minutes takes a share of them.
training() {
    examples=0
    learns=train-$2.jsonl
    case $2 in
    worked | raw) learns=train-thresholds.jsonl ;; # one training for both
    esac
    case $1-$2 in
    nano-skab) recipe="--epochs 32 --lora-rank 16 --lora-alpha 32 --lr 2e-3" ;;
    nano-ai4i) recipe="--epochs 24 --lora-rank 16 --lora-alpha 32 --lr 2e-3" ;;
    *-worked | *-raw)
        examples=4800
        recipe="--epochs 1 --lora-rank 16 --lora-alpha 32 --lr 5e-4"
        ;;
    *-skab) recipe="--epochs 5 --lora-rank 16 --lora-alpha 32 --lr 4e-4" ;;
    *-ai4i) recipe="--epochs 2 --lora-rank 16 --lora-alpha 32 --lr 4e-4" ;;
    *-commands)
        examples=9600
        recipe="--epochs 1 --lora-rank 16 --lora-alpha 32 --lr 5e-4"
        ;;
    esac
    recipe="$recipe --batch-size 16 --bf16 --seed 1"
    if [ "$max_minutes" -lt 20 ]; then
        [ "$examples" != 0 ] || examples=$(wc -l <"$data/$learns")
        examples=$((examples * max_minutes / 20))
    fi
    if [ "$quick" = 1 ]; then
        examples=48
        recipe="--epochs 1 --lora-rank 4 --lr 5e-4 --batch-size 8 --valid-share 0.1 --bf16 --seed 1"
    fi
}

# asked MODEL COLUMN: sets `limit`, how many of the test are asked, evenly spread (0: all).
asked() {
    limit=0
    case $1-$2 in
    nano*) ;;
    *-worked | *-raw) limit=1000 ;;
    esac
    [ "$quick" = 0 ] || limit=24
}

labels_of() {
    case $1 in
    worked | raw) labels=NORMAL,WARNING,CRITICAL positive='' ;;
    skab) labels=NORMAL,ANOMALY positive=ANOMALY ;;
    ai4i) labels=OK,FAILURE positive=FAILURE ;;
    commands) labels='' positive='' ;;
    esac
}

# ---- Data -------------------------------------------------------------------------------------------------

# put FILE COMMAND...: what the command prints becomes the file, when it is whole.
put() {
    file=$1
    shift
    "$@" >"$file.part" || return 1
    mv "$file.part" "$file"
}

make_thresholds() {
    "$tools/make_data" readings --words "$words/test" --count "$test_cases" --seed "$seed_raw" --worked 0 -o "$data/test-raw.jsonl" &&
        "$tools/make_data" readings --words "$words/test" --count "$test_cases" --seed "$seed_worked" --raw 0 \
            -o "$data/test-worked.jsonl" &&
        "$tools/make_data" readings --words "$words/train" --count "$simple_cases" --seed "$seed_train" \
            -o "$data/train-thresholds.jsonl" &&
        put "$data/test-raw.tsv" "$claims/claims_features" "$words/test" "$test_cases" "$seed_raw" 1 0 &&
        put "$data/test-worked.tsv" "$claims/claims_features" "$words/test" "$test_cases" "$seed_worked" 0 1 &&
        put "$data/train-thresholds.tsv" "$claims/claims_features" "$words/train" "$simple_cases" "$seed_train" 1 1
}

# Whole experiments: those whose number divides by 3 are the test (11 of 31). Paths are relative, so that they are the same for everyone.
make_skab() {
    template=$here/templates/skab.template
    test_files='' train_files=''
    for folder in valve1 valve2 other; do
        for number in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
            [ -f "$skab/$folder/$number.csv" ] || continue
            case $((number % 3)) in
            0) test_files="$test_files $folder/$number.csv" ;;
            *) train_files="$train_files $folder/$number.csv" ;;
            esac
        done
    done
    # shellcheck disable=SC2086 # lists of names without blanks
    (cd "$skab" && "$smidge" data $test_files --template "$template" -q -o "$data/whole-test-skab.jsonl" &&
        "$smidge" data $train_files --template "$template" -q -o "$data/whole-train-skab.jsonl") || return 1
    # Windows 0 to 37 of 30 rows, ten apart, end within the first 400 rows, which say what is normal, and are not asked about.
    # shellcheck disable=SC2016 # awk's own names
    for part in test train; do
        put "$data/$part-skab.jsonl" awk '{
            match($0, /"group": *"[^"]*"/)
            if (count[substr($0, RSTART, RLENGTH)]++ > 37)
                print
        }' "$data/whole-$part-skab.jsonl" || return 1
    done
}

# Within each label by a hash of UDI (Knuth's multiplicative one): the first fifth is the test, the next tenth is for choosing
# limits, the rest is learned from. Language models learn from all its failures, each four times, and as many others.
make_ai4i() {
    awk -F '\t' 'NR > 1 { sub(/\r$/, ""); printf "%s\t%.0f\t%s\n", $9, ($1 * 2654435761) % 4294967296, $0 }' "$ai4i" |
        sort -k 1,1n -k 2,2n >"$data/ai4i.sorted" || return 1
    for part in test valid train; do
        head -n 1 "$ai4i" | tr -d '\r' >"$data/ai4i-$part.tsv"
    done
    awk -F '\t' -v folder="$data" '
        { count[$1]++; line[$1, count[$1]] = $0 }
        END {
            for (label = 0; label < 2; label++)
                for (i = 1; i <= count[label]; i++) {
                    share = (i - 1) / count[label]
                    part = share < 0.2 ? "test" : share < 0.3 ? "valid" : "train"
                    text = line[label, i]
                    sub(/^[^\t]*\t[^\t]*\t/, "", text)
                    print text >>(folder "/ai4i-" part ".tsv")
                }
        }' "$data/ai4i.sorted" || return 1
    for part in test valid train; do
        to=$part-ai4i
        [ "$part" != train ] || to=all-ai4i
        "$smidge" data "$data/ai4i-$part.tsv" --template "$source/examples/templates/ai4i.template" -q -o "$data/$to.jsonl" ||
            return 1
    done
    # shellcheck disable=SC2016 # awk's own names
    put "$data/train-ai4i.jsonl" awk '
        { sub(/}$/, ", \"group\": \"" NR "\"}") } # what is there four times is not to be learned from and validated on
        /"label": "FAILURE"/ { failures++; for (i = 0; i < 4; i++) print; next }
        { other[++others] = $0 }
        END { for (i = 1; i <= others && i <= 4 * failures; i++) print other[i] }' "$data/all-ai4i.jsonl"
}

make_commands() {
    "$tools/make_data" commands --words "$words/train" --data "$commands" --split dev --seed "$seed_commands" \
        -o "$data/test-commands.jsonl" &&
        "$tools/make_data" commands --words "$words/train" --data "$commands" --split train --count 20000 --seed "$seed_train" \
            -o "$data/train-commands.jsonl"
}

# zero_shot COLUMN: the test with the task told before each prompt; what has a chat template is asked in it.
zero_shot() {
    case $1 in
    worked | raw) task=thresholds ;;
    *) task=$1 ;;
    esac
    told=$(tr '\n' ' ' <"$here/instructions/$task.txt")
    put "$data/zero-$1.jsonl" sed "s/\"prompt\": *\"/&${told% }\\\\n/" "$data/test-$1.jsonl"
}

# data_for COLUMN: makes its files; what is missing is said in `why`.
data_for() {
    case $1 in
    worked | raw) make=make_thresholds need='' ;;
    skab) make=make_skab need=$skab/valve1/0.csv ;;
    ai4i) make=make_ai4i need=$ai4i ;;
    commands) make=make_commands need=$commands ;;
    esac
    if [ -n "$need" ] && [ ! -f "$need" ]; then
        why="no data: $(basename "$need")"
        [ "$1" != skab ] || why="no data: skab"
        return 1
    fi
    case " $made " in
    *" $make "*) ;;
    *)
        $make || fail "$1: its data could not be made"
        made="$made $make"
        ;;
    esac
    zero_shot "$1" || fail "$1: its data could not be made"
}
