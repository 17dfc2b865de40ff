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
(train -o whole.gguf --log whole.csv) || fail "it does not train at all"

kills=0
while [ ! -e killed.gguf ] && [ $kills -lt 100 ]; do
    (train -o killed.gguf --log killed.csv 2>err) &
    child=$!
    # longer and longer, so that slow machines get on as well
    pause=$(($(od -An -N2 -tu2 /dev/urandom) % 500 + 80 + 10 * kills))
    sleep "$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))"
    kill -9 $child 2>/dev/null && kills=$((kills + 1))
    wait $child
    [ ! -s err ] || fail "going on failed"
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
sleep 0.3
kill -TERM $child
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
