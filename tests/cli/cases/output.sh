# shellcheck shell=sh
# Output that cannot be written is an error, and a reader that leaves ends the work.
need_fixture models/stories260K/stories260K.gguf
if [ -w /dev/full ]; then
    run sh -c "\"$SMIDGE\" run -m \"$FIXTURE\" -p Once -n 8 >/dev/full"
    expect_status 1
    expect_one_error 'standard output: No space left'
    run sh -c "echo x | \"$SMIDGE\" classify -m \"$FIXTURE\" --labels a,b >/dev/full"
    expect_status 1
fi
run sh -c "{ \"$SMIDGE\" run -m \"$FIXTURE\" -p Once -n 1500 -t 1; echo \$? >left; } | head -c 1 >/dev/null"
[ "$(cat left)" = 1 ] || fail "a reader that left was not noticed"
