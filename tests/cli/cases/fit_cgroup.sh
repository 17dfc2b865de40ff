# shellcheck shell=sh
# Under a real limit of a control group nothing is killed: it is refused with the numbers, or it runs.
need_fixture models/stories260K/stories260K.gguf
name=smidge-test-$$
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    group=/sys/fs/cgroup/$name limit=memory.max
else
    group=/sys/fs/cgroup/memory/$name limit=memory.limit_in_bytes
fi
mkdir "$group" 2>/dev/null || skip "this user may make no control group"
trap 'rmdir "$group"' EXIT
[ -f "$group/$limit" ] || skip "control groups here do not limit memory"

# inside BYTES COMMAND...: in the group, with that limit.
inside() {
    echo "$1" >"$group/$limit" || skip "the limit cannot be set"
    shift
    # shellcheck disable=SC2016 # expanded by the inner shell
    run sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" "$@"
}

# Too little for a context: refused, by both, and for that reason.
inside 16777216 "$SMIDGE" fit "$FIXTURE" -t 1 -c 512 --bandwidth 1 --json
expect_status 0
expect_json "x['limit'] == 'what the control group leaves' and 8e6 < x['allowed_bytes'] <= 16777216"
inside 4194304 "$SMIDGE" fit "$FIXTURE" -t 1 -c 512 --bandwidth 1
expect_status 5
expect_one_error 'but what the control group leaves is [0-9.]+ MiB '
inside 4194304 "$SMIDGE" run -m "$FIXTURE" -p "Once upon a time" -n 64 -c 512 -t 1
expect_status 5
expect_one_error 'but what the control group leaves is [0-9.]+ MiB '
# At every limit it ends as it should, and never by a signal, whose status is above 128.
for limit_mib in 5 6 7 8 10 12 16; do
    inside $((limit_mib << 20)) "$SMIDGE" run -m "$FIXTURE" -p "Once upon a time" -n 64 -c 512 -t 1
    case $(cat status) in
    0 | 5) ;;
    *) fail "with $limit_mib MiB" ;;
    esac
done
expect_status 0
# Measuring the machine keeps to it, too.
inside 12582912 "$SMIDGE" fit "$FIXTURE" -t 1
expect_status 0
