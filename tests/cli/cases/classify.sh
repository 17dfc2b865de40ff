# shellcheck shell=sh
# A reading goes in, a label comes out.
need_fixture models/stories260K/stories260K.gguf
printf 'Once upon a time there was a pump. It was ' >prefix
smidge classify -m "$FIXTURE" --labels big,small,red --prefix-file prefix -p "very"
expect_status 0
expect_no_err
expect_out_match '^(big|small|red)	[01]\.[0-9]{4}$'
smidge classify -m "$FIXTURE" --labels big,small,red --prefix-file prefix -p "very" --json
expect_status 0
expect_json "x['status'] == 'ok' and x['label'] in x['probabilities'] and abs(sum(x['probabilities'].values()) - 1) < 1e-5"
expect_json "set(x) == {'status', 'label', 'confidence', 'probabilities', 'ms', 'tokens', 'cached_tokens', 'model'}"

# Lines: in order, each its own answer, the prefix computed once, a bad line spoils only itself.
{
    echo "very"
    head -c 60000 /dev/zero | tr '\0' 'x'
    echo
    echo "not so"
    printf 'very'
} >lines
run "$SMIDGE" classify -m "$FIXTURE" --labels big,small,red --prefix-file prefix --json <lines
expect_status 0
expect_out_lines 4
sed -n 1p out >line1; sed -n 2p out >line2; sed -n 3p out >line3; sed -n 4p out >line4
grep -q '"status":"ok"' line1 || fail "line 1"
grep -q '"status":"invalid_input","label":null' line2 || fail "line 2"
grep -q '"status":"ok"' line3 || fail "line 3"
grep -q '"cached_tokens":0' line1 || fail "line 1 was not cold"
! grep -q '"cached_tokens":0' line3 || fail "line 3 was not warm"
for line in line1 line4; do
    sed 's/"ms":[^,]*,//; s/"cached_tokens":[^,]*,//' "$line" >"$line.plain"
done
cmp -s line1.plain line4.plain || fail "the same reading cold and warm gave two answers"
expect_one_error 'standard input: line 2: .*do not fit the context'

# Without a label there is a status, and a program sees it in the exit status.
smidge classify -m "$FIXTURE" --labels big,small,red --prefix-file prefix -p "very" --min-confidence 0.999999
expect_status 4
expect_no_out
expect_one_error 'classify: abstained'
smidge classify -m "$FIXTURE" --labels big,small,red --prefix-file prefix -p "very" --min-confidence 0.999999 --json
expect_status 4
expect_json "x['status'] == 'abstain' and x['label'] is None and x['confidence'] > 0"
head -c 20000 /dev/zero | tr '\0' 'x' >long
smidge classify -m "$FIXTURE" --labels big,small,red -f long --json
expect_status 1
expect_json "x['status'] == 'invalid_input' and x['label'] is None"
smidge classify -m "$FIXTURE" --labels big,small,red --prefix-file prefix -p very --deadline 1 -c 2048 --json --kv f32 -f /dev/null
expect_status 2

for labels in one a,a a,,b 'a, b'; do
    smidge classify -m "$FIXTURE" --labels "$labels" -p x
    expect_status 1
    expect_no_out
    expect_one_error 'labels: '
done
