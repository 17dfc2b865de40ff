# shellcheck shell=sh
# Whether a model fits: for a file, for a name, for all names; for this machine and for boards.
# The article's two examples.
smidge fit phi-3-mini --ram 4G
expect_status 0
expect_no_err
expect_out_match '^context    1024 tokens \(unless -c says otherwise\), KV cache f16$'
expect_out_match '^verdict    fits$'
expect_out_match '^may take   2867.2 MiB: 70 % of RAM$'
expect_out_match '^speed      unknown: give --bandwidth'
smidge fit mistral-7b --ram 2G
expect_status 5
expect_one_error '^smidge: mistral-7b: needs [0-9.]+ MiB \(weights .*\) but 70 % of RAM is 1433.6 MiB .*"Out of memory"\)$'
expect_out_match '^verdict    does not fit$'
expect_out_match 'a smaller model: '

# What would fit: a smaller context, a cache as q8_0, a smaller type.
smidge fit phi-3-mini --ram 4G -c 4096
expect_status 5
expect_out_match '^would fit  -c 1[0-9]{3}$'
expect_out_match '^or         -c [0-9]+ --kv q8_0$'
smidge fit phi-3-mini --ram 4G --type q8_0
expect_status 5
expect_out_match ' --type q[456]'
smidge fit llama-3.2-1b --ram 2G --kv q8_0 --type q8_0 -c 512
expect_status 0
expect_out_match '^context    512 tokens, KV cache q8_0$'

# Speed: from a bandwidth, from a board, and none from what is no processor's.
smidge fit llama-3.2-1b --ram 4G --bandwidth 10 --json
expect_status 0
expect_json "x['fits'] and 8 < x['tokens_per_second'] < 11 and x['tokens_per_second_full_context'] < x['tokens_per_second']"
expect_json "x['need_bytes'] == sum(x[k + '_bytes'] for k in ('weights', 'kv', 'scratch', 'vocabulary', 'program')) and x['context'] == 1024"
smidge fit llama-3.2-1b --board pi5 --ram 4G
expect_status 0
expect_out_match 'from 11.59 GB/s of the Raspberry Pi 5'
smidge fit llama-3.2-1b --board orin-nano --ram 8G
expect_status 0
expect_out_match '^speed      unknown: give --bandwidth'
smidge fit llama-3.2-1b --board pi4
expect_status 2
expect_one_error 'needs --ram'
smidge fit llama-3.2-1b --board commodore64 --ram 4G
expect_status 1
expect_one_error 'not a board that is known'

# All names, best first.
smidge fit --ram 4G --bandwidth 10
expect_status 0
expect_out_match '^phi-?3.* fits'
expect_out_match '^mistral-7b .* does not fit$'
expect_out_match 'q8_0 rather than a larger model'
[ "$(grep -n '^mistral-7b' out | cut -d: -f1)" -gt "$(grep -n '^smollm2-135m' out | cut -d: -f1)" ] || fail "not best first"
smidge fit --ram 4G --json
expect_status 0
expect_json "len(x) > 10 and [r['fits'] for r in x] == sorted((r['fits'] for r in x), reverse=True)"
smidge fit --ram 64M
expect_status 5
expect_one_error 'no model that is known fits'

# Misuse.
smidge fit no-such-model
expect_status 1
expect_one_error 'is neither a file nor a model that is known'
smidge fit no-such.gguf --bandwidth 1
expect_status 1
expect_one_error 'No such file'
smidge fit --kv q3 --ram 1G
expect_status 2
smidge fit --bandwidth -1 --ram 1G
expect_status 2
smidge fit phi-3-mini --type q3_k --ram 4G
expect_status 2

need_fixture models/stories260K/stories260K.gguf
smidge fit "$FIXTURE" -t 1
expect_status 0
expect_out_match '^speed      about [0-9.]+ tokens/s, [0-9.]+ with a full context: fine$'
expect_out_match 'measured here with 1 thread: [0-9.]+ GB/s'
smidge fit "$FIXTURE" -c 100000 --bandwidth 1
expect_status 1
expect_one_error 'more than the .* trained for'

# What fit refuses, run refuses with the same words and numbers, whatever is short.
for limit in 1M 3M; do
    smidge fit "$FIXTURE" --bandwidth 1 -c 512 -t 1 --memory-limit $limit
    expect_status 5
    cp err fit.err
    smidge run -m "$FIXTURE" -p x -n 4 -c 512 -t 1 --memory-limit $limit
    expect_status 5
    cmp -s err fit.err || { cat fit.err; fail "run and fit differ"; }
done
# And where fit says that it fits with not a byte to spare, run takes it.
smidge fit "$FIXTURE" --bandwidth 1 -c 512 -t 1 --json
need=$(sed -n 's/.*"need_bytes": \([0-9]*\).*/\1/p' out)
smidge run -m "$FIXTURE" -p x -n 4 -c 512 -t 1 --memory-limit "$need"
expect_status 0
smidge run -m "$FIXTURE" -p x -n 4 -c 512 -t 1 --memory-limit $((need - 1))
expect_status 5
