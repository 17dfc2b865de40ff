#!/bin/sh
# Weight bytes per cycle of the loops that decode runs in, and products per cycle of those of prefill, as llvm-mca sees them: all
# data in the first cache, a perfect front end, so upper bounds. Its model of neoverse-n1 is the nearest there is to a Cortex-A76
# (it takes the name cortex-a76, too, and then computes with an A57).
#
#   bench/arm/mca.sh [--cpu NAME] [--path dotprod | neon | i8mm] [--build DIR]
#
# For the boards without the dot product: --path neon --cpu cortex-a72. For the 8-bit matrix multiply, which only prefill uses:
# --path i8mm --cpu neoverse-n2, or neoverse-v1.
# `./dev build arm64` comes first. Wants llvm-mca of LLVM 19 or newer (install llvm-19) and binutils for aarch64.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

fail() {
    echo "mca.sh: $*" >&2
    exit 1
}

cpu=neoverse-n1 path=dotprod build=$root/build/arm64
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || fail "$1 wants a value"
    case $1 in
        --cpu) cpu=$2 ;;
        --path) path=$2 ;;
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

case $path in
    dotprod) product=sdot small_rows=16 super_rows=4 tokens=16 ;;
    neon) product='sml[as]l' small_rows=4 super_rows=1 tokens=8 ;;
    i8mm) product=smmla tokens=16 ;;
    *) fail "unknown path $path" ;;
esac

# The longest loop of a function that has products and no loop in it.
longest_loop() {
    aarch64-linux-gnu-objdump -d --no-show-raw-insn "--disassemble=$1" "$program" | awk -F '\t' -v product="^$product" '
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
                    dots += text[j] ~ product
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
    "$mca" -mtriple=aarch64 -mcpu="$cpu" -mattr=+dotprod,+i8mm -iterations=200 "$work/loop.s" >"$work/mca" 2>"$work/errors" ||
        { cat "$work/errors" >&2; fail "llvm-mca does not take the loop of $2"; }
    awk -v type="$1" -v bytes="$3" '
        /^Instructions:/ { instructions = $2 / 200 }
        /^Total Cycles:/ { cycles = $3 / 200 }
        END { printf "| %s | %d | %.1f | %d | %.2f |\n", type, instructions, cycles, bytes, bytes / cycles }' "$work/mca"
}

# rows TYPE WEIGHTS ACTS BYTES: of a block of 32
rows() {
    row "$1" "small_token_$2_$path" $((small_rows * $4))
    row "$1 interleaved" "smg_matmul_$2_r16_$3_few_$path" $((16 * $4))
}

# The same for super-blocks.
super_rows() {
    row "$1" "super_token_$2_$path" $((super_rows * $3))
    row "$1 interleaved" "smg_matmul_$2_r16_q8_k_few_$path" $((8 * $3))
}

# prefill TYPE FUNCTION: four rows of 32 with some tokens
prefill() {
    row "$1" "$2_$path" $((4 * 32 * tokens))
}

# i8mm leaves single tokens to dotprod
if [ "$path" != i8mm ]; then
    echo "| decode loop, $cpu, $path | instructions | cycles | weight bytes | bytes per cycle |"
    echo "|---|---|---|---|---|"
    rows Q4_0 q4_0 q8_0 18
    rows Q5_0 q5_0 q8_0 22
    rows Q8_0 q8_0 q8_0 34
    super_rows Q4_K q4_k 144
    super_rows Q5_K q5_k 176
    super_rows Q6_K q6_k 210
    echo
fi

# neon has loops of its own for few bits, whose products fit 16 bits
five='' four_min=_min q4_k=q5_k
[ "$path" != neon ] || five=_5 four_min=_4_min q4_k=q4_k
echo "| prefill loop, $cpu, $path | instructions | cycles | products | products per cycle |"
echo "|---|---|---|---|---|"
prefill Q4_0 "small_meet$five"
prefill Q8_0 small_meet
prefill Q4_1 "small_meet$four_min"
prefill Q4_K "super_meet_$q4_k"
prefill Q6_K super_meet_q6_k
