#!/bin/sh
# Weight bytes per cycle of the loops that decode runs in, as llvm-mca sees them: all data in the first cache, a perfect
# front end, so upper bounds. Its model of neoverse-n1 is the nearest there is to a Cortex-A76 (it takes the name
# cortex-a76, too, and then computes with an A57).
#
#   bench/arm/mca.sh [--cpu NAME] [--build DIR]
#
# `./dev build arm64` comes first. Wants llvm-mca of LLVM 19 or newer (install llvm-19) and binutils for aarch64.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

fail() {
    echo "mca.sh: $*" >&2
    exit 1
}

cpu=neoverse-n1 build=$root/build/arm64
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || fail "$1 wants a value"
    case $1 in
        --cpu) cpu=$2 ;;
        --build) build=$2 ;;
        *) fail "unknown option $1" ;;
    esac
    shift 2
done
program=$build/count_steps
[ -x "$program" ] || fail "$program is not built (./dev build arm64)"
mca=$(command -v llvm-mca-19 || command -v llvm-mca-20 || command -v llvm-mca-21) ||
    fail "there is no llvm-mca of LLVM 19 or newer (install llvm-19)"
work=$(mktemp -d "${TMPDIR:-/tmp}/smidge-mca.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The longest loop of a function that has dot products by whole registers and no loop in it.
longest_loop() {
    aarch64-linux-gnu-objdump -d --no-show-raw-insn "--disassemble=$1" "$program" | awk -F '\t' '
        /^ *[0-9a-f]+:\t/ {
            sub(/:.*/, "", $1)
            sub(/ *(\/\/|<).*/, "", $3)
            count++
            at[count] = sprintf("%16s", $1)
            sub(/^ */, "", $1)
            place[$1] = count
            text[count] = $2 "\t" $3
            branch[count] = $2 ~ /^(b\.|cbn?z|tbn?z)/
            target[count] = $3
            sub(/.*[ ,]/, "", target[count])
        }
        END {
            for (i = 1; i <= count; i++) {
                first = branch[i] && (target[i] in place) ? place[target[i]] : i
                inner = dots = 0
                for (j = first; j < i; j++) {
                    inner += branch[j]
                    dots += text[j] ~ /^sdot.*16b,[^\[]*$/
                }
                if (first < i && !inner && dots && i - first > best) {
                    best = i - first
                    begin = first
                }
            }
            for (j = begin; j < begin + best; j++)
                if (text[j] !~ /^adrp/)
                    print text[j]
        }'
}

# row TYPE FUNCTION BYTES
row() {
    longest_loop "$2" >"$work/loop.s"
    [ -s "$work/loop.s" ] || fail "found no loop in $2"
    "$mca" -mtriple=aarch64 -mcpu="$cpu" -mattr=+dotprod -iterations=200 "$work/loop.s" >"$work/mca" 2>"$work/errors" ||
        { cat "$work/errors" >&2; fail "llvm-mca does not take the loop of $2"; }
    awk -v type="$1" -v bytes="$3" '
        /^Instructions:/ { instructions = $2 / 200 }
        /^Total Cycles:/ { cycles = $3 / 200 }
        END { printf "| %s | %d | %.1f | %d | %.2f |\n", type, instructions, cycles, bytes, bytes / cycles }' "$work/mca"
}

echo "| decode loop, $cpu | instructions | cycles | weight bytes | bytes per cycle |"
echo "|---|---|---|---|---|"
row Q4_0 smg_matmul_q4_0_q8_0_dotprod $((16 * 18))
row Q5_0 smg_matmul_q5_0_q8_0_dotprod $((16 * 22))
row Q8_0 smg_matmul_q8_0_q8_0_dotprod $((16 * 34))
row Q4_K q4_k_q8_k_one_dotprod $((4 * 144))
row Q5_K q5_k_q8_k_one_dotprod $((4 * 176))
row Q6_K q6_k_q8_k_one_dotprod $((4 * 210))
