# shellcheck shell=sh
# What cannot be done is refused in one line before anything is generated.
need_fixture models/stories260K/stories260K.gguf
smidge run -m /nonexistent/model.gguf -p x -n 4
expect_status 1
expect_no_out
expect_one_error 'model.gguf: No such file or directory'
smidge run -m . -p x -n 4
expect_status 1
expect_one_error 'is not a regular file'
printf 'not a model at all' >wrong.gguf
smidge run -m wrong.gguf -p x -n 4
expect_status 1
expect_one_error 'is not a GGUF file.*; see docs/troubleshooting.md, "Model files that do not open"\)$'
head -c 100000 "$FIXTURE" >cut.gguf
smidge run -m cut.gguf -p x -n 4
expect_status 1
expect_one_error 'cut short'

# The context is never cut silently.
smidge run -m "$FIXTURE" -p "Once upon a time" -n 32 -c 16
expect_status 1
expect_no_out
expect_one_error 'do not fit the context of 16 .*; see docs/troubleshooting.md, "Prompts that do not fit"\)$'
smidge run -m "$FIXTURE" -p "Once upon a time" -n 4000
expect_status 1
expect_one_error 'more than the 2048 that this model was trained for .*; see .*, "Prompts that do not fit"\)$'
smidge run -m "$FIXTURE" -p "x" -n -1
expect_status 2
expect_one_error '-n: must be at least 1'

# What does not fit in memory is refused with the numbers.
smidge run -m "$FIXTURE" -p "Once upon a time" -n 4 --memory-limit 1M
expect_status 5
expect_no_out
expect_one_error 'needs [0-9.]+ MiB .*but the memory limit given is 1.0 MiB .*; see .*, "Out of memory"\)$'

# A deadline that has passed is status 3.
smidge run -m "$FIXTURE" -p "Once upon a time" -n 2000 --deadline 1 --no-display-prompt
expect_status 3
expect_one_error 'the deadline passed .*; see docs/troubleshooting.md, "Timeouts"\)$'
smidge run -m "$FIXTURE" -p "x" -n 4 --cpu nonsense
expect_status 1
expect_one_error 'nonsense. is not a kernel path of this machine .*; see .*, "Building on a board"\)$'
smidge run -m "$FIXTURE" -p "" -n 4
expect_status 0
