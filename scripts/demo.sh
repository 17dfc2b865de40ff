#!/bin/sh
# The main job, for people to watch:  demo.sh MODEL [SMIDGE]
# A pump's reading and its baseline go in, a label comes out; then a few words of free text.
set -eu

model=$1
smidge=${2:-build/release/smidge}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

threads=$(nproc)
[ "$threads" -le 4 ] || threads=4

cat >"$folder/task" <<'TEXT'
Readings of an industrial pump, judged against its baseline as NORMAL, WARNING or CRITICAL.

Baseline: temperature 60 to 75 C, vibration 1.0 to 2.8 mm/s, pressure 4.0 to 6.0 bar.

Reading: temperature 68.0 C, vibration 1.9 mm/s, pressure 5.1 bar.
All values are within the baseline. Label: NORMAL

Reading: temperature 96.3 C, vibration 7.4 mm/s, pressure 2.2 bar.
Three values are far outside. Label: CRITICAL

Reading: 
TEXT
truncate -s -1 "$folder/task" # the reading follows on the same line
printf '\nLabel:' >"$folder/ask"
cat >"$folder/readings" <<'TEXT'
temperature 71.4 C, vibration 2.2 mm/s, pressure 4.7 bar.
temperature 94.0 C, vibration 6.8 mm/s, pressure 2.6 bar.
temperature 88.5 C, vibration 5.9 mm/s, pressure 3.1 bar.
temperature 66.2 C, vibration 1.5 mm/s, pressure 5.4 bar.
TEXT
reading=$(sed -n 2p "$folder/readings")

# member NAME: a number or word of the JSON object on standard input.
member() {
    sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

classify() {
    "$smidge" classify -m "$model" --labels NORMAL,WARNING,CRITICAL --prefix-file "$folder/task" \
        --suffix-file "$folder/ask" --json -t "$threads" --batch 1 "$@"
}

echo "model       $(basename "$model"), $threads threads"
echo "baseline    $(sed -n 's/^Baseline: //p' "$folder/task")"
echo "reading     $reading"
begin=$(date +%s%N)
classify -p "$reading" --deadline 30000 >"$folder/cold"
end=$(date +%s%N)
echo "label       $(member label <"$folder/cold"), confidence $(member confidence <"$folder/cold")"
echo "all         $(sed 's/.*"probabilities":{\([^}]*\)}.*/\1/; s/"//g; s/,/, /g; s/:/ /g' "$folder/cold")"
echo "cold        $(((end - begin) / 1000000)) ms, the whole process: load, $(member tokens <"$folder/cold") tokens, answer, exit"

classify <"$folder/readings" >"$folder/warm"
echo "warm        $(sed -n 2p "$folder/warm" | member ms) ms to label, with $(sed -n 2p "$folder/warm" | member cached_tokens) of $(sed -n 2p "$folder/warm" | member tokens) tokens kept from the reading before"
"$smidge" bench -m "$model" -t "$threads" -r 3 --readings 0 >"$folder/bench"
sed -n 's/^verdict *\(.*\)/speed       \1/p; s/^peak memory *\([^,]*\).*/memory      \1 at most/p' "$folder/bench"

echo
echo "Free text, as it comes:"
"$smidge" run -m "$model" -p "A pump vibrates more than usual. The most common causes are" -n 48 --temp 0.1 -t "$threads"
echo
echo "This model of 135 million parameters was never taught pumps: its labels show how the program works and how fast,"
echo "not how well a model judges. A model that was tuned on the readings it is to judge does far better."
