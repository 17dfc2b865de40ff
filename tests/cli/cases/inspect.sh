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

# Files that do not run say what they can: a vocabulary alone.
smidge inspect "$FIXTURE"
expect_status 0
expect_out_match '^tokenizer     gpt2/llama-bpe, 128256 tokens, 256 of them special, BOS 128000, EOS 128001$'
expect_out_match '^chat          no template'
expect_out_match '^runs          no: '
expect_out_no_match '^memory '
smidge inspect "$FIXTURE" --json
expect_json "x['tokens'] == 128256 and x['special_tokens'] == 256 and x['memory'] is None and x['groups'] == {} and x['chat_template'] == 'none'"
need_fixture models/stories260K/stories260K.gguf
smidge inspect "$FIXTURE"
expect_out_match '^attention +F32 20 tensors, '
expect_out_match '^feed-forward +F32 15 tensors, '
expect_out_match '^norms +F32 11 tensors, '
expect_out_match '^all tensors +F32 48 tensors, '
expect_out_match '^memory +[0-9.]+ MiB with a context of [0-9]+'
smidge inspect "$FIXTURE" --json --verify
expect_json "x['groups']['attention']['F32']['tensors'] == 20 and x['verified'] and x['damage'] is None and x['memory']['bytes'] > x['size_bytes']"
smidge inspect damaged.gguf --json --verify
expect_status 1
expect_json "x['verified'] is False and 'not a finite number' in x['damage']"
