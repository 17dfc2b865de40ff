# shellcheck shell=sh
# Ids as the published vocabularies give them; a file with nothing but a vocabulary is enough.
need_fixture tokenizers/ggml-vocab-gpt-2.gguf
smidge tokenize "$FIXTURE" -p "Hello world" --ids
expect_status 0
expect_out "15496
995"
smidge tokenize "$FIXTURE" -p "Hello world"
expect_out_match '^15496	Hello$'
smidge tokenize "$FIXTURE" -p ""
expect_status 0
expect_no_out
printf ' discards' >text
smidge tokenize "$FIXTURE" -f text --ids
expect_status 0
expect_out_match '^[0-9]+$'

# Special tokens only where the text is said to be trusted.
need_fixture tokenizers/ggml-vocab-qwen2.gguf
smidge tokenize "$FIXTURE" -p '<|im_end|>' --ids
expect_status 0
[ "$(wc -l <out)" -gt 1 ] || fail "a special token came out of plain text"
smidge tokenize "$FIXTURE" -p '<|im_end|>' --ids --special
expect_out "151645"

smidge run -m "$FIXTURE" -p x -n 1
expect_status 1
expect_one_error 'architecture|vocabulary only'
