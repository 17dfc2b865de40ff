# shellcheck shell=sh
# Chat templates are recognised and rendered by name, never run; what is not recognised is refused.
need_fixture models/stories260K/stories260K.gguf
smidge run -m "$FIXTURE" --chat -p "Hello" -n 4
expect_status 1
expect_no_out
expect_one_error 'has no chat template.*; see docs/troubleshooting.md, "Chat templates"\)$'
smidge run -m "$FIXTURE" --chat --template chatml -p "Hello" -n 8 --temp 0
expect_status 0
smidge run -m "$FIXTURE" --chat --template nonsense -p "Hello" -n 4
expect_status 1
expect_one_error 'nonsense. is not one of chatml'
smidge run -m "$FIXTURE" --template chatml -p "Hello" -n 4
expect_status 2
expect_one_error 'template: goes with --chat'
smidge run -m "$FIXTURE" --chat --template gemma -sys "Be brief" -p "Hello" -n 4
expect_status 1
expect_one_error 'system'
cat >plain.template <<'TEXT'
user-prefix: "Q: "
user-suffix: "\n"
generation-prompt: "A:"
TEXT
smidge run -m "$FIXTURE" --chat --template ./plain.template -p "Once" -n 8 --temp 0
expect_status 0
cp out from_template
smidge run -m "$FIXTURE" -p "Q: Once\nA:" -e -n 8 --temp 0 --no-display-prompt
cmp -s out from_template || fail "a template file and the same text by hand differ"
echo "user-prefx: x" >wrong.template
smidge run -m "$FIXTURE" --chat --template ./wrong.template -p "Once" -n 8
expect_status 1
expect_one_error 'wrong.template: .*1'
