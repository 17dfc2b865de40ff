# shellcheck shell=sh
# An adapter with its model, in every command that opens one; what it is; and what is refused.
golden=$ROOT/tests/golden
base=$golden/llama-plain.gguf
lora=$golden/llama-plain.lora.gguf
[ -f "$lora" ] || skip "no golden adapters"

smidge run -m "$base" -p "ab" -n 8 --temp 0 --kv f32
expect_status 0
mv out plain
smidge run -m "$base" -p "ab" -n 8 --temp 0 --kv f32 --lora "$lora"
expect_status 0
mv out adapted
! cmp -s plain adapted || fail "the adapter changes nothing"
# how much of it: all of it is the same as nothing said
smidge run -m "$base" -p "ab" -n 8 --temp 0 --kv f32 --lora "$lora" --lora-scale 1
expect_status 0
expect_out_file adapted
smidge run -m "$base" -p "ab" -n 8 --temp 0 --kv f32 --lora "$lora" --lora-scale 1e-9
expect_status 0
expect_out_file plain
# the number of threads changes no bit, and so no letter
smidge run -m "$base" -p "ab" -n 8 --temp 0 --kv f32 --lora "$lora" -t 3
expect_out_file adapted

smidge classify -m "$base" --labels a,b -p "ab" --json --lora "$lora"
expect_status 0
expect_json "x['status'] == 'ok' and x['model'] != ''"
with=$(sed 's/.*"model": *"\([^"]*\)".*/\1/' out)
smidge classify -m "$base" --labels a,b -p "ab" --json
expect_status 0
[ "$with" != "$(sed 's/.*"model": *"\([^"]*\)".*/\1/' out)" ] || fail "the adapter is not in the model's id"
smidge bench -m "$base" --lora "$lora" -p 8 -n 4 -r 1 -t 1
expect_status 0

# a prefix that was kept without the adapter is computed again, and kept; then it is taken
printf 'ab' >prefix
for lora_of_run in "" "--lora $lora" "--lora $lora"; do
    # shellcheck disable=SC2086 # a flag and its value
    smidge classify -m "$base" --labels a,b --prefix-file prefix --prefix-cache kept -p "c" --json $lora_of_run
    expect_status 0
    cat err >>complaints
done
[ "$(grep -c 'was saved for another model' complaints)" = 1 ] || fail "$(cat complaints)"

smidge inspect "$lora"
expect_status 0
expect_out_match '^kind +adapter$'
expect_out_match '^adapts +22 matrices: attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up, ffn_down, output$'
expect_out_match '^rank +5$'
expect_out_match '^alpha +6$'
smidge inspect "$lora" --json --verify
expect_status 0
expect_json "x['lora']['rank'] == 5 and x['lora']['matrices'] == 22 and x['verified'] and not x['runs']"
smidge fit "$base" --lora "$lora" --bandwidth 10 --json
expect_status 0

smidge run -m "$lora" -p x
expect_status 1
expect_one_error 'is an adapter, which runs on top of its model'
smidge run -m "$base" --lora "$base" -p x
expect_status 1
expect_one_error 'is not a LoRA adapter'
smidge run -m "$base" --lora "$golden/qwen2.lora.gguf" -p x
expect_status 1
expect_one_error 'was trained on a model of the family "qwen2"'
smidge run -m "$base" --lora "$golden/llama-window.lora.gguf" -p x
expect_status 1
expect_one_error 'adapts blk.0.attn_q.weight of 64 x 128, which in .* is 64 x 64 \(give the model'
head -c 20000 "$lora" >cut.gguf
smidge run -m "$base" --lora cut.gguf -p x
expect_status 1
expect_one_error 'the file is cut short'
smidge run -m "$base" --lora missing.gguf -p x
expect_status 1
expect_one_error 'missing.gguf'
smidge run -m "$base" --lora-scale 2 -p x
expect_status 2
expect_one_error 'says how much of an adapter: which'
smidge run -m "$base" --lora "$lora" --lora-scale 0 -p x
expect_status 2
expect_one_error 'is not how much of an adapter'
smidge fit --lora "$lora"
expect_status 2
expect_one_error 'wants the file of its model'
