# shellcheck shell=sh
# A real model's own template is recognised, and the prefix of its chat is found in the cache by the next start.
need_model SmolLM2-135M-Instruct.Q4_1.gguf
printf 'You watch a pump. Its temperature must stay below 85 C. Reading: ' >prefix
for flags in "" "--chat" "--chat --template smollm2" "--chat --prefix-cache cache" "--chat --prefix-cache cache"; do
    # shellcheck disable=SC2086 # flags
    smidge classify -m "$MODEL" --labels NORMAL,CRITICAL --prefix-file prefix -p '94 C' --json $flags
    expect_status 0
    expect_no_err
    sed 's/"ms":[^,]*,//; s/"cached_tokens":[^,]*,//' out >>answers
done
expect_json "x['cached_tokens'] > x['tokens'] / 2"
[ "$(sort -u answers | wc -l)" = 2 ] || fail "there are other answers than one with the template and one without"
[ "$(sed -n '2,5p' answers | sort -u | wc -l)" = 1 ] || fail "the model's own template is not smollm2"
