# A log of pumps as people keep it: what the bearing's sensor said, what somebody wrote down, and what was then done. Made up, for
# docs/tune.md; the same rows each time.
#   awk -f examples/pump_log.awk >pump_log.csv
#
# A note is harmless, a worry or an alarm, and a bearing above 80 C makes it one worse: nothing was done, somebody had a look, or the
# pump was stopped. Eight people write in their own words, so that a test on other people's notes is one on words that were not trained on.
BEGIN {
    count = 0
    actions[0] = "NOTHING"; actions[1] = "LOOK"; actions[2] = "STOP"
    add("anna", 0, "cleaned around it and all is fine"); add("anna", 0, "greased as planned")
    add("anna", 1, "a bit louder than last week"); add("anna", 1, "small drip under the seal")
    add("anna", 2, "grinding noise and smoke"); add("anna", 2, "water everywhere, the seal is gone")
    add("bert", 0, "nothing new, runs quietly"); add("bert", 0, "oil checked, good")
    add("bert", 1, "hums more than it should"); add("bert", 1, "seal is damp")
    add("bert", 2, "screeching, smells burnt"); add("bert", 2, "shaft is loose, housing cracked")
    add("carla", 0, "routine round, no remarks"); add("carla", 0, "filter changed, flow is good")
    add("carla", 1, "vibrates slightly at start"); add("carla", 1, "traces of oil on the floor")
    add("carla", 2, "bangs with every turn"); add("carla", 2, "oil is running out fast")
    add("dev", 0, "looked at it, works well"); add("dev", 0, "painted the cover")
    add("dev", 1, "sounds rough now and then"); add("dev", 1, "one bolt was a little loose")
    add("dev", 2, "smoke from the bearing"); add("dev", 2, "two bolts broken, it is moving")
    add("emil", 0, "quiet, dry, normal"); add("emil", 0, "sensor cable tidied up")
    add("emil", 1, "whistles sometimes"); add("emil", 1, "wet spot below the flange")
    add("emil", 2, "loud grinding, metal in the oil"); add("emil", 2, "flange burst, water on the motor")
    add("fatma", 0, "normal, wiped the glass"); add("fatma", 0, "oil filled up to the mark")
    add("fatma", 1, "rattles a little"); add("fatma", 1, "seal seems to weep")
    add("fatma", 2, "sparks and a burnt smell"); add("fatma", 2, "shaft stands crooked, banging")
    add("goran", 0, "all good on my round"); add("goran", 0, "filter is clean, quiet run")
    add("goran", 1, "slightly rough sound"); add("goran", 1, "some drops of oil on the plate")
    add("goran", 2, "grinding, smoke, very loud"); add("goran", 2, "seal burst, oil everywhere")
    add("hanna", 0, "no remarks, works quietly"); add("hanna", 0, "greased, all normal")
    add("hanna", 1, "hums and vibrates a little"); add("hanna", 1, "damp below the seal")
    add("hanna", 2, "burnt smell and banging"); add("hanna", 2, "housing broken, water runs out")
    print "when,writer,bearing,note,action"
    seed = 20260301
    for (round = 0; round < 8; round++)
        for (i = 0; i < count; i++) {
            hot = draw(3) == 0
            bearing = hot ? 80.5 + draw(200) / 10 : 55 + draw(240) / 10
            action = grade[i] + hot > 2 ? 2 : grade[i] + hot
            printf "2026-03-%02d %02d:%02d:00,%s,%.1f,\"%s\",%s\n", 1 + round, 6 + int(i / 4), i % 4 * 15, \
                writer[i], bearing, note[i], actions[action]
        }
}
function add(who, how_bad, text) { writer[count] = who; grade[count] = how_bad; note[count++] = text }
# 0 .. n - 1; Park and Miller's generator, exact in any awk
function draw(n) { seed = seed * 16807 % 2147483647; return int(seed / 2147483647 * n) }
