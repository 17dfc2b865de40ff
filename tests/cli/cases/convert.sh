# shellcheck shell=sh
# A folder becomes a model that answers as the one it was made from, in any type; an adapter; and what is refused.
need_fixture models/stories260K-hf/config.json
folder=${FIXTURE%/config.json}
model=$FIXTURES/models/stories260K/stories260K.gguf
smidge convert "$folder" -o made.gguf --type f32
expect_status 0
expect_out_match '^made.gguf: F32, .* MiB, llama, tokenizer llama, no chat template'
expect_no_err
smidge run -m "$model" -p "Once upon a time" -n 24 --kv f32
expect_status 0
mv out expected_answer
smidge run -m made.gguf -p "Once upon a time" -n 24 --kv f32
expect_status 0
expect_out_file expected_answer
smidge convert "$folder" --outfile half.gguf --outtype f16 -q
expect_status 0
expect_no_out
smidge quantize half.gguf two_steps.gguf q8_0 -q
expect_status 0
smidge convert "$folder" -o one_step.gguf --type q8_0 -q -t 3
expect_status 0
smidge inspect one_step.gguf --verify
expect_status 0

smidge convert "${folder%/*}/tiny-llama-float" -o refused.gguf
expect_status 1
expect_one_error 'the tokenizer type WordLevel is not supported'
[ ! -e refused.gguf ] || fail "a refused folder left a file"
smidge convert "$folder" -o refused.gguf --type q9_9
expect_status 1
expect_one_error 'q9_9: no such type'
smidge convert . -o refused.gguf
expect_status 1
expect_one_error 'has no config.json'
smidge convert "$folder"
expect_status 2
smidge convert -o refused.gguf
expect_status 2

smidge convert "$FIXTURES/adapters/discollama" -o adapter.gguf
expect_status 1
expect_one_error 'is an adapter whose base model is not here.*--base'
mkdir base
cat >base/config.json <<'JSON'
{"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4096, "intermediate_size": 14336,
 "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 8192}
JSON
smidge convert "$FIXTURES/adapters/discollama" -o adapter.gguf --base base
expect_status 0
expect_out_match '^adapter.gguf: F16, 416.9[0-9] KiB, llama adapter'
# Its tensors end the file, those of a layer as q (A, B) and v (A, B). Those of v are the published ones, A and B transposed.
# Those of q are not: there B's rows are turned as the base's are, and A's columns are left (see the fixtures' README).
adapter_hash() {
    tail -c 425984 adapter.gguf | tail -c +$(($1 + 1)) | head -c "$2" | sha256sum | cut -c 1-64
}
adapter_has() {
    expected=$(sed -n "s/.*\"$1\": \"\(.*\)\".*/\1/p" "$FIXTURES/adapters/discollama/expected-gguf.json")
    [ ${#expected} -eq 64 ] && [ "$(adapter_hash "$2" "$3")" = "$expected" ]
}
layer=0
while [ $layer -lt 2 ]; do
    at=$((layer * 212992)) name=blk.$((30 + layer))
    adapter_has $name.attn_v.weight.lora_a $((at + 131072)) 65536 || fail "$name: A of v differs"
    adapter_has $name.attn_v.weight.lora_b $((at + 196608)) 16384 || fail "$name: B of v differs"
    adapter_has $name.attn_q.weight.lora_a $at 65536 && fail "$name: columns of q's A were turned"
    adapter_has $name.attn_q.weight.lora_b $((at + 65536)) 65536 && fail "$name: rows of q's B were not turned"
    layer=$((layer + 1))
done
