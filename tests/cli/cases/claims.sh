# shellcheck shell=sh
# The table of claims: scores that can be counted by hand, verdicts, and cells that are made once, whatever happens in between.
claims=$BUILD/claims
[ -x "$claims/claims_score" ] || fail "$claims has no programs"
need_command setsid

# ---- Scores: 3 hits, 1 missed, 2 false alarms, 4 quiet, in two groups.
i=0
for pair in AA AA AA AN NA NA NN NN NN NN; do
    i=$((i + 1))
    expected=${pair%?} answered=${pair#?}
    right=false
    [ "$expected" != "$answered" ] || right=true
    group=one
    [ $i -le 5 ] || group=two
    echo "{\"prompt\": \"p$i\", \"label\": \"$expected\", \"group\": \"$group\", \"id\": \"raw-1-apart$((i * 1000))-edge0-$i\"}" >>data.jsonl
    echo "{\"prompt\": \"p$i\", \"expected\": \"$expected\", \"answered\": \"$answered\", \"right\": $right, \"probabilities\": {\"A\": 0.$((i % 10))}}" >>said.jsonl
done
run "$claims/claims_score" --positive A --set row=x data.jsonl said.jsonl
expect_status 0
expect_json "abs(x['metrics']['f1']['value'] - 2 * 3 / (2 * 3 + 1 + 2)) < 1e-6 and x['row'] == 'x'"
expect_json "abs(x['metrics']['false_alarms']['value'] - 2 / 6) < 1e-6 and x['metrics']['missed_alarms']['value'] == 0.25"
# two groups, drawn with replacement: one alone, the other alone, or both
expect_json "x['metrics']['units'] == 2 and abs(x['metrics']['f1']['high'] - 6 / 8) < 1e-6 and x['metrics']['f1']['low'] == 0"
expect_json "abs(x['metrics']['accuracy']['low'] - 0.39677) < 1e-4 and x['metrics']['accuracy']['value'] == 0.7"
expect_json "x['metrics']['within']['value'] == 0.6 and x['metrics']['beyond']['value'] == 0.8"
cp out first
run "$claims/claims_score" --positive A --set row=x data.jsonl said.jsonl
expect_out_file first
# the best limit on probabilities 0.1 to 0.9 and 0, of which the first four are to be found: all from 0.1 on but the others
run "$claims/claims_score" --positive A --tune said.jsonl data.jsonl said.jsonl
expect_json "x['threshold'] <= 0.1 and x['metrics']['missed_alarms']['value'] == 0"
cat >commands.jsonl <<'END'
{"prompt": "a", "json": {"intent": "on", "room": "hall"}}
{"prompt": "b", "json": {"intent": "on"}}
{"prompt": "c", "json": {"intent": "none"}}
END
cat >answers.jsonl <<'END'
{"prompt": "a", "expected": "{\"intent\":\"on\",\"room\":\"hall\"}", "answered": "{\"intent\":\"on\"}", "right": false}
{"prompt": "b", "expected": "{\"intent\":\"on\"}", "answered": "{\"intent\":\"on\"}", "right": true}
{"prompt": "c", "expected": "{\"intent\":\"none\"}", "answered": "{\"intent\":\"none\"}", "right": true}
END
run "$claims/claims_score" --json commands.jsonl answers.jsonl
expect_json "x['metrics']['intent']['value'] == 1 and abs(x['metrics']['exact']['value'] - 2 / 3) < 1e-6"
expect_json "x['metrics']['exact_home']['value'] == 0.5 and x['metrics']['exact_home']['count'] == 2"
run "$claims/claims_score" --json data.jsonl answers.jsonl
expect_status 1
expect_err_match '^claims_score: answers.jsonl: is not of these data'

# ---- The table: verdicts and checks follow the numbers.
# cell NAME ROW COLUMN METRIC VALUE LOW HIGH
cell() {
    printf '{"row": "%s", "column": "%s", "minutes": "21.0", "metrics": {"%s": {"value": %s, "low": %s, "high": %s, "count": 100}}}\n' \
        "$2" "$3" "$4" "$5" "$6" "$7" >"$1"
    printf '%s\t%s\t%s\t\n' "$2" "$3" "$1" >>manifest
}
cell a nano worked accuracy 0.997 0.996 0.998
cell b rules worked accuracy 1 0.999 1
cell c nano skab f1 0.8 0.7 0.9
cell d boosting skab f1 0.86 0.8 0.9
cell e smol-tuned ai4i f1 0.95 0.93 0.97
cell f boosting ai4i f1 0.9 0.85 0.95
cell g nano-f16 worked accuracy 0.9 0.9 0.9
cell h nano-q2_k worked accuracy 0.8 0.8 0.8
printf 'nano\traw\t\tno data (here)\n' >>manifest
run "$claims/claims_table" manifest
expect_status 0
expect_out_match '^\| smidge-nano \(2\) \| 99.7 \[99.6, 99.8\] \| no data \(here\) '
expect_out_match '^- thresholds, worked out: .* \*\*the language model loses: use the simple method.\*\*$'
expect_out_match '^- anomalies of a pump .* \*\*the simple method is ahead\*\*, within'
expect_out_match '^- failures of a machine .* the language model is better.$'
expect_out_match '^- intents of commands: language models not run yet.$'
expect_out_match '^\| nano, numeric work done by templates: at least 99.5 % \| pass \|'
expect_out_match '^\| nano, raw text beyond 5 % of a limit: at least 97 % \| not run yet \|'
expect_out_match '^\| SKAB: the tuned .* \| pass \| smidge-nano \(2\): 80.0 % \[70.0, 90.0\]; gradient boosting: 86.0 % \|$'
expect_out_match '^- nano, Q2_K: 10.0 \(thresholds, worked out\): \*\*not under 5'
expect_out_match '21.0 \*\*\(more than 20\)\*\*'
expect_out_match '^\| \*published: Conv-AE\* \| 0.78 \| 13.55 \| 28.02 \|$'
cell c2 nano skab f1 0.7 0.6 0.85
grep -v "$(printf 'nano\tskab\tc\t')" manifest >fewer
run "$claims/claims_table" fewer
expect_out_match '^\| SKAB: the tuned .* \| \*\*fail\*\* \|'
: >broken
printf 'nano\tworked\tbroken\t\n' >manifest
run "$claims/claims_table" manifest
expect_status 1
expect_err_match '^claims_table: broken: is no cell'

# ---- Cells: made once, and gone on with.
need_fixture models/stories260K/stories260K.gguf
export SMIDGE_CLAIMS_BUILD="$BUILD" SMIDGE_PYTHON="$PWD/no-python"
claim() {
    run sh "$ROOT/bench/claims/run.sh" --quick --data nowhere --cache cells --table table.md --smol none.gguf --gemma "$FIXTURE" \
        --nano "$FIXTURE" --nano-full none.gguf -t 1 "$@"
}
claim --row nano,rules --column worked
expect_status 0
expect_err_match '^claims: nano worked: asking$'
grep -Eq '^\| smidge-nano \(2\) \| \*\*[0-9.]+\*\* \[.*\| not run yet \| not run yet \| not run yet \| no data: skab \|' table.md || fail "$(cat table.md)"
grep -q '^| limits by rule | needs Python with scikit-learn' table.md || fail "$(cat table.md)"
grep -q '^| SmolLM2-135M, tuned (1) | not there: none.gguf ' table.md || fail "$(cat table.md)"
grep -q 'Made with --quick' table.md || fail "the table does not say that it was made with --quick"
claim --row nano --column worked
expect_status 0
! grep -q asking err || fail "a cell was made twice"
cp table.md before.md
claim --table-only
cmp before.md table.md || fail "the table is another one"

# What is kept of a cell does for a machine with an empty cache, and for one without the model.
rm cells/*.json
claim --row nano --column worked --kept kept
expect_status 0
[ -f kept/nano-worked.json ] || fail "nothing was kept"
rm -r cells
claim --row nano --column worked --kept kept
! grep -q asking err || fail "a cell that is kept was made again"
cmp before.md table.md || fail "the table is another one"
claim --table-only --kept kept --nano none.gguf
grep -Eq '^\| smidge-nano \(2\) \| \*\*[0-9.]+\*\* \[.*\| not there: none.gguf ' table.md || fail "$(cat table.md)"
claim --table-only --nano none.gguf
grep -q '^| smidge-nano (2) | not there: none.gguf ' table.md || fail "$(cat table.md)"

# Killed while it trains, with all that it started, it goes on; one training does for both columns.
cat >claim.sh <<END
exec sh "$ROOT/bench/claims/run.sh" --quick --data nowhere --cache cells --table table.md --smol none.gguf --gemma "$FIXTURE" \
    --nano none.gguf --nano-full none.gguf -t 1 --row gemma-tuned --column worked
END
setsid sh claim.sh >killed.log 2>&1 &
child=$!
waited=0
while ! ls cells/train-*/learn.jsonl >/dev/null 2>&1 && [ $waited -lt 100 ]; do
    sleep 0.1
    waited=$((waited + 1))
done
sleep 0.3
kill -9 -$child 2>/dev/null || true
wait $child || true
claim --row gemma-tuned --column worked,raw
expect_status 0
[ "$(grep -c 'gemma-tuned worked: training' err)" -le 1 ] || fail "it was trained twice"
! grep -q 'gemma-tuned raw: training' err || fail "one training does for both columns"
grep -Eq '^\| Gemma 3 270M, tuned \| \*?\*?[0-9.]+\*?\*? \[.*\] \| \*?\*?[0-9.]+\*?\*? \[' table.md || fail "$(cat table.md)"
[ -z "$(find cells -name '*.part' -o -name '*.parts' -o -name '*.checkpoint' -o -name manifest)" ] || fail "something was left: $(find cells)"

# Refused.
claim --row nobody
expect_status 1
expect_err_match '^claims: --row nobody: there is no such one \(there are: smol-zero '
claim --max-minutes never
expect_status 1
