# shellcheck shell=sh
# Accuracy that can be counted by hand, a model against itself and against its adapter, JSON answers, and what is refused.
golden=$ROOT/tests/golden
base=$golden/llama-plain.gguf
lora=$golden/llama-plain.lora.gguf
[ -f "$lora" ] || skip "no golden adapters"

# What classify says of ten prompts is made the expected answer of seven of them.
for i in 1 2 3 4 5 6 7 8 9 10; do
    smidge classify -m "$base" --labels a,b,c -p "reading $i" --json
    expect_status 0
    label=$(sed 's/.*"label": *"\([^"]*\)".*/\1/' out)
    if [ "$i" -gt 7 ]; then
        case $label in a) label=b ;; b) label=c ;; *) label=a ;; esac
    fi
    printf '{"prompt": "reading %s", "label": "%s"}\n' "$i" "$label" >>data.jsonl
done
smidge eval -m "$base" -d data.jsonl --labels a,b,c --json --predictions said.jsonl -o report.md
expect_status 0
expect_json "x['accuracy']['value'] == 0.7 and x['examples'] == 10 and x['answered'] == 10"
expect_json "abs(x['accuracy']['low'] - 0.39677) < 1e-4 and abs(x['accuracy']['high'] - 0.89222) < 1e-4"
expect_json "sum(sum(row) for row in x['confusion']) == 10 and 0 <= x['macro_f1'] <= 1"
[ "$(grep -c '"right":true' said.jsonl)" = 7 ] || fail "seven predictions are right"
[ "$(wc -l <said.jsonl)" -eq 10 ] || fail "ten predictions"
grep -q '^accuracy  *70.00 % of 10' report.md || fail "the report says 70 %"

# One by one or together is the same, and so is the number of threads.
smidge eval -m "$base" -d data.jsonl --labels a,b,c --latency 10 --predictions alone.jsonl --json -t 3
expect_status 0
python3 - <<'PY' || fail "asked alone and together differ"
import json
rows = [[(r["answered"], r["confidence"]) for r in map(json.loads, open(f))] for f in ("said.jsonl", "alone.jsonl")]
raise SystemExit(rows[0] != rows[1])
PY
smidge eval -m "$base" -d data.jsonl --labels a,b,c --limit 7
expect_status 0
expect_out_match '^accuracy  *100.00 % of 7'

# A model against itself, and against its adapter.
smidge eval -m "$base" -d data.jsonl --labels a,b,c --compare "$base" --json
expect_status 0
expect_json "x['comparison']['p'] == 1 and x['comparison']['gain']['value'] == 0 and x['comparison']['both'] == 7"
smidge eval -m "$base" -d data.jsonl --labels a,b,c --compare-lora "$lora"
expect_status 0
expect_out_match "^verdict .*McNemar's exact p = "

# JSON, judged by what it says.
schema='{"type":"object","properties":{"on":{"type":"boolean"}},"required":["on"],"additionalProperties":false}'
smidge run -m "$base" -p "switch" --json-schema "$schema" --temp 0 --json
expect_status 0
answer=$(python3 -c 'import json; print(json.dumps(json.load(open("out"))["answer"]))')
printf '{"prompt": "switch", "json": %s}\n{"prompt": "switch", "json": {"on": 5}}\n' "$answer" >json.jsonl
smidge eval -m "$base" -d json.jsonl --json-schema "$schema" --json
expect_status 0
expect_json "x['exact_match']['value'] == 0.5 and x['keys'] == {'count': 2, 'right': 1}"

# Refused.
smidge eval -m "$base"
expect_status 2
expect_one_error '-d: is missing'
smidge eval -m "$base" -d json.jsonl
expect_status 2
expect_one_error '-j: is missing'
printf '{"prompt": "x", "label": "other"}\n' >other.jsonl
smidge eval -m "$base" -d data.jsonl -d other.jsonl --labels a,b,c
expect_status 1
expect_one_error 'is not in --labels'
cat data.jsonl json.jsonl >mixed.jsonl
smidge eval -m "$base" -d mixed.jsonl --labels a,b,c
expect_status 1
expect_one_error 'another kind of answer'
printf '{"prompt": "x", "label": "a"}\n' >one.jsonl
smidge eval -m "$base" -d one.jsonl
expect_status 2
expect_one_error 'fewer than two'
smidge eval -m "$base" -d data.jsonl --labels a,b,c -o nowhere/report.md
expect_status 1
expect_one_error 'nowhere/report.md: cannot be written'
