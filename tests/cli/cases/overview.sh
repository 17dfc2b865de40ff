# shellcheck shell=sh
# The program says what it is, and every mistake in its arguments is one line and status 2.
smidge --version
expect_status 0
expect_out_match '^smidge [0-9]+\.[0-9]+\.[0-9]+ \('
smidge --help
expect_status 0
for command in run classify bench inspect tokenize repack quantize imatrix perplexity; do
    expect_out_match "^  smidge $command "
done
for command in run classify bench inspect tokenize repack quantize imatrix perplexity; do
    smidge "$command" --help
    expect_status 0
    expect_out_match "^smidge $command "
    expect_out_match 'Exit status: 0 ok, 1 failed, 2 usage, 3 deadline, 4 abstained, 5 does not fit'
    expect_no_err
done

usage_error() {
    expect_status 2
    expect_no_out
    expect_one_error "$1"
}

smidge
usage_error 'command: is missing'
smidge frobnicate
usage_error 'frobnicate: is not a command'
smidge run --frobnicate
usage_error '--frobnicate: is not a flag'
smidge run -m
usage_error '-m: needs a value'
smidge run -m x -p y -n ten
usage_error '-n: needs a number'
smidge run -m x -p y -n 99999999999
usage_error '-n: needs a number'
smidge run -m x
usage_error 'prompt: is missing'
smidge run -p x
usage_error '-m: is missing'
smidge run -m x -p y -f z
usage_error 'prompt: is given twice'
smidge run -m x -p y --temp nan
usage_error '--temp: needs a number'
smidge run -m x -p y --memory-limit lots
usage_error 'needs a size'
smidge classify -m x -p y
usage_error '--labels: is missing'
smidge bench -m x -o xml
usage_error 'xml: is not md, json or csv'
smidge inspect
usage_error 'MODEL: is missing'
smidge tokenize x y -p z
usage_error 'y: is one argument too many'
