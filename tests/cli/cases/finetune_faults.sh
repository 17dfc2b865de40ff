# shellcheck shell=sh
# What goes wrong ends in one clear line, with the last good checkpoint kept and named.
need_fixture models/stories260K/stories260K.gguf
i=0
while [ $i -lt 40 ]; do
    echo "{\"prompt\": \"Valve $i is $((i % 3)). State:\", \"label\": \"S$((i % 3))\"}"
    i=$((i + 1))
done >task.jsonl
tune() {
    smidge finetune -m "$FIXTURE" -d task.jsonl --lr 1e-3 -q "$@"
}

# what is asked for
tune
expect_status 2
expect_one_error '^smidge: -o: is missing'
tune -o a.gguf --lora-targets q,x
expect_status 2
expect_one_error 'q,x: is no list of q, k, v, o, gate, up, down'
tune -o a.gguf --batch-size 4 --batch-tokens 100
expect_status 2
expect_one_error 'exclude each other'
tune -o a.gguf --warmup 2
expect_status 1
expect_one_error '^smidge: --warmup: is a share of all steps'
tune -o a.gguf --sequence 12
expect_status 1
expect_one_error '^smidge: task.jsonl:[0-9]+: the example has [0-9]+ tokens, more than 12 \(raise --sequence, shorten it, or leave such out: --skip-long\)$'
tune -o a.gguf --sequence 12 --skip-long --valid-share 0
expect_status 1
expect_one_error '^smidge: task.jsonl: all examples are too long for 12 tokens'
cp "$FIXTURE" model.gguf
smidge finetune -m model.gguf -d task.jsonl -o model.gguf
expect_status 1
expect_one_error '^smidge: model.gguf: is the model that is trained'
tune -o nowhere/a.gguf
expect_status 1
expect_one_error 'nowhere/a.gguf: cannot be created: No such file or directory'
echo '{"prompt": "x"}' >bad.jsonl
smidge finetune -m "$FIXTURE" -d bad.jsonl -o a.gguf
expect_status 1
expect_one_error '^smidge: bad.jsonl:1'

# a loss that is no number: nothing is written, and what there was before is kept
tune -o nan.gguf --epochs 40 --clip 0 --lr 1e6 --full --checkpoint-every 1000
expect_status 1
expect_one_error 'of step [0-9]+ is no number, and no checkpoint was written before \(take a smaller --lr'
[ ! -e nan.gguf ] || fail "a broken model was written"
tune -o nan.gguf --epochs 40 --clip 0 --lr 1e6 --full --checkpoint-every 0
expect_status 1
expect_one_error 'of step [0-9]+ is no number; the checkpoint of step [0-9]+ is kept as nan.gguf.checkpoint \(take a smaller --lr and begin anew with --restart[;)]'
[ -e nan.gguf.checkpoint ] || fail "the checkpoint was not kept"

# the checkpoint of another training, and a damaged one
tune -o nan.gguf --epochs 40 --clip 0 --full
expect_status 1
expect_one_error '^smidge: nan.gguf.checkpoint: was begun with another --lr: 1000000, now 0.001'
tune -o nan.gguf --full
expect_status 1
expect_one_error '^smidge: nan.gguf.checkpoint: was begun with another number of steps: 95, now 8'
printf "something else" | dd of=nan.gguf.checkpoint bs=1 seek=5000 conv=notrunc 2>/dev/null
tune -o nan.gguf --epochs 40 --clip 0 --lr 1e6 --full
expect_status 1
expect_one_error '^smidge: nan.gguf.checkpoint: is no whole checkpoint: its checksum is wrong \(remove it, or begin anew with --restart[;)]'
tune -o nan.gguf --epochs 1 --restart
expect_status 0
[ -e nan.gguf ] || fail "it wrote nothing"
[ ! -e nan.gguf.checkpoint ] || fail "it did not begin anew"

# disks that are full and folders that are read-only, as far as this machine lets us make some
unshare -rm true 2>/dev/null || skip "no namespaces here: full disks were not tried"
mkdir disk
on_disk() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    run unshare -rm sh -c 'mount -t tmpfs -o "$0" none disk && shift 0 && "$@"; status=$?; ls disk >listed; exit $status' \
        "$@" || skip "no tmpfs here"
}
on_disk size=8m "$SMIDGE" finetune -m "$FIXTURE" -d task.jsonl -o disk/a.gguf --full --checkpoint-every 0 -q
expect_status 1
expect_one_error '^smidge: disk/a.gguf.checkpoint: at step 2: cannot be written: No space left on device .*; the checkpoint of step 1 is kept, and the same command goes on$'
[ "$(cat listed)" = a.gguf.checkpoint ] || fail "there is $(cat listed)"
on_disk size=1m "$SMIDGE" finetune -m "$FIXTURE" -d task.jsonl -o disk/a.gguf --full -q
expect_status 1
expect_one_error '^smidge: disk/a.gguf.checkpoint: at step 8: cannot be written: No space left on device'
[ ! -s listed ] || fail "there is $(cat listed)"
# room for the checkpoint, and not for the model
on_disk size=5m "$SMIDGE" finetune -m "$FIXTURE" -d task.jsonl -o disk/a.gguf --full -q
expect_status 1
expect_one_error '^smidge: disk/a.gguf: .*No space left on device.*; all that was learned is kept in disk/a.gguf.checkpoint, and the same command goes on$'
[ "$(grep -c 'checkpoint' listed)" = 1 ] || fail "there is $(cat listed)"
on_disk ro "$SMIDGE" finetune -m "$FIXTURE" -d task.jsonl -o disk/a.gguf -q
expect_status 1
expect_one_error '^smidge: disk/a.gguf: cannot be created: Read-only file system'
