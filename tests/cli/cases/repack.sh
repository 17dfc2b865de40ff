# shellcheck shell=sh
# The same answers from interleaved rows, and the way back.
need_model SmolLM2-135M-Instruct.Q4_1.gguf
smidge repack -m "$MODEL" -o packed.gguf
expect_status 0
expect_out "packed.gguf: interleaved rows, for smidge alone"
smidge inspect packed.gguf --verify
expect_status 0
expect_out_match '_R16 '
for file in "$MODEL" packed.gguf; do
    smidge run -m "$file" -p "The pressure is" -n 12 --temp 0 --no-display-prompt
    expect_status 0
    mv out "answer.$(basename "$file")"
done
cmp "answer.$(basename "$MODEL")" answer.packed.gguf || fail "interleaved rows answer otherwise"
smidge repack -m packed.gguf -o plain.gguf --plain -q
expect_status 0
expect_no_out
smidge repack -m plain.gguf -o again.gguf --plain
expect_status 1
expect_one_error 'has no interleaved rows'
smidge repack -m packed.gguf -o again.gguf
expect_status 1
expect_one_error 'nothing to interleave'
smidge repack -m "$MODEL"
expect_status 2
expect_one_error '-o: is missing'
