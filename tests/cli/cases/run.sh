# shellcheck shell=sh
# The article's call works: text on standard output only, errors on standard error, non-zero on failure.
need_fixture models/stories260K/stories260K.gguf
smidge run -m "$FIXTURE" -p "Once upon a time" -n 32 --temp 0.1 --no-display-prompt -t 4
expect_status 0
expect_no_err
expect_out_match '[a-z]'
cp out first
smidge run -m "$FIXTURE" -p "Once upon a time" -n 32 --temp 0.1 --no-display-prompt -t 1
cmp -s out first || fail "another number of threads gave another text"

# The flags of programs that call llama.cpp mean nothing, and are accepted.
smidge run -m "$FIXTURE" -p "Once upon a time" -n 32 --temp 0.1 --no-display-prompt -t 1 -no-cnv -st --simple-io --log-disable -ngl 0
expect_status 0
cmp -s out first || fail "a flag without a meaning changed the text"

# With the prompt it begins with the prompt.
smidge run -m "$FIXTURE" -p "Once upon a time" -n 4 --temp 0
expect_out_match '^Once upon a time, there'

# Seeds repeat, and differ.
smidge run -m "$FIXTURE" -p "Once" -n 48 --temp 1.5 --top-k 0 --top-p 1 --min-p 0 -s 7 --no-display-prompt
cp out seed7
smidge run -m "$FIXTURE" -p "Once" -n 48 --temp 1.5 --top-k 0 --top-p 1 --min-p 0 -s 7 --no-display-prompt
cmp -s out seed7 || fail "the same seed gave another text"
smidge run -m "$FIXTURE" -p "Once" -n 48 --temp 1.5 --top-k 0 --top-p 1 --min-p 0 -s 8 --no-display-prompt
! cmp -s out seed7 || fail "another seed gave the same text"

# From a file, with escapes, as JSON.
printf 'Once\\nupon' >prompt
smidge run -m "$FIXTURE" -f prompt -e -n 4 --temp 0
expect_out_match '^Once$'
smidge run -m "$FIXTURE" -p "Once upon a time" -n 8 --temp 0 --json
expect_status 0
expect_json "x['status'] == 'ok' and x['tokens'] == 8 and x['finish'] == 'length' and x['text'].startswith(', there')"
expect_json "len(x['model']) == 16 and x['prompt_tokens'] > 4"
