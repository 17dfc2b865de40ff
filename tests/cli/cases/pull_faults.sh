# shellcheck shell=sh
# Everything that goes wrong on the way ends in one clear line, and in the whole right file or none.
# shellcheck source=tests/fetch/hub.sh
. "$ROOT/tests/fetch/hub.sh"
start_hub
file=m.gguf

# cut at 20 places, and gone on with: in one pull, and in 21
pull hf:test/cuts:$file -o cuts
expect_file cuts/$file
[ "$(grep -c '^cdn' hub/log)" = 21 ] || fail "it took $(grep -c '^cdn' hub/log) requests"
[ "$(grep -c '^cdn.*range=bytes' hub/log)" = 20 ] || fail "it did not go on where it stopped"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    pull hf:test/runs:$file -o runs --tries 1
    expect_failure 'the connection to 127.0.0.1:[0-9]+ broke.*it goes on where it stopped' runs/$file
    [ -s runs/$file.part ] || fail "nothing was kept of try $i"
done
pull hf:test/runs:$file -o runs --tries 1
expect_file runs/$file
expect_log 'cdn /runs/.*range=bytes=[1-9]'
# a server that always cuts is given up; what is there stays
pull hf:test/always-cut:$file -o always --tries 3 --stall 300
expect_failure 'the connection to .* broke' always/$file
[ "$(grep -c '^cdn' hub/log)" = 3 ] || fail "it tried $(grep -c '^cdn' hub/log) times"

# wrong hash, wrong length: nothing stays
pull hf:test/wrong-hash:$file -o wrong
expect_failure 'arrived with the wrong checksum: [0-9a-f]{16}… instead of' wrong/$file
expect_no_part wrong
pull hf:test/wrong-length:$file -o wrong
expect_failure 'the server announces 3000017 bytes, and the file has another length' wrong/$file
expect_no_part wrong
# what was kept has changed on the disk: found in the end, and fetched anew
pull hf:test/once:$file -o spoilt --tries 1
expect_failure 'broke' spoilt/$file
printf x | dd of=spoilt/$file.part bs=1 seek=5000 conv=notrunc 2>/dev/null
pull hf:test/once:$file -o spoilt
expect_file spoilt/$file
[ "$(grep -c '^cdn' hub/log)" = 2 ] || fail "it was not fetched anew"

# servers that do not go on: 416, 200 instead of 206, another part than asked for
for mode in unsatisfied no-range wrong-range; do
    pull hf:test/$mode:$file -o $mode
    expect_file $mode/$file
    expect_log "cdn /$mode/.*range=bytes=[1-9]"
done
# the file changes between two tries
pull hf:test/changed:$file -o changed
expect_file changed/$file other
pull "$CDN/plain/renewed.gguf" -o changed --tries 1
expect_failure 'broke' changed/renewed.gguf
pull "$CDN/plain/renewed.gguf" -o changed
expect_file changed/renewed.gguf renewed
expect_log 'range=bytes=1000005- if-range="version-0"'
# without a digest it goes on where the server says that it is the same file, and begins anew where nobody does
pull "$CDN/plain/once.gguf" -o plain --tries 1
expect_failure 'broke' plain/once.gguf
pull "$CDN/plain/once.gguf" -o plain
expect_file plain/once.gguf plain
expect_log 'range=bytes=1000005- if-range="plain"'
pull "$CDN/plain/untagged.gguf" -o plain
expect_file plain/untagged.gguf plain
expect_no_log 'range=bytes'
# a state that is none
pull hf:test/good:$file -o none
expect_file none/$file
rm none/$file
head -c 1000 hub/other >none/$file.part
echo nonsense >none/$file.part.state
pull hf:test/good:$file -o none
expect_file none/$file

# one byte a second
pull hf:test/slow:$file -o slow --tries 1
expect_failure 'gave less than 1024 bytes a second for 1 s' slow/$file

# the disk is full: by the limit on files, and by what is free
(ulimit -f 2000 && pull hf:test/good:$file -o full)
expect_failure 'm.gguf.part: cannot be written: File too large \(make room and repeat' full/$file
[ "$(wc -c <full/$file.part)" = 1024000 ] || fail "what had arrived was not kept"
pull hf:test/good:$file -o full
expect_file full/$file
expect_log 'range=bytes=1024000-'
mkdir full3 # and by a disk that is, where this user may make one: it goes away with the program
if unshare -rm true 2>/dev/null; then
    # shellcheck disable=SC2016 # for the inner shell
    run unshare -rm sh -c 'mount -t tmpfs -o size=1m none full3 && exec "$@"' sh "$SMIDGE" pull "$CDN/plain/chunked.gguf" -o full3
    expect_failure 'chunked.gguf.part: cannot be written: No space left on device \(make room and repeat' full3/chunked.gguf
    run unshare -rm sh -c 'mount -t tmpfs -o size=1m none full3 && exec "$@"' sh "$SMIDGE" pull "hf:test/good:$file" -o full3
    expect_failure 'needs 2.86 MiB more, and 1.00 MiB are free in full3 \(make room' full3/$file
fi
pull hf:test/enormous:$file -o full2
expect_failure 'needs 1048576.00 TiB more, and .* are free in' full2/$file
expect_no_part full2
pull hf:test/enormous -o full2
expect_failure 'needs 1048576.00 TiB more' full2/m-Q8_0.gguf
expect_no_log '^cdn'

