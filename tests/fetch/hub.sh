# shellcheck shell=sh
# For the cases pull*.sh: a Hub of our own (hub_server.py), and what to expect of a pull.

# start_hub: sets HUB and CDN, and HF_ENDPOINT to the first; with HUB_TLS="CERTIFICATE KEY", TLS too. It ends with the case.
start_hub() {
    need_command python3
    [ -x "$BUILD/smidge-fetch" ] || skip "there is no smidge-fetch (libcurl4-openssl-dev was not there to build it)"
    unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY HF_TOKEN CURL_CA_BUNDLE
    unset SSL_CERT_FILE SSL_CERT_DIR
    mkdir hub
    mkfifo hub/open
    # shellcheck disable=SC2086 # two words
    python3 "$ROOT/tests/fetch/hub_server.py" hub ${HUB_TLS:-} <hub/open >hub/errors 2>&1 &
    exec 9>hub/open # its end is the server's end
    tries=0
    while [ ! -f hub/ports ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || fail "the test server did not start: $(cat hub/errors)"
        sleep 0.05
    done
    # shellcheck disable=SC1091 # written by the server
    . hub/ports
    export HF_ENDPOINT="$HUB" XDG_CACHE_HOME="$PWD/cache"
}

# pull ARGUMENT...: as smidge pull, with short waits.
pull() {
    : >hub/log
    smidge pull --back-off 1 --stall 1 "$@"
}

# expect_file FILE [CONTENT]: it is there, whole and right, is what was printed, and nothing else is beside it.
expect_file() {
    expect_status 0
    expect_out "$1"
    expect_no_err
    cmp -s "$1" "hub/${2:-model}" || fail "$1 is not the right file"
    expect_no_part "$(dirname "$1")"
}

# expect_failure REGEX FILE: one line that says why, and no file of that name.
expect_failure() {
    expect_status 1
    expect_one_error "$1"
    [ ! -e "$2" ] || fail "$2 is there"
}

expect_no_part() {
    for left in "$1"/*.part "$1"/*.part.state; do
        [ ! -e "$left" ] || fail "$left was left behind"
    done
}

# expect_log REGEX, expect_no_log REGEX: what the server was asked in the latest pull.
expect_log() {
    grep -Eq -- "$1" hub/log || fail "no request matches $1: $(cat hub/log)"
}
expect_no_log() {
    ! grep -Eq -- "$1" hub/log || fail "a request matches $1: $(cat hub/log)"
}
