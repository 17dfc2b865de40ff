# shellcheck shell=sh
# What stands before the readings is kept in a file from start to start; answers are the same bit for bit without it.
need_fixture models/stories260K/stories260K.gguf
printf 'Once upon a time there was a pump. It was ' >prefix
printf 'Once upon a time there was a dog. It was ' >other
classify() {
    smidge classify -m "$FIXTURE" --labels big,small,red --json --prefix-cache cache "$@"
    expect_status 0
}
# same_answer FILE: out is the answer that FILE has, but for the time it took and what it found computed.
same_answer() {
    for file in "$1" out; do
        sed 's/"ms":[^,]*,//; s/"cached_tokens":[^,]*,//' "$file" >"$file.plain"
    done
    cmp -s "$1.plain" out.plain || fail "a cached prefix changed the answer"
}
smidge classify -m "$FIXTURE" --labels big,small,red --json --prefix-file prefix -p very
cp out cold
expect_json "x['cached_tokens'] == 0"

# Missing: computed, and kept without a word. There: used, and left as it is.
classify --prefix-file prefix -p very
expect_no_err
same_answer cold
[ -s cache ] || fail "no cache was written"
cp cache kept
# fits FLAG...: the cache is used by this call, and not written again (that would make another file of it).
fits() {
    inode=$(ls -i cache)
    classify "$@"
    expect_no_err
    [ "$(ls -i cache)" = "$inode" ] || fail "a good cache was written again"
    expect_json "x['cached_tokens'] > x['tokens'] / 2"
}
fits --prefix-file prefix -p very
same_answer cold
run "$SMIDGE" classify -m "$FIXTURE" --labels big,small,red --json --prefix-file prefix --prefix-cache cache <<'TEXT'
very
not so
very
TEXT
expect_status 0
expect_no_err
expect_json "x['cached_tokens'] >= x['tokens'] - 8"
mv out lines
for line in 1 3; do
    sed -n ${line}p lines >out
    same_answer cold
done

# again WHY: it was refused and made anew, so that the next start says nothing.
again() {
    expect_one_error "^smidge: cache: $1 \(it was computed again\)$"
}
# Damaged: cut short, and with a byte changed.
head -c 500 kept >cache
classify --prefix-file prefix -p very
again 'is not a whole saved prefix'
same_answer cold
cmp -s cache kept || fail "the damaged cache was not made anew"
printf 'X' | dd of=cache bs=1 seek=700 conv=notrunc 2>/dev/null
classify --prefix-file prefix -p very
again 'is not a whole saved prefix'
same_answer cold
cmp -s cache kept || fail "the damaged cache was not made anew"

# Another prompt, KV type, kernel path, model.
classify --prefix-file other -p very
again 'was saved for another prompt'
fits --prefix-file other -p very
classify --prefix-file other -p very --kv f32
again 'has another KV type than the session'
fits --prefix-file other -p very --kv f32
classify --prefix-file prefix -p very
if [ "$("$SMIDGE" inspect --cpu --json | sed 's/.*"path": *"//; s/".*//')" != ref ]; then
    classify --prefix-file prefix -p very --cpu ref
    again 'was saved on another kernel path'
    fits --prefix-file prefix -p very --cpu ref
    classify --prefix-file prefix -p very
fi
cmp -s cache kept || fail "the cache is not what it was"
smidge classify -m "$ROOT/tests/golden/llama-plain.gguf" --labels big,small --prefix-file prefix -p very --prefix-cache cache
expect_status 0
again 'was saved for another model'

# In a chat template, with the system message.
cp kept cache
classify --chat --template chatml -sys 'Be brief' --prefix-file prefix -p very
again 'was saved for another prompt'
fits --chat --template chatml -sys 'Be brief' --prefix-file prefix -p very
cp out warm
smidge classify -m "$FIXTURE" --labels big,small,red --json --chat --template chatml -sys 'Be brief' --prefix-file prefix -p very
expect_json "x['cached_tokens'] == 0"
same_answer warm
classify --chat --template chatml -sys 'Be long' --prefix-file prefix -p very
again 'was saved for another prompt'

# Not written: the answer comes all the same. A file that is something else is left alone.
smidge classify -m "$FIXTURE" --labels big,small,red --json --prefix-file prefix -p very --prefix-cache /nonexistent/cache
expect_status 0
expect_one_error '^smidge: /nonexistent/cache: cannot be created: No such file'
same_answer cold
cp prefix precious
smidge classify -m "$FIXTURE" --labels big,small,red --json --prefix-file prefix -p very --prefix-cache precious
expect_status 0
expect_err_match '^smidge: precious: is not a saved prefix, and was left alone'
same_answer cold
cmp -s prefix precious || fail "a file that is not a saved prefix was overwritten"
: >empty
smidge classify -m "$FIXTURE" --labels big,small,red --json --prefix-file prefix -p very --prefix-cache empty
cmp -s empty kept || fail "an empty file was not taken"

# A deadline does not wait for it, and the context's limit is told by the reading.
smidge classify -m "$FIXTURE" --labels a,b --prefix-file prefix -p very --prefix-cache late --deadline 1
if [ "$(cat status)" = 3 ]; then
    expect_one_error 'the deadline passed'
fi
smidge classify -m "$FIXTURE" --labels a,b --prefix-file prefix -p very --prefix-cache small -c 8
expect_status 1
expect_one_error 'do not fit the context of 8'
[ ! -e small ] || fail "a prefix that did not fit was kept"
smidge classify -m "$FIXTURE" --labels a,b -p very --prefix-cache cache
expect_status 2
expect_one_error '--prefix-cache: goes with --prefix-file or --chat'
