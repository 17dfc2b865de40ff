# shellcheck shell=sh
# A tiny model learns a tiny task: the loss falls, the answers come out, and the same seed gives the same bytes.
need_fixture models/stories260K/stories260K.gguf
i=0
while [ $i -lt 60 ]; do
    for pair in hot:ALARM burning:ALARM warm:NORMAL mild:NORMAL cold:FREEZE icy:FREEZE; do
        echo "{\"prompt\": \"Pump $((i % 20)) is ${pair%:*}. State:\", \"label\": \"${pair#*:}\"}"
    done
    i=$((i + 3))
done >task.jsonl

smidge finetune -m "$FIXTURE" -d task.jsonl -o full.gguf --full --lr 2e-3 --epochs 6 --log log.csv -t 2
expect_status 0
expect_no_err
expect_out_match '^examples +114 to learn from, 6 to validate on$'
expect_out_match '^parameters +0\.293 M are trained, 0\.293 M are in the model$'
expect_out_match '^on a Pi 5 +about .* for 1,000 such examples and 6 epochs: 1,000 x [0-9.]+ tokens x 6 x '
expect_out_match '^full\.gguf: the model; the loss is drawn in full\.svg$'
[ ! -e full.gguf.checkpoint ] || fail "the checkpoint stayed"
# a line a step, and a loss that falls from above 3 to below 0.1
[ "$(wc -l <log.csv)" = 44 ] || fail "the log has $(wc -l <log.csv) lines"
[ "$(head -n 1 log.csv)" = step,tokens,seconds,loss,valid_loss,learning_rate,gradient_norm ] || fail "the log begins otherwise"
awk -F, 'NR == 2 { first = $4 } { last = $4 } END { exit !(first > 3 && last < 0.1) }' log.csv || fail "the loss did not fall"
grep -q '<polyline' full.svg || fail "there is no curve"

# what it has learned, by the command that uses it
sed 's/.*"prompt": "\([^"]*\)".*/\1/' task.jsonl >lines
sed 's/.*"label": "\([^"]*\)".*/\1/' task.jsonl >labels
run sh -c "\"$SMIDGE\" classify -m full.gguf --labels ALARM,NORMAL,FREEZE <lines"
expect_status 0
right=$(cut -f 1 out | paste - labels | awk '$1 == $2' | wc -l)
[ "$right" -ge 115 ] || fail "$right of 120 are right"

# an adapter, used as it is: ours, with what it belongs to
smidge finetune -m "$FIXTURE" -d task.jsonl -o adapter.gguf --lr 1e-2 --epochs 6 --lora-rank 4 --lora-targets q,v,ffn -q -t 2
expect_status 0
run sh -c "\"$SMIDGE\" classify -m \"$FIXTURE\" --lora adapter.gguf --labels ALARM,NORMAL,FREEZE <lines"
expect_status 0
right=$(cut -f 1 out | paste - labels | awk '$1 == $2' | wc -l)
[ "$right" -ge 115 ] || fail "$right of 120 are right with the adapter"
smidge inspect adapter.gguf
expect_out_match '^kind +adapter$'
expect_out_match '^adapts +25 matrices: attn_q, attn_v, ffn_gate, ffn_up, ffn_down$'
expect_out_match '^rank +4$'
for key in base_model_id base_name seed steps train_loss valid_loss labels; do
    grep -aq "smidge\.$key" adapter.gguf || fail "the adapter does not say smidge.$key"
done

# the same seed gives the same bytes, another one others; the type is the user's
for name in a b; do
    smidge finetune -m "$FIXTURE" -d task.jsonl -o $name.gguf --epochs 1 --lora-rank 4 -q -t 2
    expect_status 0
    expect_no_out
    expect_no_err
done
cmp a.gguf b.gguf || fail "the same seed gives other bytes"
smidge finetune -m "$FIXTURE" -d task.jsonl -o c.gguf --epochs 1 --lora-rank 4 -q -t 2 -s 2
! cmp -s a.gguf c.gguf || fail "another seed gives the same bytes"
smidge finetune -m "$FIXTURE" -d task.jsonl -o small.gguf --full --epochs 0.2 --type q8_0 -q
expect_status 0
smidge inspect small.gguf
expect_out_match '^type +Q8_0$'

# memory that is short is kept by computing more, or refused with the numbers
smidge finetune -m "$FIXTURE" -d task.jsonl -o mem.gguf --epochs 0.2
expect_status 0
usual=$(sed -n 's/^memory *at most \([0-9]*\)\..* MiB in all: .*/\1/p' out)
tokens=$(sed -n 's/^memory .* in all: \([0-9]*\) tokens at once.*/\1/p' out)
smidge finetune -m "$FIXTURE" -d task.jsonl -o mem.gguf --epochs 0.2 --mem $((usual - 3))M
expect_status 0
fewer=$(sed -n 's/^memory .* in all: \([0-9]*\) tokens at once.*/\1/p' out)
[ "$fewer" -lt "$tokens" ] || fail "$fewer tokens at once instead of $tokens"
[ "$(sed -n 's/^memory *at most \([0-9]*\)\..* MiB in all: .*/\1/p' out)" -lt $((usual - 3)) ] || fail "it takes more than it may"
smidge finetune -m "$FIXTURE" -d task.jsonl -o mem.gguf --epochs 0.2 --mem 5M
expect_status 5
expect_one_error '.*MiB'
