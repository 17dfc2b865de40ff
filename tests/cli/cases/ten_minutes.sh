# shellcheck shell=sh
# docs/ten-minutes.md, followed literally: its commands one after the other, against a Hub of our own.
# shellcheck source=tests/fetch/hub.sh
. "$ROOT/tests/fetch/hub.sh"
need_model SmolLM2-135M-Instruct.Q4_1.gguf
need_fixture models/stories260K-hf/config.json
stories=$(dirname "$FIXTURE")
start_hub
mkdir -p hub/shelf/SmolLM2-135M-Instruct-GGUF hub/shelf/SmolLM2-135M-Instruct
smidge quantize "$MODEL" hub/shelf/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct-Q4_K_M.gguf --allow-requantize -q
expect_status 0
# a small model in the place of the real one, which is too large to be kept for this
cp "$stories"/* hub/shelf/SmolLM2-135M-Instruct
mkdir bin
ln -s "$SMIDGE" bin/smidge
ln -s "$BUILD/smidge-fetch" bin/smidge-fetch
# shellcheck disable=SC2016 # backticks that mark a block, not a command
sed -n '/^```sh$/,/^```$/p' "$ROOT/docs/ten-minutes.md" | sed '/^```/d' >steps
[ "$(grep -c '^smidge' steps)" -ge 10 ] || fail "the page has lost its commands"
PATH="$PWD/bin:$PATH" sh -eu steps >out 2>err || fail "a command of the page fails: $(cat err)"
expect_no_err
expect_out_match '^llama-3.2-1b .*(fits|does not fit)'
expect_out_match '^runs +yes'
expect_out_match '^(NORMAL|WARNING|CRITICAL)	[01]\.[0-9]+$'
[ "$(grep -c '^{"status":"ok"' out)" = 2 ] || fail "two readings did not give two answers"
expect_out_match '^own-f16.gguf: '
expect_out_match '^Same top p '
