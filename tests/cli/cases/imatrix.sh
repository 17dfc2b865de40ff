# shellcheck shell=sh
# An importance matrix from a text, which quantizing uses; merged from two; ended in the middle; and what is refused.
need_model SmolLM2-135M-Instruct.Q4_1.gguf
i=0
while [ $i -lt 20 ]; do
    echo "Pump $i ran at $((40 + i)) degrees and 3.$i bar. The bearing hums, the valve is open, and nobody has to come."
    i=$((i + 1))
done >text
smidge imatrix -m "$MODEL" -f text -c 64 --chunks 3 -t 1 -o one.gguf
expect_status 0
expect_out 'one.gguf: importance of 210 matrices from 3 chunks'
smidge imatrix -m "$MODEL" -f text -c 64 --chunks 3 -t 3 -o three.gguf -q
expect_status 0
expect_no_out
cmp one.gguf three.gguf || fail "the number of threads changes the bytes"
smidge imatrix -m "$MODEL" -f text -c 64 --chunks 3 --process-output -q
expect_status 0
smidge inspect imatrix.gguf
expect_status 0
smidge imatrix --in-file one.gguf --in-file three.gguf -o both.gguf
expect_status 0
expect_out 'both.gguf: importance of 210 matrices from 6 chunks'
smidge quantize "$MODEL" plain.gguf q2_k --allow-requantize -q
smidge quantize "$MODEL" guided.gguf q2_k --allow-requantize --imatrix both.gguf -q
expect_status 0
cmp -s plain.gguf guided.gguf && fail "the importance matrix changes nothing"
# a signal in the middle: one line, and no file
run timeout -s INT 1 "$SMIDGE" imatrix -m "$MODEL" -f "$ROOT/bench/RESULTS.md" -t 1 -o stopped.gguf
[ ! -e stopped.gguf ] || fail "it is there though it was stopped"
expect_one_error 'stopped.gguf: was not written: stopped by a signal'
smidge imatrix -m "$MODEL" -f text -c 4096 -o none.gguf
expect_status 1
expect_one_error 'a chunk wants 4096'
smidge imatrix -m "$MODEL" -f text -c 64 --chunks 1 -o nowhere/none.gguf
expect_status 1
expect_one_error 'nowhere/none.gguf'
smidge imatrix --in-file text -o none.gguf
expect_status 1
expect_one_error 'text: is not an importance matrix, neither GGUF nor .dat'
smidge imatrix --in-file "$MODEL" -o none.gguf
expect_status 1
expect_one_error 'holds no importance matrix'
[ ! -e none.gguf ] || fail "a refused one left a file"
smidge imatrix -m "$MODEL"
expect_status 2
expect_one_error '-f: is missing'
