# shellcheck shell=sh
# An adapter put into its base: the same answers, the base's own types or others, whole or not at all; and what is refused.
golden=$ROOT/tests/golden
base=$golden/qwen2.gguf
lora=$golden/qwen2.lora.gguf
[ -f "$lora" ] || skip "no golden adapters"

smidge run -m "$base" -p "ab" -n 8 --temp 0 --kv f32 --lora "$lora"
expect_status 0
mv out adapted
smidge merge -m "$base" --lora "$lora" -o merged.gguf
expect_status 0
expect_no_err
expect_out_match '^merged.gguf: qwen2 \+ qwen2.lora.gguf, F32, '
smidge run -m merged.gguf -p "ab" -n 8 --temp 0 --kv f32
expect_status 0
expect_out_file adapted
for threads in 1 3; do
    smidge merge -m "$base" --lora "$lora" -o "$threads.gguf" --type q8_0 -q -t "$threads"
    expect_status 0
    expect_no_out
done
cmp 1.gguf 3.gguf || fail "the number of threads changes the bytes"
smidge inspect 1.gguf --verify
expect_status 0
expect_out_match '^type +Q8_0$'
# half of it is another model
smidge merge -m "$base" --lora "$lora" -o half.gguf --lora-scale 0.5 -q
expect_status 0
! cmp -s half.gguf merged.gguf || fail "the scale changes nothing"
# a base that is quantized stays as it is
smidge quantize "$base" q8.gguf q8_0 -q
smidge merge -m q8.gguf --lora "$lora" -o q8_merged.gguf
expect_status 0
expect_out_match 'Q8_0'
[ "$(wc -c <q8.gguf)" -le "$(wc -c <q8_merged.gguf)" ] || fail "something is missing"

cp merged.gguf before.gguf
smidge merge -m "$base" --lora "$golden/llama-plain.lora.gguf" -o merged.gguf
expect_status 1
expect_one_error 'was trained on a model of the family "llama"'
cmp merged.gguf before.gguf || fail "a refused merge changed what was there"
smidge merge -m "$golden/qwen3.gguf" --lora "$lora" -o refused.gguf
expect_status 1
expect_one_error 'was trained on a model of the family "qwen2"'
[ ! -e refused.gguf ] || fail "a refused merge left a file"
smidge merge -m "$golden/llama-plain.gguf" --lora "$golden/llama-window.lora.gguf" -o refused.gguf
expect_status 1
expect_one_error 'give the model that it was trained on'
smidge merge -m "$base" --lora "$lora" -o refused.gguf --type q9_9
expect_status 1
expect_one_error 'q9_9: is not a type'
smidge merge -m "$base" --lora "$lora" -o none/refused.gguf
expect_status 1
expect_one_error
smidge merge -m "$base" --lora "$lora"
expect_status 2
expect_one_error 'o: is missing'
smidge merge -m "$base" -o refused.gguf
expect_status 2
expect_one_error 'lora: is missing'
smidge merge --lora "$lora" -o refused.gguf
expect_status 2
expect_one_error 'm: is missing'
smidge merge -m "$base" --lora "$lora" -o refused.gguf --lora-scale 0
expect_status 2
expect_one_error 'is no number other than 0'
