#!/bin/sh
# Who may include whom, and what a source file may look like. Prints each offence; exit status 1 if any.
#   check_layers.sh [ROOT]
set -u
root=${1:-$(dirname "$0")/..}
cd "$root" || exit 1

offences=$(mktemp)
trap 'rm -f "$offences"' EXIT

# A module, and the modules right below it. What those may include it may include too. The last four lines
# are folders outside src: they may include what is named and no further.
table='
base:
cpu: base
format: base
kernels: cpu format
token: format
quant: format kernels
model: quant
constrain: token
fit: model
engine: model token constrain fit convert
data: token
train: quant data engine
measure: quant data engine
convert: token model
fetch: base
update: base
task: @data
daemon: @task @data
apps: @data @convert @train @measure @fetch
smidge-fetch: @base @fetch
models: data
examples:
'

sources=$(find include src apps tests bench examples models -type f \( -name '*.c' -o -name '*.h' \) 2>/dev/null | sort)
if [ -z "$sources" ]; then
    echo "no sources in $root"
    exit 1
fi

# shellcheck disable=SC2086,SC2129 # file names here have no spaces
awk -v table="$table" '
    function allow(above, below,    inner) {
        allowed[above, below] = 1
        if (below in under)
            for (inner in parts)
                if ((below, inner) in direct)
                    if (!((above, inner) in allowed))
                        allow(above, inner)
    }
    BEGIN {
        count = split(table, lines, "\n")
        for (i = 1; i <= count; i++) {
            if (split(lines[i], words, /[: ]+/) < 1 || words[1] == "")
                continue
            parts[words[1]] = 1
            under[words[1]] = 1
        }
        for (i = 1; i <= count; i++) {
            fields = split(lines[i], words, /[: ]+/)
            for (j = 2; j <= fields; j++) {
                if (words[j] ~ /^@/)
                    allowed[words[1], substr(words[j], 2)] = 1
                else if (words[j] != "")
                    direct[words[1], words[j]] = 1
            }
        }
        for (above in parts)
            for (below in parts)
                if ((above, below) in direct)
                    allow(above, below)
    }
    FNR == 1 {
        split(FILENAME, path, "/")
        module = path[1] == "src" || path[2] == "smidge-fetch" ? path[2] : path[1]
        free = module == "tests" || module == "bench"
        if (path[1] == "src" && !(module in parts))
            print FILENAME ": src/" module " is not in the map (add it to the table in tests/check_layers.sh)"
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ && !free {
        name = $0
        sub(/^[^"]*"/, "", name)
        sub(/".*/, "", name)
        if (split(name, part, "/") < 2 || part[1] == "smidge" || part[1] == module)
            next
        if (module == "include")
            print FILENAME ":" FNR ": a public header includes " name
        else if (!((module, part[1]) in allowed))
            print FILENAME ":" FNR ": " module " must not include " name
    }' $sources >>"$offences"

# Names are unique, so that a name says which file is meant. A fuzz target has the name of what it feeds.
for source in $sources; do
    case $source in
    tests/fuzz/*) ;;
    *) echo "${source##*/}" ;;
    esac
done | sort | uniq -d | sed 's/$/: two files have this name/' >>"$offences"

# Lengths. Tables (NAME_table.c, .inc) may be as long as they are.
for source in $sources; do
    case $source in
    *_table.[ch] | *_tables.[ch]) continue ;;
    esac
    awk '
        $0 == "{" { start = FNR }
        /^}/ && start {
            if (FNR - start - 1 > 100)
                print FILENAME ":" start ": a function of " FNR - start - 1 " lines (at most 100)"
            start = 0
        }
        END { if (FNR > 800) print FILENAME ": " FNR " lines (at most 800)" }' "$source"
done >>"$offences"

if [ -s "$offences" ]; then
    cat "$offences"
    exit 1
fi
