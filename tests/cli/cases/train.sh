# shellcheck shell=sh
# A model from scratch, over the vocabulary of another file, in stages; it answers what it was trained for.
need_fixture models/stories260K/stories260K.gguf
vocabulary=$FIXTURE
echo '{"name": "tiny", "layers": 2, "width": 64, "heads": 2, "kv_heads": 1, "feed_forward": 128, "context": 128}' >shape.json
i=0
while [ $i -lt 200 ]; do
    word=$(echo "on off up down" | cut -d' ' -f$((i % 4 + 1)))
    echo "{\"prompt\": \"Switch $((i % 10)) $word.\", \"json\": {\"do\": \"$word\"}}"
    i=$((i + 1))
done >orders.jsonl
i=0
while [ $i -lt 100 ]; do
    echo "{\"prompt\": \"$((i % 10)):\", \"label\": \"$(echo even odd | cut -d' ' -f$((i % 2 + 1)))\"}"
    i=$((i + 1))
done >numbers.jsonl

make() {
    smidge train --shape shape.json --vocab "$vocabulary" --batch-tokens 512 -t 2 "$@"
}
make --stage numbers.jsonl:20 --stage numbers.jsonl,orders.jsonl:60 --valid orders.jsonl -o a.gguf --log a.csv
expect_status 0
expect_out_match '^steps +80 in 2 stages$'
expect_out_match '^parameters +(0\.[0-9]+ M|[0-9]+) are trained'
smidge run -m a.gguf -p "Switch 3 down." -n 12 --temp 0 --no-display-prompt
expect_status 0
expect_out_match '^\{"do":"down"\}$'
run sh -c "printf '4:\n7:\n' | \"$SMIDGE\" classify -m a.gguf --labels even,odd"
expect_out_match '^even'
expect_out_match '^odd'
smidge inspect a.gguf
expect_out_match '^name +tiny$'

# killed in any stage, it ends with the same bytes
go_on() { # in place of the shell that calls it
    exec "$SMIDGE" train --shape shape.json --vocab "$vocabulary" --batch-tokens 512 -t 2 --stage numbers.jsonl:20 \
        --stage numbers.jsonl,orders.jsonl:60 --valid orders.jsonl --checkpoint-every 0 -q -o killed.gguf
}
kills=0
while [ ! -e killed.gguf ] && [ $kills -lt 60 ]; do
    (go_on 2>kill.log) &
    child=$!
    pause=$(($(od -An -N2 -tu2 /dev/urandom) % 400 + 150 + 10 * kills))
    sleep "$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))"
    kill -9 $child 2>/dev/null && kills=$((kills + 1))
    wait $child
    [ ! -s kill.log ] || fail "going on failed: $(cat kill.log)"
done
cmp a.gguf killed.gguf || fail "what was killed $kills times ended elsewhere"

# without validation the last weights are written; a type of the user's; AdamW alone; the same bytes again
for name in b c; do
    make -d numbers.jsonl --epochs 2 --optimizer adamw -o $name.gguf --type q8_0 -q
    expect_status 0
done
cmp b.gguf c.gguf || fail "the same seed gives other bytes"
# all tokens, and going on with a model
smidge train -m a.gguf -d numbers.jsonl --loss all --batch-tokens 256 -o d.gguf -q
expect_status 0

# what is refused
make --stage numbers.jsonl -o e.gguf
expect_status 2
expect_one_error '^smidge: numbers.jsonl: is not FILE\[,FILE...\]:STEPS'
make --stage numbers.jsonl:5 -d numbers.jsonl -o e.gguf
expect_status 2
make -o e.gguf
expect_status 2
expect_one_error '^smidge: -d: is missing'
smidge train --shape shape.json -d numbers.jsonl -o e.gguf
expect_status 2
expect_one_error '^smidge: --vocab: is missing'
echo '{"layers": 2, "width": 64, "heads": 2}' >shape.json
make -d numbers.jsonl -o e.gguf
expect_status 1
expect_one_error '^smidge: shape.json: "feed_forward" is missing'
echo '{"layers": 2, "width": 64, "heads": 2, "feed_forward": 128, "depth": 3}' >shape.json
make -d numbers.jsonl -o e.gguf
expect_status 1
expect_one_error '^smidge: shape.json: "depth" is no part of a shape'
echo '{"layers": 512, "width": 65536, "heads": 2, "feed_forward": 128}' >shape.json
make -d numbers.jsonl -o e.gguf
expect_status 1
expect_one_error '^smidge: shape.json: '
echo '{"layers": 512, "width": 65536, "heads": 512, "feed_forward": 1024}' >shape.json
make -d numbers.jsonl -o e.gguf
expect_status 1
expect_one_error '^smidge: shape.json: is a model of [0-9.e+]+ parameters, more than 1e\+09 \(take fewer'
left=$(find . -name '*.part' -o -name '*.checkpoint' -o -name '*.start' | wc -l)
[ "$left" = 0 ] || fail "something was left: $(ls)"
