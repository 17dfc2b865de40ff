#!/bin/sh
# How quick the bundled model is:  nano.sh [MODEL [SMIDGE]]
# 200 readings of three sensors, all different, behind a prefix that ends at their first value, two threads: milliseconds to the label, warm;
# and whole processes for one reading each, from start to exit, the file in the page cache.
set -eu
cd "$(dirname "$0")/.."

model=${1:-models/smidge-nano.gguf}
smidge=${2:-build/release/smidge}
whole=build/release/whole_process
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

[ -x "$whole" ] || {
    echo "nano.sh: $whole is missing (./dev build release makes it)" >&2
    exit 1
}
cat >"$folder/task" <<'TEXT'
Classify this sensor reading as NORMAL, WARNING or CRITICAL.
Baseline: temperature 60 to 75 C, vibration 1.0 to 2.8 mm/s, pressure 4.0 to 6.0 bar.
Reading: temperature 
TEXT
truncate -s -1 "$folder/task"
printf '\nStatus:' >"$folder/ask"
awk 'BEGIN {
    srand(7)
    for (i = 0; i < 200; i++)
        printf "%.1f C, vibration %.1f mm/s, pressure %.1f bar.\n", 40 + (i * 37 % 200) / 4, 4 * rand(), 2 + 6 * rand()
}' >"$folder/readings"

# percentiles NAME UNIT: of the numbers on standard input.
percentiles() {
    sort -n | awk -v name="$1" -v unit="$2" '
        { x[NR] = $1 }
        END { printf "%-28s median %.2f %s, 95 %% within %.2f, most %.2f (%d samples)\n", name,
              NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2, unit, x[int(0.95 * NR + 0.999)], x[NR], NR }'
}

classify() {
    "$smidge" classify -m "$model" --labels NORMAL,WARNING,CRITICAL --prefix-file "$folder/task" --suffix-file "$folder/ask" -t 2 "$@"
}

echo "model                        $model, $(wc -c <"$model") bytes"
# The first one also computes the prefix.
classify --json --batch 1 <"$folder/readings" | sed -n 's/.*"ms":\([0-9.e-]*\).*/\1/p' | tail -n +2 | percentiles "label, warm prefix" ms

: >"$folder/cold"
reading=$(sed -n 2p "$folder/readings")
for round in $(seq 50); do
    "$whole" "$round" 2 "$smidge" classify -m "$model" --labels NORMAL,WARNING,CRITICAL --prefix-file "$folder/task" \
        --suffix-file "$folder/ask" -t 2 -p "$reading" >>"$folder/cold"
done
awk '$4 == "ms" { print $3 }' "$folder/cold" | percentiles "whole process" ms
awk '$4 == "MiB" { print $3 }' "$folder/cold" | percentiles "its memory" MiB
