#!/bin/sh
# Prints the folder with llama.cpp's shared libraries, fetching them where they are not there yet.
#
#   bench/peers/libs.sh [MACHINE]     as uname -m names it; this one
#
# They come from the npm package named below, which is checked, and stay in ~/.cache/smidge/peers.
set -eu

version=3.22.1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/smidge/peers

fail() {
    echo "libs.sh: $*" >&2
    exit 1
}

machine=${1:-$(uname -m)}
case $machine in
    x86_64)
        platform=linux-x64
        sha256=0d953e1503d5ab4608d8ed5b739132308c81ac05ffeb760d2a7f30e08a9f90e0 ;;
    aarch64)
        platform=linux-arm64
        sha256=39c76b998e35ed2f236c01472fc79eda0fc558b1c8b535023c2d7ded8c327cc4 ;;
    *) fail "no peer package for $machine" ;;
esac
folder=$cache/node-llama-cpp-$platform-$version

# The package is unpacked beside its place and renamed, so that an interrupted run leaves nothing half done.
if [ ! -d "$folder/bins/$platform" ]; then
    command -v npm >/dev/null 2>&1 || fail "npm is missing (install Debian's npm, or pass --libs DIR)"
    echo "libs.sh: fetching the peer's libraries" >&2
    work=$(mktemp -d "${TMPDIR:-/tmp}/smidge-peer.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    (cd "$work" && npm pack --silent "@node-llama-cpp/$platform@$version" >/dev/null) ||
        fail "npm cannot fetch @node-llama-cpp/$platform@$version (no network? pass --libs DIR)"
    tarball=$work/node-llama-cpp-$platform-$version.tgz
    echo "$sha256  $tarball" | sha256sum -c --quiet - >&2 || fail "$tarball is not the pinned package"
    tar -xzf "$tarball" -C "$work"
    mkdir -p "$cache"
    rm -rf "$folder.part"
    mv "$work/package" "$folder.part"
    mv "$folder.part" "$folder"
fi
echo "$folder/bins/$platform"
