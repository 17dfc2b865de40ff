# shellcheck shell=sh
# llama-bench's columns and the time to label, in three formats.
need_fixture models/stories260K/stories260K.gguf
smidge bench -m "$FIXTURE" -p 16 -n 8 -r 2 --readings 0 -t 1
expect_status 0
expect_out_match '^\| model +\| type +\| +size \| +params \| threads \| +test \| +t/s \|$'
expect_out_match 'pp16'
expect_out_match 'tg8'
expect_out_match '^peak memory  [0-9.]+ MiB'
expect_out_match '^verdict      [0-9.]+ tokens/s: fine'
smidge bench -m "$FIXTURE" -p 16 -n 8 -r 2 -t 2 -o json --readings 3
expect_status 0
expect_json "[r['test'] for r in x] == ['pp16', 'tg8', 'label-cold', 'label-warm', 'summary']"
expect_json "all(k in x[0] for k in ('model', 'size_bytes', 'n_params', 'threads', 'test', 'tokens_per_second', 'stddev'))"
expect_json "x[2]['ms_p50'] <= x[2]['ms_p95'] <= x[2]['ms_p99'] and x[0]['threads'] == 2"
smidge bench -m "$FIXTURE" -p 16 -n 0 -r 2 --readings 2 -o csv -t 1
expect_status 0
expect_out_lines 4
expect_out_match '^model,type,size_bytes,n_params,threads,test,tokens_per_second,stddev,ms_p50'
smidge bench -m "$FIXTURE" -p 4000 -n 8 -t 1
expect_status 1
expect_one_error 'context: '

# The file for bench/boards: whole, readable, and nothing in it that says who or where.
smidge bench -m "$FIXTURE" -p 16 -n 8 -r 1 -t 1 --readings 2 --report-file report.json
expect_status 0
expect_err_match 'report written to report.json'
[ ! -e report.json.part ] || fail "something is left behind"
cp report.json out
expect_json "x['report'] == 'smidge bench' and x['cores'] >= 1 and x['ram_bytes'] > 0 and x['bandwidth'][0]['gigabytes_per_second'] > 0"
expect_json "x['prediction'][0]['predicted_tokens_per_second'] > 0 and x['results'][0]['test'] == 'pp16' and x['smidge']"
expect_out_no_match "$(uname -n)|/stories260K|$PWD"
smidge fit llama-3.2-1b --board report.json
expect_out_match '\(its report\)$'
echo '{}' >empty.json
smidge fit llama-3.2-1b --board empty.json
expect_status 1
expect_one_error 'has no bandwidth in it'
smidge bench -m "$FIXTURE" -p 0 -n 8 -r 1 -t 1 --readings 0 --report-file no/such/folder.json
expect_status 1
expect_err_match 'name another file with --report-file'
smidge bench -m "$FIXTURE" -p 0 -n 8 -r 1 -t 1 --readings 0 --report
expect_status 0
ls ./*-llama-f32.json >out
expect_out_lines 1
