#!/bin/sh
# Fills ${XDG_CACHE_HOME:-~/.cache}/smidge/arm64-sysroot with the arm64 libraries that smidge and its tests
# link, for building on another machine. Packages come from this machine's own apt sources; its package
# state and its architectures stay as they are. Prints the folder.
#
# Where those sources carry no arm64 (Ubuntu on x86-64), name a file in sources.list format that does in
# SMIDGE_ARM64_SOURCES.
set -eu

development="libutf8proc-dev libjansson-dev libxxhash-dev libcmocka-dev libpcre2-dev libcurl4-openssl-dev libssl-dev"

fail() {
    echo "arm64_sysroot: $1" >&2
    exit 1
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/smidge
sysroot=$cache/arm64-sysroot
if [ "$(cat "$sysroot/.packages" 2>/dev/null)" = "$development" ]; then
    echo "$sysroot"
    exit 0
fi
command -v apt-get >/dev/null || fail "there is no apt-get (on other systems fill $sysroot by hand)"

mkdir -p "$cache"
work=$(mktemp -d "$cache/arm64-sysroot.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/debs" "$work/root"
: >"$work/apt/status"

# The machine's sources and keys, but a state and an architecture of our own.
private_apt() {
    tool=$1
    shift
    set -- -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$work/apt" \
        -o Dir::State::Lists="$work/apt/lists" -o Dir::State::status="$work/apt/status" \
        -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root "$@"
    if [ -n "${SMIDGE_ARM64_SOURCES:-}" ]; then
        set -- -o Dir::Etc::sourcelist="$SMIDGE_ARM64_SOURCES" -o Dir::Etc::sourceparts=/dev/null "$@"
    fi
    "$tool" -q "$@"
}

echo "arm64_sysroot: fetching arm64 packages" >&2
private_apt apt-get update >"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; fail "apt-get update failed"; }

packages=
for package in $development; do
    private_apt apt-cache show "$package" >/dev/null 2>&1 ||
        fail "this machine's apt sources have no arm64 $package (set SMIDGE_ARM64_SOURCES to a file that has)"
    needs=$(private_apt apt-cache depends "$package" | sed -n 's/^ *Depends: \(lib.*\)$/\1/p' |
        grep -v -e '-dev$' -e '^libc6' || true)
    packages="$packages $package $needs"
done
# shellcheck disable=SC2086 # a list of names
(cd "$work/debs" && private_apt apt-get download $packages) >>"$work/log" 2>&1 ||
    { tail -n 5 "$work/log" >&2; fail "a download failed"; }
for deb in "$work"/debs/*.deb; do
    dpkg -x "$deb" "$work/root"
done

printf '%s\n' "$development" >"$work/root/.packages"
rm -rf "$sysroot"
mv "$work/root" "$sysroot"
echo "$sysroot"
