# shellcheck shell=sh
# Answers by a JSON schema: an object of it, or nothing.
need_fixture models/stories260K/stories260K.gguf
schema='{"type":"object","properties":{"state":{"enum":["ok","bad"]},"level":{"type":"integer","minimum":0,"maximum":100},
"note":{"type":"string","maxLength":5}},"required":["state","level"]}'
smidge run -m "$FIXTURE" --json-schema "$schema" -p "Once upon a time"
expect_status 0
expect_out_match '^\{"state":"(ok|bad)","level":[0-9]+(,"note":"[^"]*")?\}$'
cp out plain
[ "$(wc -l <out)" = 1 ] || fail "more than one line"
printf '%s' "$schema" >schema.json
smidge run -m "$FIXTURE" -jf schema.json -p "Once upon a time" -n 1 --repeat-penalty 1.5
expect_status 0
cmp -s out plain || fail "the schema from a file, or flags that mean nothing here, change the answer"
smidge run -m "$FIXTURE" -j "$schema" -p "Once upon a time" --json
expect_status 0
expect_out_match '"answer":\{"state":"(ok|bad)",.*"confidence":\{"state":[0-9.e-]+,"level":[0-9.e-]+'
expect_out_match '"finish":"end"'
smidge run -m "$FIXTURE" -j "$schema" -p "Once upon a time" --json --deadline 1
expect_status 3
expect_out_match '"answer":null,"confidence":\{\}'
smidge run -m "$FIXTURE" -j '{"type":"object","properties":{"a":{"type":"array"}}}' -p "Once"
expect_status 1
expect_no_out
expect_one_error 'property "a" .*array'
smidge run -m "$FIXTURE" -j '{"type":"object","properties":{"a":{"type":"string"}}}' -p "Once"
expect_status 1
expect_one_error 'maxLength'
smidge run -m "$FIXTURE" -j 'yes or no' -p "Once"
expect_status 1
expect_one_error 'JSON'
smidge run -m "$FIXTURE" -j "$schema" -p "Once" -c 30
expect_status 1
expect_no_out
expect_one_error "the schema's strings, or take a larger context"
smidge run -m "$FIXTURE" --grammar 'root ::= "a"' -p "Once"
expect_status 2
expect_no_out
expect_one_error 'grammar: grammars are not supported: .*--json-schema'
smidge run -m "$FIXTURE" --grammar-file x.gbnf -p "Once"
expect_status 2
smidge run -m "$FIXTURE" -j "$schema" -jf schema.json -p "Once"
expect_status 2
expect_one_error 'given twice'
smidge run -m "$FIXTURE" -jf missing.json -p "Once"
expect_status 1
expect_one_error 'missing.json: No such file'
