# shellcheck shell=sh
# docs/data.md, followed literally, and what its page shows of the output; splits, JSON and refusals.
mkdir bin
ln -s "$SMIDGE" bin/smidge
blocks() {
    sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$ROOT/docs/data.md" | sed '/^```/d'
}
blocks sh >steps
[ "$(grep -c '^!* *smidge data' steps)" -ge 5 ] || fail "the page has lost its commands"
PATH="$PWD/bin:$PATH" sh -eu steps >out 2>err || fail "a command of the page fails"
blocks text >shown
[ "$(wc -l <shown)" -ge 15 ] || fail "the page has lost its output"
while IFS= read -r line; do
    grep -Fxq -- "$line" out || fail "the page shows a line that does not come: $line"
done <shown
blocks err >shown
cmp -s shown err || fail "the page shows other errors"
[ "$(cat train.jsonl test.jsonl | wc -l)" = 69 ] || fail "train and test are not all examples"
[ "$(grep -c 'run 1\|run 2' test.jsonl)" = 0 ] || [ "$(grep -c 'run 3' test.jsonl)" = 0 ] || fail "a group is torn apart"
[ "$(wc -l <all.jsonl)" = 69 ] || fail "not all examples were written"
[ ! -e typo.jsonl ] || fail "a bad recording left a file"

# what was written is read again; the same seed splits the same way, another one does not
smidge data train.jsonl test.jsonl --samples 0 --json
expect_status 0
expect_json "x['examples'] == 69 and x['labels'] == {'NORMAL': 41, 'HOT': 28} and x['groups'] == 3"
expect_json "abs(x['majority_share'] - 41 / 69) < 1e-6 and x['samples'] == [] and 'split' not in x"
smidge data all.jsonl --train a.jsonl --test b.jsonl --split-by row --split 0.25 --json
expect_json "x['split']['by'] == 'row' and x['split']['test_labels'] == {'NORMAL': 10, 'HOT': 7}"
expect_json "x['overlap']['exact'] == 0 and x['overlap']['compared'] == x['split']['test'] == 17"
smidge data all.jsonl --train c.jsonl --test d.jsonl --split-by row --split 0.25 -q
expect_no_out
cmp -s b.jsonl d.jsonl || fail "the same seed gives another split"
smidge data all.jsonl --train c.jsonl --test d.jsonl --split-by row --split 0.25 -q --seed 2
! cmp -s b.jsonl d.jsonl || fail "another seed gives the same split"
smidge data a.jsonl --against b.jsonl --json
expect_json "x['overlap']['exact'] == 0 and x['overlap']['compared'] == 17"
smidge data all.jsonl --against b.jsonl --json
expect_json "x['overlap']['exact'] == 17"

# baselines are the training part's: with all rows, the mean is another
smidge data pump.csv --template pump.template --json --samples 0
expect_json "x['baselines']['temperature']['learned'] and abs(x['baselines']['temperature']['mean'] - 72.55) < 0.3"

# bad rows: each is told, then nothing is done
cat >bad.jsonl <<'ROWS'
{"prompt": "a", "label": "x"}
{"prompt": "b", "label": NaN}
{"promt": "c", "label": "x"}
ROWS
smidge data bad.jsonl -o never.jsonl
expect_status 1
expect_no_out
[ "$(wc -l <err)" = 3 ] || fail "not each bad row was told"
expect_err_match '^smidge: bad.jsonl:2:26: this is not JSON'
expect_err_match '^smidge: bad.jsonl:3:11: there is no "prompt", but "promt"'
expect_err_match '^smidge: bad.jsonl: 2 of 3 rows are bad'
[ ! -e never.jsonl ] || fail "bad rows left a file"
smidge data nowhere.jsonl
expect_status 1
expect_one_error 'nowhere.jsonl: No such file'
smidge data pump.csv
expect_status 1
expect_err_match 'what is CSV needs a template'

# usage
for arguments in "" "all.jsonl --train x" "all.jsonl --train x --test y --split 1" "all.jsonl --baselines x" \
    "all.jsonl --split-by week" "all.jsonl --template t --delimiter x" "all.jsonl --samples -1"; do
    # shellcheck disable=SC2086 # words
    smidge data $arguments
    expect_status 2
    expect_one_error '--help lists the flags'
done
smidge data train.jsonl test.jsonl --train x.jsonl --test /nowhere/y.jsonl
expect_status 1
expect_one_error
[ ! -e x.jsonl ] || fail "half of a split was written"
for outputs in "--train y --test y" "--train train.jsonl --test y" "-o ./all.jsonl"; do
    # shellcheck disable=SC2086 # words
    smidge data all.jsonl train.jsonl $outputs
    expect_status 2
    expect_one_error 'same file|files that are read'
done
smidge data - --template pump.template --train x.jsonl --test y.jsonl <pump.csv
expect_status 1
expect_one_error 'standard input: recordings .* are read twice'
smidge data - --template pump.template --baselines normal.json --train x.jsonl --test y.jsonl -q <pump.csv
expect_status 0
sed 's/, "group": "run [0-9]"//' all.jsonl >single.jsonl
smidge data single.jsonl --train x.jsonl --test y.jsonl --split-by group
expect_status 1
expect_one_error 'no example has a group'

# tokens, of a vocabulary
need_fixture models/stories260K/stories260K.gguf
smidge data all.jsonl -m "$FIXTURE" --samples 0 --max-tokens 70 --json
expect_status 0
expect_json "x['prompt_tokens']['min'] > 20 and x['answer_tokens']['max'] < 20 and 0 < x['too_long'] < 69"
