#!/bin/sh
# Everything that must hold, run to the end whatever fails on the way. `./dev test` calls this after it has
# installed what is needed. The last line is `N passed, N failed, N skipped`; one test in one build counts
# once, and so does each check.
set -u
cd "$(dirname "$0")/.." || exit 1

jobs=${SMIDGE_JOBS:-$(nproc)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
results=$work/results
: >"$results"

started=$(date +%s)
say() {
    printf '\n== %s (%s s)\n' "$1" "$(($(date +%s) - started))"
}

# record passed|failed|skipped NAME [REASON]
record() {
    printf '%s\t%s\t%s\n' "$1" "$2" "${3:-}" >>"$results"
}

# check NAME COMMAND...: one more test; 77 means skipped, with a line that says `skipped: REASON`.
check() {
    name=$1
    shift
    "$@" >"$work/log" 2>&1
    status=$?
    cat "$work/log"
    case $status in
    0) record passed "$name" ;;
    77) record skipped "$name" "$(sed -n 's/^skipped: //p' "$work/log" | head -n 1)" ;;
    *) record failed "$name" ;;
    esac
    return "$status"
}

# build_step PRESET: a build is a test too; its output is shown when it fails.
build_step() {
    say "build $1"
    if ./dev build "$1" >"$work/build" 2>&1; then
        record passed "$1: build"
        return 0
    fi
    tail -n 60 "$work/build"
    record failed "$1: build"
    return 1
}

# Reads ctest's JUnit file: one line a test, as record writes it. A test that did not run without saying
# `skipped` has failed.
read_junit() {
    awk -v label="$1" '
        function plain(text) {
            gsub(/&lt;/, "<", text)
            gsub(/&gt;/, ">", text)
            gsub(/&quot;/, "\"", text)
            gsub(/&apos;/, "\047", text)
            gsub(/&amp;/, "\\&", text)
            return text
        }
        function attribute(name,    text) {
            if (!match($0, " " name "=\"[^\"]*\""))
                return ""
            text = substr($0, RSTART, RLENGTH)
            gsub(/^[^"]*"|"$/, "", text)
            return text
        }
        /<testcase / { name = attribute("name"); status = attribute("status"); reason = ""; skipped = 0 }
        /<skipped [^>]*SKIP_/ { skipped = 1 }
        /skipped: / && reason == "" { reason = $0; sub(/.*skipped: /, "", reason); sub(/<.*/, "", reason) }
        /<\/testcase>/ {
            if (status == "run")
                printf "passed\t%s: %s\t\n", label, name
            else if (status == "notrun" && skipped)
                printf "skipped\t%s: %s\t%s\n", label, name, plain(reason)
            else
                printf "failed\t%s: %s\t\n", label, name
        }' "$2"
}

# tests LABEL PRESET CTEST-OPTION...
tests() {
    label=$1
    preset=$2
    shift 2
    say "tests $label"
    rm -f "$work/junit.xml"
    ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --no-tests=ignore \
        --output-junit "$work/junit.xml" "$@"
    status=$?
    if [ ! -f "$work/junit.xml" ]; then
        record failed "$label: ctest left no results"
        return
    fi
    before=$(grep -c '^failed' "$results")
    read_junit "$label" "$work/junit.xml" >>"$results"
    if [ "$status" != 0 ] && [ "$(grep -c '^failed' "$results")" = "$before" ]; then
        record failed "$label: ctest"
    fi
}

cli_tests() {
    say "command line"
    sh tests/cli/run.sh build/release/smidge >"$work/cli" 2>&1
    status=$?
    cat "$work/cli"
    awk '$1 == "passed" || $1 == "failed" { printf "%s\tcli: %s\t\n", $1, $2 }
         $1 == "skipped" {
             reason = $0
             sub(/^skipped [^ ]* */, "", reason)
             printf "skipped\tcli: %s\t%s\n", $2, reason
         }' "$work/cli" >>"$results"
    if [ "$status" != 0 ] && ! grep -q '^failed' "$work/cli"; then
        record failed "cli: the runner itself"
    fi
}

# ---- The order: what fails soonest and means most comes first -----------------------------------------

say "checks of the source"
check "layers" sh tests/check_layers.sh
check "layers: the check itself" sh tests/check_layers_selftest.sh
check "headers stand alone" sh tests/check_headers.sh
check "troubleshooting" sh tests/check_troubleshooting.sh

if build_step release; then
    check "symbols" sh tests/check_symbols.sh build/release
    check "size of smidge" sh tests/check_size.sh build/release/smidge 2097152
    tests release release
    cli_tests
fi

# Slower machines than this one follow: long random tests take a smaller count there.
export SMIDGE_TEST_QUICK=1

if build_step asan; then
    export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1:check_initialization_order=1}"
    export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
    tests asan asan
fi

if build_step tsan; then
    # The shadow memory of older runtimes does not stand a widely randomized address space.
    fixed=
    if setarch "$(uname -m)" -R true 2>/dev/null; then
        fixed="setarch $(uname -m) -R"
    fi
    export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}"
    ctest() {
        # shellcheck disable=SC2086 # a command and its arguments
        command $fixed ctest "$@"
    }
    tests tsan tsan -R 'thread|pool|trainee|session|engine|classify|generate|prefix|cancel|deadline|invariance|imatrix_collect'
    unset -f ctest
fi

if ! command -v qemu-aarch64 >/dev/null; then
    record skipped "arm64" "qemu-aarch64 is not installed"
elif build_step arm64; then
    # The same program three times: what does not compute with kernels need not run again.
    labels='unit|kernels|golden'
    for cpu in cortex-a72 cortex-a76 max; do
        export QEMU_CPU=$cpu
        tests "arm64 $cpu" arm64 -L "$labels"
        labels='kernels|golden'
    done
    unset QEMU_CPU
fi

# ---- The sum ----------------------------------------------------------------------------------------------

say "sum"
awk -F '\t' '$1 == "skipped" { printf "skipped  %s: %s\n", $2, $3 == "" ? "no reason given" : $3 }' "$results"
awk -F '\t' '$1 == "failed" { printf "FAILED   %s\n", $2 }' "$results"
passed=$(grep -c '^passed' "$results")
failed=$(grep -c '^failed' "$results")
skipped=$(grep -c '^skipped' "$results")
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
