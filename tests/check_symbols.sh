#!/bin/sh
# What the libraries show and what they lean on, read from a release build:
#  - libsmidge.so exports smidge_* only, and at most 60 functions
#  - no global name in libsmidge_core.a lacks the prefix smg_ or smidge_
#  - the library does not print, exit, abort, read the environment or open sockets
#  - nothing but base/alloc allocates or maps
#  - smidge-fetch alone uses a network, and gets libcurl and libcrypto from the system
set -u
build=${1:?usage: check_symbols.sh BUILD-FOLDER}
bad=0

# offence TEXT: fails when there is any, one a line
offence() {
    if [ -n "$2" ]; then
        printf '%s:\n%s\n' "$1" "$2"
        bad=1
    fi
}

exported=$(nm -D --defined-only "$build/libsmidge.so" | awk 'NF >= 3 { print $3 }') || exit 1
offence "libsmidge.so exports other names than smidge_*" "$(echo "$exported" | grep -v '^smidge_')"
functions=$(echo "$exported" | grep -c '^smidge_')
[ "$functions" -le 60 ] || offence "the public interface has more than 60 functions" "$functions"

offence "global names without smg_ or smidge_" \
    "$(nm -A -g --defined-only "$build/libsmidge_core.a" |
        awk 'NF >= 3 && $NF !~ /^(smg|smidge)_/ { print "  " $0 }')"

undefined=$(nm -A -u "$build/libsmidge_core.a" | sed 's/^[^:]*://')
offence "the library must not use" \
    "$(echo "$undefined" | grep -E ' (_?exit|_Exit|abort|__assert_fail|stdout|stderr|(__)?v?printf(_chk)?|puts|putchar|perror|getenv|secure_getenv|system|popen|socket|connect)$')"
offence "only base/alloc may use" \
    "$(echo "$undefined" | grep -v '^alloc\.c\.o:' |
        grep -E ' (malloc|calloc|realloc|free|strdup|strndup|asprintf|v?asprintf|posix_memalign|aligned_alloc|reallocarray|mmap|mmap64|munmap|mremap)$')"

# The program's own objects: what a static C library brings along is not asked for by them.
objects=$(find "$build/CMakeFiles/smidge.dir" -name '*.o')
[ -n "$objects" ] || offence "there are no objects of the program smidge" "$build/CMakeFiles/smidge.dir"
# shellcheck disable=SC2086 # file names here have no spaces
offence "smidge must not use a network" \
    "$(nm -A -u $objects | grep -E ' (curl_.*|socket|connect|getaddrinfo|gethostbyname.*)$')"
offence "smidge is linked with a library of its own for that" \
    "$(nm "$build/smidge" | grep -E ' [A-Za-z] (curl_easy_init|SSL_new|EVP_DigestInit_ex)$')"
if [ -f "$build/smidge-fetch" ]; then
    needed=$(readelf -d "$build/smidge-fetch" | sed -n 's/.*(NEEDED).*\[\(lib[a-z]*\).*/\1/p' | sort | tr '\n' ' ')
    [ "$needed" = "libc libcrypto libcurl " ] || offence "smidge-fetch needs other libraries than libcurl and libcrypto" "$needed"
fi

echo "$functions public functions"
exit "$bad"
