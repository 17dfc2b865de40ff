#!/bin/sh
# What errors name is in docs/troubleshooting.md: every section that code can name is a heading there, every name that
# src/base/error.h lists is used, and the table in front leads to every section. Prints each offence; exit
# status 1 if any.
#   check_troubleshooting.sh [ROOT]
set -u
root=${1:-$(dirname "$0")/..}
cd "$root" || exit 1

page=docs/troubleshooting.md
names=src/base/error.h
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/offences"

offence() {
    echo "$*" >>"$work/offences"
}

sed -n 's/^## //p' "$page" >"$work/headings"
[ -s "$work/headings" ] || offence "$page has no sections"
[ "$(sort "$work/headings" | uniq -d)" = "" ] || offence "$page has two sections of one name"

# Names by macro, which are set in one place only.
sed -n 's/^#define \(SMG_SECTION_[A-Z_]*\) "\(.*\)"$/\1 \2/p' "$names" >"$work/macros"
[ -s "$work/macros" ] || offence "$names lists no sections"
while read -r macro section; do
    grep -Fqx "$section" "$work/headings" || offence "$names: $macro: $page has no section \"$section\""
    grep -Rqw --include='*.c' "$macro" src || offence "$names: no error names $macro"
done <"$work/macros"

# Names spelled out, in the program and in CMake: ...troubleshooting.md, \"Slow\"
grep -Ro 'docs/troubleshooting\.md, \\"[^\\"%]*\\"' src apps CMakeLists.txt |
    sed 's/^\([^:]*\):.*, \\"\(.*\)\\"$/\1 \2/' >"$work/spelled"
while read -r file section; do
    grep -Fqx "$section" "$work/headings" || offence "$file: $page has no section \"$section\""
done <"$work/spelled"

# A heading's anchor is its words in small letters with hyphens between.
while read -r heading; do
    anchor=$(printf '%s' "$heading" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
    echo "$anchor" >>"$work/anchors"
    grep -Fq "](#$anchor)" "$page" || offence "$page: no line of the table leads to \"$heading\""
done <"$work/headings"
grep -o '](#[^)]*)' "$page" | sed 's/^](#//; s/)$//' | sort -u >"$work/links"
while read -r anchor; do
    grep -Fqx "$anchor" "$work/anchors" || offence "$page: there is no section #$anchor"
done <"$work/links"

echo "$(wc -l <"$work/headings") sections, $(cat "$work/macros" "$work/spelled" | wc -l) names of them in the code"
cat "$work/offences"
[ ! -s "$work/offences" ]
