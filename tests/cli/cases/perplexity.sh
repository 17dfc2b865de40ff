# shellcheck shell=sh
# How well a model foretells a text, what another lost against it, and what is refused.
need_model SmolLM2-135M-Instruct.Q4_1.gguf
i=0
while [ $i -lt 12 ]; do
    echo "Pump $i ran at $((40 + i)) degrees and 3.$i bar. The bearing hums, the valve is open, and nobody has to come."
    i=$((i + 1))
done >text
smidge perplexity -m "$MODEL" -f text -c 64 --chunks 4 -t 1
expect_status 0
expect_no_err
expect_out_match '^Final estimate: PPL = [0-9]+\.[0-9]{4} \+/- [0-9]+\.[0-9]{5} \(4 chunks, 124 tokens count\)$'
cp out one
smidge perplexity -m "$MODEL" -f - -c 64 --chunks 4 -t 3 <text
expect_out_file one
smidge perplexity -m "$MODEL" -f text -c 64 --stride 32 --chunks 4 --json
expect_status 0
expect_json "x['tokens'] == 128 and x['chunks'] == 4 and 1 < x['perplexity'] < 1000 and x['perplexity_error'] > 0"
smidge quantize "$MODEL" small.gguf q2_k --allow-requantize -q
smidge perplexity -m small.gguf -f text -c 64 --chunks 4 --compare "$MODEL" -t 1
expect_status 0
expect_out_match '^Reference: +PPL = '
expect_out_match '^Mean KLD +0\.[0-9]{6} \+/- 0\.[0-9]{6}$'
expect_out_match '^Same top p +[0-9.]+ \+/- [0-9.]+ %$'
expect_out_match '^ +[0-9.]+ -> +[0-9.]+ %  token [0-9]+: \.\.\..+\[.*\]  rather \[.+\]$'
sed '1d;/^Reference/d' out >numbers
smidge perplexity -m small.gguf -f text -c 64 --chunks 4 --compare "$MODEL" -t 3
sed '1d;/^Reference/d' out >others
cmp numbers others || fail "the number of threads changes the numbers"
smidge perplexity -m small.gguf -f text -c 64 --chunks 4 --compare "$MODEL" --json
expect_status 0
expect_json "x['reference']['kl_mean'] > 0 and len(x['reference']['worst']) == 10 and 0 < x['reference']['same_top'] <= 1"
smidge perplexity -m "$MODEL" -f text -c 64 --chunks 2 --compare "$ROOT/tests/golden/gemma3.gguf"
expect_status 1
expect_one_error 'gemma3.gguf: has a vocabulary of .* \(compare models of one family'
smidge perplexity -m "$MODEL" -f text
expect_status 1
expect_one_error 'text: has [0-9]+ tokens, and a chunk wants 512 \(give a longer text, or shorter chunks with -c\)'
smidge perplexity -m "$MODEL" -f missing
expect_status 1
expect_one_error 'missing: '
smidge perplexity -m "$MODEL" -f text -c 64 --stride 64
expect_status 1
expect_one_error 'stride: 64 is not between 1 and 63'
smidge perplexity -m "$MODEL"
expect_status 2
expect_one_error '-f: is missing'
