# shellcheck shell=sh
# Kills at any moment, and several pulls of one file at once.
# shellcheck source=tests/fetch/hub.sh
. "$ROOT/tests/fetch/hub.sh"
start_hub
run python3 "$ROOT/tests/fetch/hammer.py" "$BUILD/smidge-fetch" hub/model 25 5
expect_status 0
expect_out_lines 1
