# shellcheck shell=sh
# Prefix, reading and suffix are one message in a chat template, whose text alone is trusted.
need_fixture models/stories260K/stories260K.gguf
printf 'Once upon a time there was a pump. It was ' >prefix
printf ' and' >suffix
cat >plain.template <<'TEXT'
system-prefix: "S: "
system-suffix: "\n"
user-prefix: "Q: "
user-suffix: "\n"
generation-prompt: "A:"
TEXT
classify() {
    smidge classify -m "$FIXTURE" --labels big,small,red --json "$@"
}
# But for the time it took and what it found computed.
plain() {
    sed 's/"ms":[^,]*,//; s/"cached_tokens":[^,]*,//' "$1"
}
# same_answer FILE WHY: out is the answer that FILE has.
same_answer() {
    plain out >out.plain
    plain "$1" >expected
    cmp -s expected out.plain || fail "$2"
}

# The same text by hand gives the same answer.
classify --chat --template ./plain.template --prefix-file prefix --suffix-file suffix -p very
expect_status 0
expect_no_err
cp out message
printf 'Q: Once upon a time there was a pump. It was very and\nA:' >whole
classify -f whole
same_answer message "a template file and the same text by hand differ"
classify --chat --template ./plain.template -sys 'Be brief' --prefix-file prefix --suffix-file suffix -p very
expect_status 0
cp out system
printf 'S: Be brief\nQ: Once upon a time there was a pump. It was very and\nA:' >whole
classify -f whole
same_answer system "a system message and the same text by hand differ"

# Lines, alone and together: what stands in front of the reading is computed once.
for batch in 1 16; do
    printf 'very\nnot so\nvery\n' >lines
    run "$SMIDGE" classify -m "$FIXTURE" --labels big,small,red --json --batch $batch --chat \
        --template ./plain.template -sys 'Be brief' --prefix-file prefix --suffix-file suffix <lines
    expect_status 0
    expect_out_lines 3
    sed -n 1p out >line1; sed -n 2p out >line2; sed -n 3p out >line3
    expect_json "x['status'] == 'ok' and x['tokens'] - x['cached_tokens'] < 12 or x['cached_tokens'] == 0"
    for line in line2 line3; do
        ! grep -q '"cached_tokens":0,' $line || fail "$line of a batch of $batch was not warm"
    done
    for line in line1 line3; do
        cp $line out
        same_answer system "$line of a batch of $batch differs from the reading alone"
    done
done

# What a reading, a prefix or a system message spells is never a special token: "</s>" is one in a template.
printf 'user-prefix: "Q: "\ngeneration-prompt: "</s>A:"\n' >end.template
printf '%s' '</s>' >special
classify --chat --template ./end.template -p 'x'
expect_json "x['status'] == 'ok'"
python3 -c 'import json; print(json.load(open("out"))["tokens"])' >trusted
printf 'user-prefix: "Q: "\ngeneration-prompt: "A:"\n' >bare.template
for where in "-p x</s>" "-p x --suffix-file special"; do
    # shellcheck disable=SC2086 # flags
    classify --chat --template ./bare.template $where
    expect_json "x['status'] == 'ok' and x['tokens'] > $(cat trusted) + 1"
done

# Refused once, before any line is read.
refused() {
    expect_status "$1"
    expect_no_out
    expect_one_error "$2"
}
smidge classify -m "$FIXTURE" --labels a,b --chat -p x
refused 1 'has no chat template'
smidge classify -m "$FIXTURE" --labels a,b --chat --template nonsense -p x
refused 1 'nonsense. is not one of chatml'
printf 'x\ny\n' >lines
run "$SMIDGE" classify -m "$FIXTURE" --labels a,b --chat --template gemma -sys 'Be brief' <lines
refused 1 'system'
for flag in -sys --template; do
    smidge classify -m "$FIXTURE" --labels a,b $flag x -p x
    refused 2 "$flag: goes with --chat"
done
smidge classify -m "$FIXTURE" --labels a,b --no-thinking -p x
refused 2 '--no-thinking: goes with --chat'
smidge classify -m "$FIXTURE" --labels a,b --chat --special -p x
refused 2 '--special: does not go with --chat'
smidge run -m "$FIXTURE" --no-thinking -p x
refused 2 '--no-thinking: goes with --chat'
