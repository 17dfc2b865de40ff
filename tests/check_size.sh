#!/bin/sh
# A program, stripped, is at most so many bytes.
#   check_size.sh PROGRAM BYTES
set -u
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$1" || exit 1
size=$(wc -c <"$stripped")
echo "$1: $size bytes stripped, at most $2"
[ "$size" -le "$2" ]
