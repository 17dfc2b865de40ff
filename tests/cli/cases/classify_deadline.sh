# shellcheck shell=sh
# A deadline covers loading the model too, and its status is 3, with an answer object for programs.
need_model SmolLM2-135M-Instruct.Q4_1.gguf
for ms in 1 5 20; do
    head -c 6000 /dev/zero | tr '\0' 'x' | sed 's/xxxx/ pump/g' >reading
    smidge classify -m "$MODEL" --labels NORMAL,WARNING,CRITICAL -f reading --deadline $ms --json -t 1
    expect_status 3
    expect_one_error 'the deadline passed'
    expect_json "x['status'] == 'deadline' and x['label'] is None"
done
