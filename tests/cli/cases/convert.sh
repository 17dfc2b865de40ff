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
