# shellcheck shell=sh
# The model that comes along: what it is, and that it does what its card says.
model=$ROOT/models/smidge-nano.gguf
words=$ROOT/models/nano/words
[ -f "$model" ] || fail "no $model"
[ "$(wc -c <"$model")" -le 8388608 ] || fail "more than 8 MiB"

smidge inspect "$model"
expect_status 0
expect_out_match 'llama'
smidge tokenize "$model" -p 'at 1234.5 C'
[ "$(cut -f 2 out | grep -c '^[0-9]$')" = 5 ] || fail "five digits were wanted"

# Readings of a pump against a stated baseline.
task='Classify this sensor reading as NORMAL, WARNING, or CRITICAL.
Baseline: temperature 60 to 75 C, vibration 1.0 to 2.8 mm/s, pressure 4.0 to 6.0 bar.
Reading: temperature'
# judge READING LABEL...
judge() {
    reading=$1
    shift
    smidge classify -m "$model" --labels NORMAL,WARNING,CRITICAL -p "$task $reading
Status:"
    expect_status 0
    said=$(cut -f 1 out)
    case " $* " in
    *" $said "*) ;;
    *) fail "$reading: $said, where it is one of $*" ;;
    esac
}
judge '66.2 C, vibration 1.5 mm/s, pressure 5.4 bar.' NORMAL
judge '94.0 C, vibration 6.8 mm/s, pressure 2.6 bar.' WARNING CRITICAL
judge '97.5 C, vibration 1.9 mm/s, pressure 4.7 bar.' WARNING

# A command for the home.
smidge run -m "$model" -p 'Command: turn off the lights in the kitchen
JSON:' -jf "$ROOT/models/nano/commands.schema.json" --no-display-prompt
expect_status 0
expect_json "x['intent'] == 'iot_hue_lightoff' and x['house_place'] == 'kitchen'"

# On cases that no training has seen: at least what the card says, less three standard deviations.
"$BUILD/nano/make_data" readings --words "$words/test" --count 600 --seed 77 --raw 0 -o worked.jsonl
smidge eval -m "$model" -d worked.jsonl --json -q
expect_status 0
expect_json "x['accuracy']['value'] >= 0.965"
