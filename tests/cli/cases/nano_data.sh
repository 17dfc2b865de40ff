# shellcheck shell=sh
# What the bundled model is made of: its data and its vocabulary, by the programs that ./dev train-nano runs.
make_data=$BUILD/nano/make_data
make_vocabulary=$BUILD/nano/make_vocabulary
words=$ROOT/models/nano/words
[ -x "$make_data" ] || fail "$BUILD/nano has no programs"

# The same seed, the same bytes; another seed, others.
for out in one two; do
    run "$make_data" readings --words "$words/train" --count 300 --seed 7 --explained 1 --terse 20 --plain 20 --noise 20 --together --severities --hints all -o $out.jsonl
    expect_status 0
    expect_no_out
    expect_no_err
done
cmp -s one.jsonl two.jsonl || fail "the same seed made other data"
run "$make_data" readings --words "$words/train" --count 300 --seed 8 --explained 1 --terse 20 --plain 20 --noise 20 --together --severities --hints all -o two.jsonl
! cmp -s one.jsonl two.jsonl || fail "another seed made the same data"
[ "$(wc -l <one.jsonl)" = 300 ] || fail "300 cases were wanted"
for label in NORMAL WARNING CRITICAL; do
    [ "$(grep -c "\"label\":\"$label\"" one.jsonl)" = 100 ] || fail "a third has to be $label"
done

# smidge reads them, hints and all.
smidge data one.jsonl
expect_status 0
expect_out_match '300'

# Digits stand alone in the vocabulary, labels with the space before them are a token each, and a text comes back.
run "$make_vocabulary" --size 600 --joined 40 -o vocabulary.gguf one.jsonl
expect_status 0
smidge tokenize vocabulary.gguf -p 'Reading: 1234.5 -60 NORMAL WARNING CRITICAL'
expect_status 0
[ "$(cut -f 2 out | grep -c '^[0-9]$')" = 7 ] || fail "seven digits were wanted"
[ "$(cut -f 2 out | grep -cE '^Ġ(NORMAL|WARNING|CRITICAL)$')" = 3 ] || fail "a token a label was wanted"
[ "$(sed 1d out | cut -f 2 | tr -d '\n' | sed 's/Ġ/ /g')" = 'Reading: 1234.5 -60 NORMAL WARNING CRITICAL' ] ||
    fail "the text did not come back"

# What is wrong is said, and nothing is left of it.
run "$make_data" readings --words nowhere --count 3 -o none.jsonl
expect_status 1
expect_err_match '^make_data: .*nowhere/names.txt: '
run "$make_data" readings --words "$words/train" --count 3 --sensors 4-2 -o none.jsonl
expect_status 2
expect_err_match '^usage: '
run "$make_data" readings --words "$words/train" --count 3 --raw 0 --worked 0 -o none.jsonl
expect_status 2
run "$make_data" commands --words "$words/train" --data one.jsonl --split train -o none.jsonl
expect_status 1
expect_err_match '^make_data: one.jsonl: line 1 is not a command'
run "$make_vocabulary" --size 100 -o none.gguf one.jsonl
expect_status 2
run "$make_vocabulary" --size 600 -o none.gguf nowhere.jsonl
expect_status 1
[ -z "$(ls none* 2>/dev/null)" ] || fail "something was left"

commands=$FIXTURES/../data/commands/hwu-home.jsonl
[ -f "$commands" ] || skip "no data commands/hwu-home.jsonl (set SMIDGE_FIXTURES to the folder beside it)"

# Every command of a split, once; and no text of one split is in the other.
for split in train dev; do
    run "$make_data" commands --words "$words/train" --data "$commands" --split $split -o $split.jsonl
    expect_status 0
    [ "$(wc -l <$split.jsonl)" = "$(grep -c "\"split\":\"$split\"" "$commands")" ] || fail "not every command of $split"
    sed 's/.*"prompt":"\([^"]*\)".*/\1/' $split.jsonl | sort -u >$split.txt
done
[ -z "$(comm -12 train.txt dev.txt)" ] || fail "a command of both splits"
[ "$(grep -c '"intent":"iot_' dev.jsonl)" = 202 ] || fail "202 commands for the home were wanted"
run "$make_data" commands --words "$words/train" --data "$commands" --split train --count 500 -o some.jsonl
expect_status 0
[ "$(wc -l <some.jsonl)" = 500 ] || fail "500 commands were wanted"
