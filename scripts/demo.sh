#!/bin/sh
# The main job, for people to watch, with the model that comes along:  demo.sh MODEL SMIDGE MAKE_DATA
# A machine's readings and their baseline go in, a label comes out; a command becomes JSON; then how often that is right.
set -eu

model=$1
smidge=$2
make_data=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

threads=$(nproc)
[ "$threads" -le 4 ] || threads=4
cases=600

cat >"$folder/task" <<'TEXT'
Classify this sensor reading as NORMAL, WARNING, or CRITICAL.
Baseline: temperature 60 to 75 C, vibration 1.0 to 2.8 mm/s, pressure 4.0 to 6.0 bar.
Reading: temperature 
TEXT
truncate -s -1 "$folder/task" # the reading follows on the same line
printf '\nStatus:' >"$folder/ask"
cat >"$folder/readings" <<'TEXT'
66.2 C, vibration 1.5 mm/s, pressure 5.4 bar.
94.0 C, vibration 6.8 mm/s, pressure 2.6 bar.
81.5 C, vibration 1.9 mm/s, pressure 4.7 bar.
71.4 C, vibration 2.2 mm/s, pressure 4.4 bar.
TEXT
bad=$(sed -n 2p "$folder/readings")

# member NAME: a number or word of the JSON object on standard input.
member() {
    sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

classify() {
    "$smidge" classify -m "$model" --labels NORMAL,WARNING,CRITICAL --prefix-file "$folder/task" \
        --suffix-file "$folder/ask" --json -t "$threads" --batch 1 "$@"
}

echo "model       $(basename "$model"), $(($(wc -c <"$model") / 1024)) KiB, $threads threads; no network"
echo "baseline    $(sed -n 's/^Baseline: //p' "$folder/task")"
echo "reading     temperature $bad"
begin=$(date +%s%N)
classify -p "$bad" --deadline 5000 >"$folder/cold"
end=$(date +%s%N)
echo "label       $(member label <"$folder/cold"), confidence $(member confidence <"$folder/cold")"
echo "all         $(sed 's/.*"probabilities":{\([^}]*\)}.*/\1/; s/"//g; s/,/, /g; s/:/ /g' "$folder/cold")"
echo "cold        $(((end - begin) / 1000000)) ms, the whole process: load, $(member tokens <"$folder/cold") tokens, answer, exit"
classify <"$folder/readings" >"$folder/warm"
echo "warm        $(sed -n 2p "$folder/warm" | member ms) ms to label, with $(sed -n 2p "$folder/warm" | member cached_tokens) of $(sed -n 2p "$folder/warm" | member tokens) tokens kept from the reading before"

echo
echo "More readings, one a line, against the same baseline:"
member label <"$folder/warm" >"$folder/labels"
paste -d ' ' "$folder/labels" "$folder/readings" | while read -r label reading; do
    printf '%-11s temperature %s\n' "$label" "$reading"
done

echo
echo "A spoken command, made JSON by a schema:"
command="dim the lights in the kitchen"
printf '%-11s ' "\"$command\""
"$smidge" run -m "$model" -p "Command: $command
JSON:" -jf "$(dirname "$0")/../models/nano/commands.schema.json" --no-display-prompt -t "$threads" 2>/dev/null
echo

for form in worked raw; do
    shares="--raw 0"
    what="the comparison worked out by a template before (\"above its limit by 18 %\")"
    [ $form = worked ] || {
        shares="--worked 0"
        what="raw numbers, which the model compares itself"
    }
    # shellcheck disable=SC2086 # two words
    "$make_data" readings --words "$(dirname "$0")/../models/nano/words/test" --count $cases --seed 20 $shares -o "$folder/$form.jsonl"
    echo
    echo "How often it is right: $cases readings with names, units and wordings that it never saw; $what"
    "$smidge" eval -m "$model" -d "$folder/$form.jsonl" -t "$threads" -q
done
echo
echo "Where limits are known as numbers, compare the numbers: that is always right. models/nano/README.md says what this model is for."
