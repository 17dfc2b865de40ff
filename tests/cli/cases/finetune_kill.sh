# shellcheck shell=sh
# Killed at any moment and gone on with, a training ends as one that never was: the same weights, to the bit.
need_fixture models/stories260K/stories260K.gguf
i=0
while [ $i -lt 40 ]; do
    echo "{\"prompt\": \"Valve $i is $((i % 3)). State:\", \"label\": \"S$((i % 3))\"}"
    i=$((i + 1))
done >task.jsonl
train() { # in place of the shell that calls it
    exec "$SMIDGE" finetune -m "$FIXTURE" -d task.jsonl --epochs 20 --batch-size 8 --lr 3e-3 --checkpoint-every 0 -q "$@"
}
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
wait_for() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }
began=$(milliseconds)
(train -o whole.gguf --log whole.csv) || fail "it does not train at all"
whole=$(($(milliseconds) - began))

# The first pause is shorter each time that all was over before it; later ones are longer and longer, so that it gets on.
kills=0 span=$whole
while [ ! -e killed.gguf ] && [ $kills -lt 100 ]; do
    (train -o killed.gguf --log killed.csv 2>err) &
    child=$!
    wait_for $((span / 10 + $(od -An -N2 -tu2 /dev/urandom) % (span / 2 + 1) + kills * whole / 50))
    kill -9 $child 2>/dev/null && kills=$((kills + 1))
    wait $child
    [ ! -s err ] || fail "going on failed"
    if [ -e killed.gguf ] && [ $kills = 0 ] && [ "$span" -gt 4 ]; then
        rm killed.gguf killed.csv
        span=$((span / 2))
    fi
done
echo "killed $kills times"
[ -e killed.gguf ] || fail "it never ended"
[ $kills -ge 1 ] || fail "it ended before it was killed"
cmp whole.gguf killed.gguf || fail "what was killed ended elsewhere"
# the log, but for the seconds
cut -d, -f1,2,4- whole.csv >expected
cut -d, -f1,2,4- killed.csv | cmp - expected || fail "the losses differ"
left=$(find . -name '*.part' -o -name '*.checkpoint' | wc -l)
[ "$left" = 0 ] || fail "something was left: $(ls)"

# a signal ends it behind a step, and says how to go on
(train -o signal.gguf 2>err) &
child=$!
wait_for $((whole / 3))
kill -TERM $child 2>/dev/null
status=0
wait $child || status=$?
echo $status >status
if [ $status != 0 ]; then
    expect_status 1
    expect_one_error '^smidge: training: was stopped by a signal after step [0-9]+ of [0-9]+ \(the same command goes on from signal.gguf.checkpoint\)$'
    [ ! -e signal.gguf ] || fail "a part of the work was put in place"
    (train -o signal.gguf) || fail "it does not go on"
fi
cmp whole.gguf signal.gguf || fail "what was stopped ended elsewhere"
