# shellcheck shell=sh
# The example programs classify a reading: the library from C, and from Python's ctypes.
need_fixture models/stories260K/stories260K.gguf
run "$BUILD/examples/classify_reading" "$FIXTURE" "temperature 94 C, vibration 7.2 mm/s"
expect_status 0
expect_no_err
expect_out_match '^(NORMAL|WARNING|CRITICAL) [01]\.[0-9]{3}$'
cp out from_c
need_command python3
run python3 "$ROOT/examples/classify_reading.py" "$BUILD/libsmidge.so" "$FIXTURE" "temperature 94 C, vibration 7.2 mm/s"
expect_status 0
cmp -s out from_c || fail "Python and C gave two answers"
run python3 "$ROOT/examples/classify_reading.py" "$BUILD/libsmidge.so" /nonexistent.gguf "x"
expect_status 1
expect_err_match 'nonexistent.gguf: No such file'
