# shellcheck shell=sh
# A real model answers in its own template, and ends by itself.
need_model SmolLM2-135M-Instruct.Q4_1.gguf
smidge run -m "$MODEL" --chat -p "What is the capital of France?" -n 48 --temp 0 --json
expect_status 0
expect_json "x['finish'] == 'end' and 'Paris' in x['text'] and '<|' not in x['text']"
