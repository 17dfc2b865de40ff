#!/bin/sh
# Helpers for the cases in tests/cli/cases; run.sh reads this file before each of them.
#
# A case starts in an empty folder, with no input, and finds: SMIDGE (the program), BUILD (its folder), ROOT (the
# source tree), FIXTURES. Each run leaves the files `out`, `err` and `status`; the helpers below look at
# the latest run and end the case when they are not met.

# smidge ARGUMENT...: runs the program; it may stand at the end of a pipe. run COMMAND...: runs another.
smidge() {
    run "$SMIDGE" "$@"
}

run() {
    echo "\$ $*"
    run_status=0
    "$@" >out 2>err || run_status=$?
    echo "$run_status" >status
}

# ---- Skipping --------------------------------------------------------------------------------------------

skip() {
    echo "skipped: $*"
    exit 77
}

# need_fixture NAME: sets FIXTURE to its path.
# shellcheck disable=SC2153 # FIXTURES comes from run.sh
need_fixture() {
    FIXTURE=$FIXTURES/$1
    [ -f "$FIXTURE" ] || skip "no fixture $1 (set SMIDGE_FIXTURES to the folder that has it)"
}

# need_model NAME: sets MODEL to the path of a downloaded model.
need_model() {
    MODEL=${XDG_CACHE_HOME:-$HOME/.cache}/smidge/models/$1
    [ -f "$MODEL" ] || skip "no model $1 (./dev models fetches it)"
}

need_command() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

# ---- Expecting -------------------------------------------------------------------------------------------

fail() {
    echo "$*"
    for file in status out err; do
        [ ! -f "$file" ] || { echo "--- $file"; head -c 4000 "$file"; }
    done
    exit 1
}

# expect_status N
expect_status() {
    [ "$(cat status)" = "$1" ] || fail "exit status $(cat status), expected $1"
}

# expect_out TEXT, expect_err TEXT: the whole output is TEXT and a newline.
expect_out() { expect_text out "$1"; }
expect_err() { expect_text err "$1"; }
expect_text() {
    printf '%s\n' "$2" >expected
    cmp -s expected "$1" || { diff expected "$1"; fail "$1 is not as expected"; }
}

# expect_out_file FILE: the output equals a file, byte for byte.
expect_out_file() {
    cmp -s "$1" out || fail "out differs from $1"
}

# expect_no_out, expect_no_err: nothing was written.
expect_no_out() { [ ! -s out ] || fail "something was written to standard output"; }
expect_no_err() { [ ! -s err ] || fail "something was written to standard error"; }

# expect_out_match REGEX, expect_err_match REGEX: one of the lines matches (grep -E).
expect_out_match() { grep -Eq -- "$1" out || fail "no line of out matches $1"; }
expect_err_match() { grep -Eq -- "$1" err || fail "no line of err matches $1"; }
# expect_out_no_match REGEX: none does.
expect_out_no_match() { ! grep -Eq -- "$1" out || fail "a line of out matches $1"; }

# expect_out_lines N
expect_out_lines() {
    [ "$(wc -l <out)" -eq "$1" ] || fail "out has $(wc -l <out) lines, expected $1"
}

# expect_one_error [REGEX]: standard error is one line of the form `smidge: WHAT: WHY (what to do)`.
expect_one_error() {
    [ "$(wc -l <err)" -eq 1 ] || fail "standard error has $(wc -l <err) lines, expected 1"
    expect_err_match '^smidge: .+: .+$'
    [ $# = 0 ] || expect_err_match "$1"
}

# expect_json [EXPRESSION]: out is one JSON value, or one a line; with an expression, it is true of each, called x,
# in Python's words: expect_json "x['status'] == 'ok'"
expect_json() {
    need_command python3
    python3 -c '
import json, sys
text = open("out", encoding="utf-8").read()
assert text.strip(), "no output"
try:
    values = [json.loads(text)]
except json.JSONDecodeError:
    values = [json.loads(line) for line in text.splitlines() if line.strip()]
for x in values:
    assert eval(sys.argv[1]), x
' "${1:-True}" >json.log 2>&1 || fail "out is not the JSON expected: ${1:-any}: $(tail -n 1 json.log)"
}