# folders that cannot be written, root or not
echo text >not-a-folder
for folder in not-a-folder not-a-folder/sub /proc/self/sub /proc/self; do
    pull hf:test/good:$file -o $folder
    expect_status 1
    expect_one_error 'take another (folder|one): -o'
done

# a folder stands where the file should be: what has arrived waits
mkdir -p taken/$file
pull hf:test/good:$file -o taken
expect_status 1
expect_one_error 'taken/m.gguf: cannot be put in place: Is a directory'
rmdir taken/$file
pull hf:test/good:$file -o taken
expect_file taken/$file
expect_log 'range=bytes=3000016-'

# Ctrl-C, in two: once while another pull of the same file is refused, once gone on with. (A shell's job ignores it.)
waiting() {
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$SMIDGE" pull --stall 20 "$@" >first.out 2>first.err &
    waiting=$!
}
wait_for() {
    tries=0
    while [ ! -f "$1" ] || [ "$(wc -c <"$1")" -lt 500000 ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || fail "the first pull did not begin: $(cat first.err)"
        sleep 0.05
    done
}
waiting hf:test/stopped:$file -o stopped
wait_for stopped/$file.part
pull hf:test/good:$file -o stopped
expect_failure 'is being fetched already, into stopped' stopped/$file
kill -INT "$waiting"
status=0
wait "$waiting" || status=$?
cp first.err err
echo "$status" >status
expect_status 130
expect_one_error 'm.gguf: stopped with 488.2[0-9] KiB of it in stopped/m.gguf.part \(the same command goes on'
pull hf:test/stopped:$file -o stopped
expect_file stopped/$file
expect_log 'range=bytes=50000[0-9]-'

# killed, or the power is cut: what is not on the disk for sure is not trusted
waiting hf:test/two:$file -o killed
wait_for killed/$file.part
kill -KILL "$waiting"
wait "$waiting"
pull hf:test/two:$file -o killed
expect_file killed/$file
expect_no_log 'range=bytes'

# no network
HF_ENDPOINT=http://127.0.0.1:1 pull hf:test/good:$file -o off
expect_failure 'there is no connection to 127.0.0.1:1: .*is there a network' off/$file
HF_ENDPOINT=http://hub.invalid pull hf:test/good -o off
expect_failure 'hub.invalid cannot be found: .*is there a network' off/$file
HF_ENDPOINT=gopher://x pull hf:test/good -o off
expect_status 2
expect_one_error 'HF_ENDPOINT: is not an https'
expect_no_part off

# whom the Hub refuses
HF_TOKEN=hf_expired pull hf:test/good:$file -o refused
expect_failure 'does not take the token in HF_TOKEN \(status 401\): it has expired.*settings/tokens' refused/$file
HF_TOKEN=hf_expired pull hf:test/single -o refused
expect_failure 'does not take the token in HF_TOKEN' refused/$file
pull hf:test/gated:$file -o refused
expect_failure 'terms accepted first \(do so on .*/test/gated, then put a token' refused/$file
HF_TOKEN=hf_other pull hf:test/gated:$file -o refused
expect_failure 'terms accepted first \(do so on .*/test/gated, then repeat; the token in HF_TOKEN must be' refused/$file
HF_TOKEN=hf_right pull hf:test/gated:$file -o refused2
expect_file refused2/$file
pull hf:test/nothing -o refused
expect_failure 'no such repository, or it is a private one' refused/$file
pull hf:test/good:missing.gguf -o refused
expect_failure 'is not in the repository \(smidge pull hf:test/good shows what is' refused/missing.gguf
pull hf:test/single@gone -o refused
expect_failure 'has no such revision' refused/$file
HF_TOKEN='hf_x
y' pull hf:test/good:$file -o refused
expect_status 2
expect_one_error 'HF_TOKEN: is not a token'
HF_TOKEN=hf_right HF_ENDPOINT=http://hub.invalid pull hf:test/good:$file -o refused
expect_status 2
expect_one_error 'HF_TOKEN would be readable on the way'
expect_no_part refused

# servers in trouble, and in circles
pull hf:test/busy:$file -o busy
expect_file busy/$file
pull hf:test/later:$file -o later
expect_failure 'status 429 and asks to come back in 4000 s' later/$file
pull hf:test/circle:$file -o later
expect_failure 'sends round in circles' later/$file
pull hf:test/elsewhere:$file -o later
expect_failure 'sends to an address that is not fetched' later/$file
pull "$CDN/plain/gone.gguf" -o later
expect_failure 'answered with status 404' later/gone.gguf
# pages instead of files, and what cannot be told whole
pull "$CDN/plain/login.gguf" -o later
expect_failure 'is not a GGUF file \(is it a login page' later/login.gguf
pull "$CDN/plain/endless.gguf" -o later
expect_failure 'does not say how long it is' later/endless.gguf
pull "$CDN/plain/packed.gguf" -o later
expect_failure 'compresses it on the way' later/packed.gguf
pull hf:test/login -o later
expect_failure "the server's answer is not a list of files" later/$file
pull hf:test/pickles -o later
expect_failure 'has its weights as PyTorch files only' later/$file
# names that would leave the folder
pull hf:test/escape --type q8_0 -o escape/deep
expect_failure 'lists a file whose name would leave the folder' escape/deep/m-Q8_0.gguf
[ ! -e evil.gguf ] || fail "a name from the server left the folder"
expect_no_part later
