# shellcheck shell=sh
# A model of true size, made here with random weights: it loads and runs, and takes the memory that was predicted.
[ -x "$BUILD/make_model" ] || skip "make_model is not built"
run "$BUILD/make_model" 135m-q4_k_m model.gguf
expect_status 0
smidge inspect model.gguf --json --verify
expect_status 0
expect_json "x['runs'] and x['layers'] == 30 and x['vocabulary'] == 49152 and x['tensors'] == 272"
expect_json "x['type'] == 'Q4_K_M' and x['types']['Q6_K']['tensors'] == 14 and x['types']['Q5_0']['tensors'] == 166"
smidge tokenize model.gguf -p 'Pump P-101: vibration 7.8 mm/s'
expect_status 0
smidge run -m model.gguf -p 'Pump P-101: vibration 7.8 mm/s' -n 4 --temp 0
expect_status 0

run "$BUILD/make_model" 135m-q4_0 model.gguf
expect_status 0
smidge inspect model.gguf --json
expect_json "x['types']['Q4_0']['tensors'] == 210 and x['types']['Q8_0']['tensors'] == 1"

# Sanitizers and emulation take memory of their own.
if [ -z "${SMIDGE_TEST_QUICK:-}" ]; then
    run "$BUILD/memory_need" "$SMIDGE" model.gguf 128
    expect_status 0
fi

run "$BUILD/make_model" 1b-q9_9 other.gguf
expect_status 2
run "$BUILD/make_model" 135m-q4_0 none/other.gguf
expect_status 1
[ ! -e other.gguf ] || fail "a refused model left a file"
