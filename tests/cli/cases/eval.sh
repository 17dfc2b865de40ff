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

# The temperature that fits is stored, in a copy or in place, and then there is nothing left to mend: answers stay, confidences move.
awk 'BEGIN { for (i = 1; i <= 60; i++) printf "reading %d\n", i }' >readings
"$SMIDGE" classify -m "$base" --lora "$lora" --labels a,b,c --json <readings >answers || fail "no answers"
# the surest answers are made right, and the others wrong
sed 's/.*"label":"\([^"]*\)","confidence":\([^,]*\),.*/\1 \2/' answers | awk '{
    label = $1
    if ($2 < 0.51)
        label = label == "a" ? "b" : label == "b" ? "c" : "a"
    printf "{\"prompt\": \"reading %d\", \"label\": \"%s\"}\n", NR, label
}' >sure.jsonl
smidge eval -m "$base" --lora "$lora" -d sure.jsonl --labels a,b,c --calibrate tempered.gguf --json --predictions before
expect_status 0
expect_json "x['calibrated']['file'] == 'tempered.gguf' and 0.05 < x['temperature'] < 1"
expect_json "abs(x['calibrated']['temperature'] - x['temperature']) < 1e-9"
expect_json "x['calibrated']['error_before'] == x['calibration_error'] > x['calibrated']['error_after']"
mv out first
smidge eval -m "$base" --lora tempered.gguf -d sure.jsonl --labels a,b,c --json --predictions after
expect_status 0
expect_json "abs(x['temperature'] - 1) < 0.01"
expect_json "abs(x['calibration_error'] - __import__('json').load(open('first'))['calibrated']['error_after']) < 1e-6"
python3 - <<'PY' || fail "a temperature changes answers"
import json
rows = [[json.loads(row) for row in open(name)] for name in ("before", "after")]
same = all(a["answered"] == b["answered"] and a["confidence"] < b["confidence"] for a, b in zip(*rows))
raise SystemExit(not (same and len(rows[0]) == len(rows[1]) == 60))
PY
smidge inspect tempered.gguf
expect_out_match '^temperature +0\.[0-9]+$'
cp tempered.gguf place.gguf
smidge eval -m "$base" --lora place.gguf -d sure.jsonl --labels a,b,c --calibrate place.gguf -o report.md
expect_status 0
expect_out_match '^calibrated +place.gguf has a temperature of 0\.[0-9]+: expected error [0-9.]+ % before, [0-9.]+ % now$'
grep -q '^calibrated ' report.md || fail "the report does not say what was stored"
# without an adapter it is the model's; merged, the adapter's
smidge eval -m "$base" -d sure.jsonl --labels a,b,c --calibrate model.gguf -q
expect_status 0
smidge inspect model.gguf --json
expect_json "x['temperature'] != 1 and x['runs']"
smidge merge -m model.gguf --lora tempered.gguf -o merged.gguf -q
smidge inspect tempered.gguf --json
expect_json "x['lora']['temperature'] == x['temperature']"
mv out adapter.json
smidge inspect merged.gguf --json
expect_json "x['temperature'] == __import__('json').load(open('adapter.json'))['temperature']"

# One picture, of one model or two: whole XML, with each label in it, however it is spelled and however many there are.
smidge eval -m "$base" -d sure.jsonl --labels 'a,b,c,<low & "cold">' --svg one.svg -q
expect_status 0
smidge eval -m "$base" -d sure.jsonl --labels a,b,c --compare-lora "$lora" --svg two.svg -q
expect_status 0
many=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t
smidge eval -m "$base" -d sure.jsonl --labels $many --svg many.svg -q
expect_status 0
python3 - <<'PY' || fail "a picture is not what it should be"
from xml.etree import ElementTree
name = "{http://www.w3.org/2000/svg}"
def texts(path):
    return [text.text for text in ElementTree.parse(path).iter(name + "text")]
one, two, many = map(texts, ("one.svg", "two.svg", "many.svg"))
good = all(one.count(label) == 2 for label in ("a", "b", "c", '<low & "cold">'))
good = good and all(many.count(label) == 2 for label in "abcdefghijklmnopqrst")
good = good and any("llama-plain.gguf with llama-plain.lora.gguf: accuracy" in text for text in two)
good = good and any(text.startswith("llama-plain.gguf: accuracy ") and "interval" in text for text in one)
good = good and len([text for text in two if text.startswith("99 % right")]) == 2
lines = [len(list(ElementTree.parse(path).iter(name + "polyline"))) for path in ("one.svg", "two.svg")]
raise SystemExit(not (good and lines == [1, 3]))
PY

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
smidge eval -m "$base" -d json.jsonl --json-schema "$schema" --calibrate no.gguf
expect_status 2
expect_one_error 'calibrate: is for labels'
smidge eval -m "$base" -d json.jsonl --json-schema "$schema" --svg no.svg
expect_status 2
expect_one_error 'svg: is for labels'
smidge eval -m "$base" -d data.jsonl --labels a,b,c --svg nowhere/no.svg
expect_status 1
expect_one_error 'nowhere'
smidge eval -m "$base" -d data.jsonl --labels a,b,c --calibrate nowhere/no.gguf
expect_status 1
expect_one_error 'nowhere'
expect_out_match '^accuracy '
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
