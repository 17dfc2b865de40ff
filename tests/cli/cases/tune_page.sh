# shellcheck shell=sh
# docs/tune.md, followed literally, with a tiny model in the place of the one that it pulls.
need_fixture models/stories260K/stories260K.gguf
mkdir bin models
ln -s "$SMIDGE" bin/smidge
ln -s "$ROOT/examples" examples
cp "$FIXTURE" models/SmolLM2-135M-Instruct-Q4_K_M.gguf
# shellcheck disable=SC2016 # backticks that mark a block, not a command
sed -n '/^```sh$/,/^```$/p' "$ROOT/docs/tune.md" | sed '/^```/d' >steps
for command in data finetune 'eval .*--compare-lora' 'eval .*--calibrate' 'classify .*--lora' merge; do
    grep -q "^smidge $command" steps || fail "the page has lost its smidge $command"
done
PATH="$PWD/bin:$PATH" sh -eu steps >out 2>err || fail "a command of the page fails: $(cat err)"
expect_no_err

# what the page says of its recording and of the parts
[ "$(wc -l <pump_log.csv)" = 385 ] || fail "the recording has other rows"
for part in train valid test; do
    sed 's/.*"group": *"\([^"]*\)".*/\1/' "$part.jsonl" | sort -u >"$part.writers"
    for label in NOTHING LOOK STOP; do
        [ "$(grep -c "\"label\": \"$label\"" "$part.jsonl")" -ge 10 ] || fail "$part has hardly any $label"
    done
done
[ "$(cat ./*.writers | wc -l)" = 8 ] || fail "a writer is on both sides"
[ "$(cat train.jsonl valid.jsonl test.jsonl | wc -l)" = 384 ] || fail "not every row became an example"
# a note alone can stop a pump, and what the template calls hot is what the recording says
grep '"prompt": "Pump log. Bearing [0-9]* C, normal' test.jsonl | grep -q '"label": "STOP"' || fail "no note alone stops a pump"
awk -F, 'NR > 1 && $3 > 80' pump_log.csv | wc -l >hot
[ "$(grep -c 'above its limit by' train.jsonl valid.jsonl test.jsonl | awk -F: '{ sum += $2 } END { print sum }')" = "$(tr -d ' ' <hot)" ] ||
    fail "the template counts other bearings as hot"

# and what it says of the results
expect_out_match '^pump.gguf: the adapter'
expect_out_match '^calibrated +pump.gguf has a temperature of '
expect_out_match "^verdict .*McNemar's exact p = "
expect_out_match '^\{"status":"ok","label":"(NOTHING|LOOK|STOP)"'
expect_out_match '^pump-model.gguf: '
grep -q '^accuracy' before.md || fail "before.md has no accuracy"
grep -q '^verdict' after.md || fail "after.md has no verdict"
grep -q '</svg>' after.svg || fail "after.svg is no picture"
smidge inspect pump-model.gguf --json
mv out merged.json
smidge inspect pump.gguf --json
expect_json "x['temperature'] == __import__('json').load(open('merged.json'))['temperature'] != 1"
