#!/bin/sh
# Measures smidge and llama.cpp side by side on this machine; ./dev bench runs it. See bench/README.md for what the tests
# are and how to read the tables.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
release=$root/build/release
results=$root/build/bench

usage() {
    cat <<'TEXT'
usage: ./dev bench [OPTION...]
  --models LIST     names such as 1b-q4_k_m (made where they are missing) or paths of GGUF files, with commas between
                    (default: 135m and 1b, each as q4_0, q4_k_m and q8_0)
  --quick           two rounds of the two smallest models
  --rounds N        rounds, of each of which the medians are taken (default 5)
  --threads LIST    numbers of threads (default: 1, 2, and all cores)
  --tests LIST      of speed,warm,deep,batch,memory,cold (default: all)
  --variant NAME    llama.cpp's CPU variant (default: the one that it would choose itself)
  --libs DIR        its shared libraries (default: fetched)
  --no-peer         only smidge
  --ik BUILD_DIR    an ik_llama.cpp built outside the tree, too: prefill and decode, by its own llama-bench
  --repack          smidge runs the model with interleaved rows, as `smidge repack` lays it out; the others as it is
  --cpu PATH        smidge's kernels (default auto)
  --batch N         tokens that smidge prefills together (default: the library's)
Prints a table a model. Tables, raw samples and plots are left in build/bench/.
TEXT
}

fail() {
    echo "bench: $*" >&2
    exit 1
}

models='' rounds='' quick='' threads='' tests='' variant='' libs='' peer=yes ik='' cpu=auto batch=0 repack=''
while [ $# -gt 0 ]; do
    case $1 in
        --quick) quick=yes ;;
        --no-peer) peer= ;;
        --repack) repack=yes ;;
        -h | --help)
            usage
            exit 0
            ;;
        --models | --rounds | --threads | --tests | --variant | --libs | --ik | --cpu | --batch)
            [ $# -ge 2 ] || fail "$1 wants a value"
            case $1 in
                --models) models=$2 ;;
                --rounds) rounds=$2 ;;
                --threads) threads=$2 ;;
                --tests) tests=$2 ;;
                --variant) variant=$2 ;;
                --libs) libs=$2 ;;
                --ik) ik=$2 ;;
                --cpu) cpu=$2 ;;
                --batch) batch=$2 ;;
            esac
            shift
            ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
    shift
done

if [ -n "$quick" ]; then
    models=${models:-135m-q4_0,135m-q4_k_m}
    rounds=${rounds:-2}
fi
models=${models:-135m-q4_0,135m-q4_k_m,135m-q8_0,1b-q4_0,1b-q4_k_m,1b-q8_0}
tests=${tests:-speed,warm,deep,batch,memory,cold}
rounds=${rounds:-5}
case $rounds in
    '' | 0 | *[!0-9]*) fail "--rounds takes a number, not '$rounds'" ;;
esac
cores=$("$release/smidge" inspect --cpu | sed -n 's/^cores *\([0-9]*\).*/\1/p')
if [ -z "$threads" ]; then
    threads=1
    [ "$cores" -lt 2 ] || threads=1,2
    [ "$cores" -le 2 ] || threads=$threads,$cores
fi
split() {
    echo "$1" | tr ',' ' '
}
models=$(split "$models") threads=$(split "$threads") tests=$(split "$tests")
for test in $tests; do
    case $test in
        speed | warm | deep | batch | memory | cold) ;;
        *) fail "there is no test '$test' (speed, warm, deep, batch, memory, cold)" ;;
    esac
done
llama_bench=$ik/bin/llama-bench
[ -z "$ik" ] || [ -x "$llama_bench" ] || fail "$llama_bench is missing (build ik_llama.cpp's target llama-bench)"

