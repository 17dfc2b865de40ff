# shellcheck shell=sh
# The example templates over the recordings that they are for, and other real ones.
shared=$FIXTURES/../data
[ -f "$shared/skab/valve1/0.csv" ] || skip "no recordings in $shared (set SMIDGE_FIXTURES to the folder beside data)"
templates=$ROOT/examples/templates

# SKAB: whole experiments to one side
smidge data "$shared"/skab/valve1/*.csv "$shared"/skab/valve2/*.csv "$shared"/skab/other/*.csv \
    --template "$templates/skab.template" --train train.jsonl --test test.jsonl --json
expect_status 0
expect_json "x['groups'] == 31 and x['examples'] > 1000 and x['split']['by'] == 'group'"
expect_json "0.3 < x['labels']['ANOMALY'] / x['examples'] < 0.42"
expect_json "x['overlap']['exact'] == 0 and x['conflicts'] == 0 and x['empty'] == 0"
sed 's/.*"group": //' train.jsonl | sort -u >groups.train
sed 's/.*"group": //' test.jsonl | sort -u >groups.test
[ "$(cat groups.train groups.test | wc -l)" = 31 ] || fail "an experiment is on both sides"
# the anomaly-free recording has no column of labels
smidge data "$shared/skab/anomaly-free/anomaly-free.csv" --template "$templates/skab.template"
expect_status 1
expect_one_error 'has no column "anomaly", which .*skab.template:[0-9]+:7 names .*the columns are: datetime, Accelerometer1RMS'

# AI4I: rows that stand alone, CRLF and tabs
smidge data "$shared/ai4i2020/ai4i2020.tsv" --template "$templates/ai4i.template" --train train.jsonl --test test.jsonl --json
expect_status 0
expect_json "x['examples'] == 10000 and x['labels'] == {'OK': 9661, 'FAILURE': 339}"
expect_json "x['split']['test_labels'] == {'OK': 1932, 'FAILURE': 68} and x['groups'] == 0"
expect_json "x['overlap']['exact'] == 0"
# whose failures by heat and power are known: the words agree with the data set's own rules, row by row
cat >power.template <<'END'
let power = Torque [Nm] * Rotational speed [rpm] / 9.549296585513720
let heat = Process temperature [K] - Air temperature [K]
label PWF last 1 -> PWF else no
prompt
{limit power 3500..9000}
end
END
smidge data "$shared/ai4i2020/ai4i2020.tsv" --template power.template -o power.jsonl -q
expect_status 0
[ "$(grep -c '"prompt": "normal", "label": "PWF"' power.jsonl)" = 0 ] || fail "a failure by power is within its limits"
[ "$(grep -c '"label": "PWF"' power.jsonl)" = 95 ] || fail "not 95 failures by power"
[ "$(grep -c 'its limit by .*"label": "no"' power.jsonl)" -le 1 ] || fail "power outside its limits without a failure"

# NAB: five minutes a row, an hour that is there twice when clocks go back
cat >nab.template <<'END'
window 1h step 1h by timestamp least 6
label value last > 100 -> HOT else FINE
prompt
{mean value:1} {slope value per hour:2}
end
END
smidge data "$shared/nab/realKnownCause/machine_temperature_system_failure.csv" --template nab.template
expect_status 1
expect_err_match 'machine_temperature_system_failure.csv:[0-9]+:1: the time goes back'
sed 's/^window.*/window 12/; s/ per hour//' nab.template >rows.template
smidge data "$shared/nab/realKnownCause/machine_temperature_system_failure.csv" --template rows.template --json
expect_json "x['examples'] == 22695 // 12 and x['left_out']['rows_at_ends'] == 22695 % 12"
smidge data "$shared/nab/realAWSCloudwatch/ec2_cpu_utilization_825cc2.csv" --template nab.template --json
expect_json "x['examples'] == 4032 // 12"
# gaps of up to seven days: windows with too few rows are left out, and said
sed 's/window 1h step 1h/window 12h step 12h/; s/least 6/least 12/; s/> 100/> 80/' nab.template >long.template
smidge data "$shared/nab/realKnownCause/ambient_temperature_system_failure.csv" --template long.template --json
expect_json "500 < x['examples'] < 7267 / 12 and 5 < x['left_out']['windows_with_few_rows'] < 30"

# utterances are no examples yet
smidge data "$shared/commands/hwu-home.jsonl"
expect_status 1
expect_err_match 'hwu-home.jsonl:1:1: there is no "prompt" \(a row is'
expect_err_match '9394 of 9394 rows are bad, of which these are the first 10'
