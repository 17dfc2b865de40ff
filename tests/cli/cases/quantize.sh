# shellcheck shell=sh
# A model made smaller, of llama.cpp's size, that still answers; and what is refused.
need_model SmolLM2-135M-Instruct.Q4_1.gguf
smidge quantize "$MODEL" small.gguf
expect_status 1
expect_one_error 'is Q4_1 already, and quantizing it again loses more'
[ ! -e small.gguf ] || fail "a refused model left a file"
smidge quantize "$MODEL" small.gguf --allow-requantize
expect_status 0
expect_out_match '^small.gguf: Q4_K_M, 100.57 MiB \(from Q4_1, 93.81 MiB\)$'
for threads in 1 3; do
    smidge quantize "$MODEL" "$threads.gguf" q3_k_m --allow-requantize -t "$threads" -q
    expect_status 0
    expect_no_out
done
cmp 1.gguf 3.gguf || fail "the number of threads changes the bytes"
# what llama.cpp's llama_model_quantize makes of the same file; the types of all tensors are the same too
while read -r type bytes; do
    smidge quantize "$MODEL" sized.gguf "$type" --allow-requantize -q
    expect_status 0
    [ "$(wc -c <sized.gguf)" = "$bytes" ] || fail "$type takes $(wc -c <sized.gguf) bytes, llama.cpp's $bytes"
done <<'SIZES'
q4_0 91726912
q4_1 98362432
q8_0 144811072
q5_0 104997952
q5_1 111633472
q2_k 88201792
q3_k_s 88201792
q3_k_m 93510208
q3_k_l 97532992
q4_k_s 102039616
q4_k_m 105454144
q5_k_s 109974592
q5_k_m 112103488
q6_k 138382912
SIZES
smidge inspect small.gguf --verify
expect_status 0
expect_out_match 'Q5_0 106 tensors'
smidge run -m small.gguf -p "The capital of France is" -n 3 --temp 0 --no-display-prompt
expect_status 0
expect_out_match 'Paris'
smidge repack -m small.gguf -o packed.gguf -q
smidge quantize packed.gguf again.gguf
expect_status 1
expect_one_error 'has interleaved rows \(smidge repack --plain first\)'
# types of one's own, the first that applies counts; and floats lose nothing more
smidge quantize "$MODEL" own.gguf q4_0 --allow-requantize -q --tensor-type attn_v=q8_0 --tensor-type='blk.0.*=f16'
expect_status 0
smidge inspect own.gguf
expect_out_match 'attention +F16 3 tensors'
smidge quantize "$MODEL" own.gguf q4_0 --allow-requantize --tensor-type attn_w=q8_0
expect_status 1
expect_one_error 'attn_w: is no matrix of this model'
smidge quantize "$MODEL" own.gguf q4_0 --allow-requantize --tensor-type attn_q=q4_k
expect_status 1
expect_one_error 'blk.0.attn_q.weight has rows of 576, which are not whole blocks of Q4_K'
smidge quantize "$MODEL" own.gguf q4_0 --allow-requantize --imatrix "$MODEL"
expect_status 1
expect_one_error 'holds no importance matrix'
smidge quantize "$MODEL" own.gguf bf16 -q
expect_status 0
smidge inspect own.gguf
expect_out_match 'BF16'
smidge quantize "$MODEL" small.gguf q4_k
expect_status 1
expect_one_error 'q4_k: is not a type'
smidge quantize "$MODEL"
expect_status 2
expect_one_error 'OUT: is missing'