work=$(mktemp -d "${TMPDIR:-/tmp}/smidge-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$results"

# A run measures one build, whatever is compiled meanwhile.
for program in smidge engine_bench machine_bench whole_process bench_report; do
    cp "$release/$program" "$work/" || fail "build/release/$program is not built (./dev bench builds it)"
done

peer_bench() {
    "$work/peer_bench" --libs "$libs" "$@"
}

if [ -n "$peer" ]; then
    [ -n "$libs" ] || libs=$("$here/peers/libs.sh") || fail "no llama.cpp to compare with (--libs DIR, or --no-peer)"
    "${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -o "$work/peer_bench" "$here/peers/peer_bench.c" \
        "$here/peers/peer_library.c" -ldl
    [ -n "$variant" ] || variant=$(peer_bench best)
fi

# record ENGINE COMMAND...: its lines become samples of this round.
record() {
    engine=$1
    shift
    "$@" >"$work/lines" || fail "$engine failed: $*"
    awk -v round="$round" -v engine="$engine" '{ print round "," engine "," $1 "," $2 "," $3 "," $4 }' \
        "$work/lines" >>"$samples"
}

# Of what llama-bench prints with -o json, the lines of ours.
ik_lines() {
    "$llama_bench" -m "$model" -p 64,512 -n 32 -t "$1" -r 2 -o json -rtr "$2" 2>/dev/null >"$work/ik.json" || return 1
    awk -v threads="$1" -F '[:,]' '
        /"n_prompt"/ { prompt = $2 + 0 }
        /"n_gen"/ { tokens = $2 + 0 }
        /"avg_ts"/ { print (prompt > 0 ? "pp" prompt : "tg" tokens), threads, $2 + 0, "t/s" }' "$work/ik.json"
}

measure_ours() {
    if [ "$1" = cold ]; then
        record smidge "$work/whole_process" cold "$2" "$work/smidge" classify -m "$ours" -t "$2" --cpu "$cpu" \
            --labels NORMAL,WARNING,CRITICAL --force -f "$work/cold.txt"
    else
        record smidge "$work/engine_bench" --cpu "$cpu" --batch "$batch" "$ours" "$2" "$1"
    fi
}

measure_peer() {
    [ -n "$peer" ] || return 0
    if [ "$1" = cold ]; then
        record llama.cpp "$work/whole_process" cold "$2" "$work/peer_bench" --libs "$libs" --variant "$variant" \
            "$model" "$2" "$work/ids" cold
    else
        record llama.cpp "$work/peer_bench" --libs "$libs" --variant "$variant" "$model" "$2" "$work/ids" "$1"
    fi
}

# Both, one after the other; who comes first changes from round to round.
measure_test() {
    if [ $((round % 2)) = 1 ]; then
        measure_ours "$@"
        measure_peer "$@"
    else
        measure_peer "$@"
        measure_ours "$@"
    fi
    if [ -n "$ik" ] && [ "$1" = speed ]; then
        record ik ik_lines "$2" 0
        record ik-rtr ik_lines "$2" 1
    fi
}

# Seconds of processor time: those that all programs together took, those there were, and those of our children.
processor_times() {
    times >"$work/times"
    awk -v hertz="$(getconf CLK_TCK)" '
        FILENAME ~ /stat$/ && $1 == "cpu" { busy = $2 + $3 + $4 + $7 + $8 + $9; all = busy + $5 + $6 }
        FILENAME !~ /stat$/ && FNR == 2 {
            for (i = 1; i <= 2; i++) {
                split($i, part, /[ms]/)
                ours += part[1] * 60 + part[2]
            }
        }
        END { print busy / hertz, all / hertz, ours }' /proc/stat "$work/times"
}

# The share of the processors' time that was not ours: where it is large, the figures say little.
share_of_others() {
    awk 'NR == 1 { busy = $1; all = $2; ours = $3 }
        NR == 2 {
            share = 100 * ($1 - busy - ($3 - ours)) / ($2 - all)
            printf "others 0 %.1f %%\n", (share > 0 ? share : 0)
        }' "$work/before" "$work/after"
}

measure_round() {
    processor_times >"$work/before"
    # shellcheck disable=SC2086 # a list of numbers
    record machine "$work/machine_bench" "$weights" $threads
    for test in $tests; do
        counts=$threads
        [ "$test" != memory ] || counts=${threads##* } # which threads change little
        for count in $counts; do
            measure_test "$test" "$count"
        done
    done
    processor_times >"$work/after"
    record machine share_of_others
}

measure_model() {
    samples=$results/$name.csv
    echo "round,engine,test,threads,value,unit" >"$samples"
    "$work/engine_bench" "$model" prompts "$work/ids" "$work/cold.txt"
    round=0
    ours=$model
    if [ -n "$repack" ]; then
        ours=$work/repacked.gguf
        "$work/smidge" repack -q -m "$model" -o "$ours" || fail "$model cannot be repacked"
    fi
    record smidge "$work/engine_bench" "$ours" facts
    weights=$(awk -F , '$3 == "weight-bytes" { printf "%.0f", $5 }' "$samples")
    while [ "$round" -lt "$rounds" ]; do
        round=$((round + 1))
        echo "bench: $name, round $round of $rounds" >&2
        measure_round
    done
    "$work/bench_report" "$samples" "$name" "$results/$name.svg" >"$results/$name.md"
}

heading() {
    echo "## $(date +%Y-%m-%d), $("$work/smidge" inspect --cpu | sed -n 's/^processor *//p'), $cores cores"
    echo
    echo "smidge $("$work/smidge" --version | sed 's/^smidge //'), path $cpu${repack:+, interleaved rows}, rounds $rounds, load average $(cut -d ' ' -f 1 /proc/loadavg) at the start."
    [ -z "$peer" ] || echo "llama.cpp v0.5.0, variant $variant, thread pool attached, flash attention auto, KV f16, n_batch 2048, n_ubatch 512."
    [ -z "$ik" ] || echo "ik_llama.cpp by its own llama-bench, the better of plain and -rtr 1; prefill and decode only."
    echo
}

heading | tee "$results/heading.md"
for wanted in $models; do
    case $wanted in
        */* | *.gguf) model=$wanted ;;
        *) model=$("$root/scripts/bench_models.sh" "$wanted") || exit 1 ;;
    esac
    name=$(basename "$model" .gguf)${repack:+-r16}
    measure_model
    cat "$results/$name.md"
    echo
done
echo "bench: samples and plots are in $results" >&2
