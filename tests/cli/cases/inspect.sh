# shellcheck shell=sh
# What is in a file, whether it runs, and why not.
need_fixture models/stories260K/stories260K.gguf
smidge inspect "$FIXTURE"
expect_status 0
expect_out_match '^architecture +llama$'
expect_out_match '^heads +8 of 8, on 4 for keys and values$'
expect_out_match '^runs +yes$'
smidge inspect "$FIXTURE" --json --verify
expect_status 0
expect_json "x['runs'] and x['layers'] == 5 and x['width'] == 64 and x['vocabulary'] == 512 and x['tensors'] == 48"
smidge inspect "$FIXTURE" --all
expect_out_match 'tokenizer.ggml.tokens +array of string +512: \['
expect_out_match 'token_embd.weight +F32 +64 x 512'

# A weight that is not a number.
cp "$FIXTURE" damaged.gguf
chmod u+w damaged.gguf
size=$(wc -c <damaged.gguf)
printf '\377\377\377\177' | dd of=damaged.gguf bs=1 seek=$((size - 400)) conv=notrunc 2>/dev/null
smidge inspect damaged.gguf --verify
expect_status 1
expect_err_match 'holds something that is not a finite number.*; see .*, "Model files that do not open"\)$'
smidge run -m damaged.gguf -p x -n 4 --no-display-prompt
expect_status 1
expect_one_error 'damaged.gguf: computed something that is not a number .*; see .*, "Garbled or repeated output"\)$'

need_fixture tokenizers/ggml-vocab-llama-bpe.gguf
smidge inspect "$FIXTURE" --json
expect_status 0
expect_json "not x['runs'] and 'token_embd' in x['reason'] or 'architecture' in x['reason'] or 'key' in x['reason']"

smidge inspect --cpu
expect_status 0
expect_out_match '^path +[a-z0-9]+, the best'
smidge inspect --cpu --json
expect_json "x['path'] in x['paths'].split() and x['paths'].split()[0] == 'ref' and x['cores'] >= 1"
