# shellcheck shell=sh
# What is fetched, from where and to where, when nothing goes wrong.
# shellcheck source=tests/fetch/hub.sh
. "$ROOT/tests/fetch/hub.sh"
start_hub
file=m-Q4_K_M.gguf

# a file of a repository; the token goes to the Hub and not to its storage
HF_TOKEN=hf_right pull hf:test/good:sub/$file -o there
expect_file there/$file
expect_log 'hub /test/good/resolve/main/sub/m-Q4_K_M.gguf auth=Bearer_hf_right'
expect_log 'cdn /good/m-Q4_K_M.gguf\?signature=secret auth=- range=-'
expect_no_log 'cdn .*hf_right'
# nor to any other address, asked for by itself
HF_TOKEN=hf_right pull "$CDN/plain/fine.gguf" -o stranger
expect_file stranger/fine.gguf plain
expect_log '^cdn /plain/fine.gguf.* auth=-'
expect_no_log hf_right
# once more: it is there already, and only looked at
pull hf:test/good:sub/$file -o there
expect_file there/$file
# a file that is there and another one: the new one takes its place
cp hub/other there/$file
pull hf:test/good:sub/$file -o there
expect_file there/$file
# a revision; an address of the Hub's pages; the cache as the folder
pull "hf:test/good@refs/pr/1:$file" -o revision
expect_file revision/$file
expect_log 'resolve/refs%2Fpr%2F1/'
pull "$HUB/test/good/blob/main/$file?download=true" -q
expect_file "$PWD/cache/smidge/models/$file"
expect_log 'hub /test/good/resolve/main/'
env -u XDG_CACHE_HOME HOME="$PWD/home" "$SMIDGE" pull hf:test/good:$file >out 2>err
[ "$(cat out)" = "$PWD/home/.cache/smidge/models/$file" ] || fail "without XDG_CACHE_HOME it goes elsewhere"
# names of the catalogue
pull smollm2-135m -o named
expect_file named/SmolLM2-135M-Instruct-Q4_K_M.gguf
expect_log 'hub /bartowski/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct-Q4_K_M.gguf'
pull mistral-7b --type Q8_0 -o named
expect_file named/mistral-7b-instruct-v0.2.Q8_0.gguf

# repositories: one file, several, a type, all for a conversion
pull hf:test/single -o single
expect_file single/only-Q8_0.gguf
expect_log 'resolve/0123456789abcdef0123456789abcdef01234567/only'
pull hf:test/several -o several
expect_status 2
expect_one_error 'has several GGUF files.*--type'
expect_out_lines 2
expect_out_match ' 2.86 MiB  m-Q4_K_M.gguf$'
pull hf:test/several --type q8_0 -o several
expect_file several/m-Q8_0.gguf
pull hf:test/several --type q2_k -o several
expect_status 2
expect_one_error 'has no GGUF file of the type q2_k'
pull hf:test/folder
expect_status 0
expect_out "$PWD/cache/smidge/models/test--folder"
expect_no_err
(cd cache/smidge/models/test--folder && ls) >out
expect_out "config.json
model-00001-of-00002.safetensors
model-00002-of-00002.safetensors
model.safetensors.index.json
tokenizer.json
tokenizer_config.json"
[ "$(tail -n 1 hub/log | cut -d ' ' -f 2)" = "/test/folder/resolve/0123456789abcdef0123456789abcdef01234567/config.json" ] ||
    fail "config.json did not come last"
pull hf:test/folder
expect_status 0
[ "$(wc -l <hub/log)" = 1 ] || fail "what was there was fetched again"
pull hf:test/folder-damaged -o damaged
expect_failure 'arrived with the wrong checksum' damaged/tokenizer.json
expect_no_part damaged
[ ! -e damaged/config.json ] || fail "config.json is there, and not all is"
# addresses
pull "$CDN/plain/fine.gguf?x=1" -o address
expect_file address/fine.gguf plain
pull "$CDN/plain/fine.gguf?x=1" -o address
expect_file address/fine.gguf plain
pull "$CDN/plain/chunked.gguf" -o address
expect_file address/chunked.gguf plain
pull "$CDN/plain/a%20b.bin" -o address
expect_file "address/a b.bin" plain
# a proxy is asked where one is named, and not for what no_proxy names
http_proxy=$CDN pull http://models.invalid/plain/proxied.gguf -o proxy
expect_file proxy/proxied.gguf plain
expect_log 'cdn http://models.invalid/plain/proxied.gguf'
http_proxy=$CDN no_proxy=models.invalid pull http://models.invalid/plain/direct.gguf -o proxy
expect_failure 'models.invalid cannot be found' proxy/direct.gguf

# on a terminal it says how far it is, without -q
cat >terminal.py <<'PYTHON'
import os, pty, sys
seen = bytearray()
def read(fd):
    data = os.read(fd, 4096)
    seen.extend(data)
    return data
status = pty.spawn(sys.argv[1:], read)
open("terminal", "wb").write(seen)
sys.exit(os.waitstatus_to_exitcode(status))
PYTHON
rm -rf bar
run python3 terminal.py "$SMIDGE" pull hf:test/good:$file -o bar
expect_status 0
grep -Eq "$(printf '\r')m-Q4_K_M.gguf  [0-9]+ %  .* of 2.86 MiB" terminal || fail "there is no progress: $(cat terminal)"
rm -rf bar
run python3 terminal.py "$SMIDGE" pull hf:test/good:$file -o bar -q
expect_status 0
! grep -q '%' terminal || fail "there is progress with -q"

# what is not fetched
while read -r source why; do
    pull "$source" -o not
    expect_status 2
    expect_one_error "$why"
    [ ! -s hub/log ] || fail "$source was asked for"
done <<'SOURCES'
nothing-like-it is.no.name.of.the.catalogue.*--list
test/good a.repository.of.the.Hub.is.hf:test/good
hf:good is.not.hf:ORG/REPO
hf:test/good: is.not.hf:ORG/REPO
hf:test/../x is.not.hf:ORG/REPO
hf:test/good:../x.gguf is.not.hf:ORG/REPO
hf:test/good:a/../../x.gguf is.not.hf:ORG/REPO
hf:test/good@../x:y is.not.hf:ORG/REPO
ftp://host/file is.an.address.of.a.kind.that.is.not.fetched
http://host/ does.not.end.in.the.name.of.a.file
http://host/..%2Fx does.not.end.in.the.name.of.a.file
http://host/%2e%2e does.not.end.in.the.name.of.a.file
SOURCES
pull
expect_status 2
expect_one_error 'NAME: is missing'
pull hf:test/good:$file --type q8_0 -o not
expect_status 2
expect_one_error '--type: chooses among files, and m-Q4_K_M.gguf is one'
pull --list
expect_status 0
expect_out_match '^phi3-mini +3.82 B +2.39 GB +4.06 GB +Phi-3 Mini 4K Instruct +MIT$'
expect_out_lines 15
[ ! -e not ] || fail "a refused pull made a folder"

# without the other program: how to get it
cp "$SMIDGE" alone
run env PATH=/nowhere ./alone pull smollm2-135m
expect_status 1
expect_one_error 'smidge-fetch: is not beside this program and not on PATH'
