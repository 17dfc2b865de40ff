#!/bin/sh
# Every header compiles alone, and twice: the public ones as C11 and C++17 with pedantic warnings, the others as
# the project's C. Exit status 1 if one does not.
set -u
cd "$(dirname "$0")/.." || exit 1

cc=${CC:-cc}
command -v "$cc" >/dev/null || cc=gcc
cxx=${CXX:-g++}
machine=$(uname -m)
bad=0
count=0

# alone HEADER-AS-INCLUDED LANGUAGE COMPILER FLAG...
alone() {
    header=$1
    language=$2
    shift 2
    count=$((count + 1))
    if ! printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        "$@" -x "$language" -fsyntax-only -Wall -Wextra -Werror -Iinclude -Isrc -; then
        echo "$header does not compile alone ($language)"
        bad=1
    fi
}

for path in include/smidge/*.h; do
    alone "${path#include/}" c "$cc" -std=c11 -pedantic
    alone "${path#include/}" c++ "$cxx" -std=c++17 -pedantic
done

for path in $(find src -name '*.h' | sort); do
    compiler=$cc
    flags=
    case $machine:$path in
    x86_64:src/kernels/x86/*) flags="-mavx2 -mfma -mf16c -mavxvnni -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512bf16" ;;
    aarch64:src/kernels/arm/*) flags=-march=armv8.6-a+i8mm ;;
    *:src/kernels/x86/*) continue ;;
    *:src/kernels/arm/*)
        compiler=aarch64-linux-gnu-gcc
        flags=-march=armv8.6-a+i8mm
        command -v "$compiler" >/dev/null || continue
        ;;
    esac
    # shellcheck disable=SC2086 # a list of flags
    alone "${path#src/}" c "$compiler" -std=gnu11 -D_GNU_SOURCE -Wno-unused-function $flags
done

echo "$count compilations of headers"
exit "$bad"
