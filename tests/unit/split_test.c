/* Looking at examples, splitting them, and writing them: what one reads again is what was there. */
#include "data/split.h"

#include "data/dataset_write.h"
#include "data/text_set.h"
#include "data_files.h"

static void read_rows(const char *path, const char *text, smg_dataset *ret)
{
    smidge_error error;
    data_write(path, text);
    if (smg_dataset_read(&path, 1, NULL, ret, &error) != SMIDGE_OK)
        fail_msg("%s: %s", error.where, error.message);
}

/* ---- Looking --------------------------------------------------------------------------------------------- */

static void counts(void **state)
{
    (void)state;
    smg_dataset set;
    smg_examination found;
    smidge_error error;
    read_rows(
        data_csv,
        "{\"prompt\": \"a\", \"label\": \"x\", \"group\": \"g\"}\n"
        "{\"prompt\": \"b\", \"label\": \"y\", \"group\": \"g\"}\n"
        "{\"prompt\": \"a\", \"label\": \"y\", \"group\": \"h\"}\n" /* conflict */
        "{\"prompt\": \"b\", \"label\": \"y\"}\n"                   /* duplicate */
        "{\"prompt\": \" \\n\\t\", \"label\": \"y\"}\n"             /* empty */
        "{\"prompt\": \"a\", \"json\": {\"q\": 1}}\n"               /* conflict */
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"x\"}]}\n",
        &set);
    assert_int_equal(smg_examine(&set, &found, &error), SMIDGE_OK);
    assert_true(found.labels == 5 && found.jsons == 1 && found.texts == 1);
    assert_true(found.label_counts[0] == 1 && found.label_counts[1] == 4 && found.majority == 1);
    assert_true(found.groups == 2 && found.grouped == 3 && found.empty == 1);
    assert_true(found.duplicates == 1 && found.conflicts == 2);
    assert_true(found.conflict_pairs[0].first == 0 && found.conflict_pairs[0].second == 2);
    assert_true(found.conflict_pairs[1].first == 0 && found.conflict_pairs[1].second == 5);
    smg_examination_done(&found);
    smg_dataset_done(&set);
    assert_int_equal(smg_alloc_live_blocks(), 0);
}

static void overlaps(void **state)
{
    (void)state;
    smg_dataset train, test;
    smg_overlap found;
    smidge_error error;
    read_rows(
        data_csv,
        "{\"prompt\": \"at 71.5 C\", \"label\": \"x\"}\n{\"prompt\": \"at 80 C, 2,5 bar\", \"label\": \"y\"}\n{\"prompt\": \"off\", \"label\": \"y\"}\n",
        &train);
    read_rows(
        data_csv,
        "{\"prompt\": \"at 8 C\", \"label\": \"x\"}\n{\"prompt\": \"off\", \"label\": \"x\"}\n{\"prompt\": \"at 1.25 C, 3 bar\", \"label\": \"y\"}\n{\"prompt\": \"at 71.5. C\", \"label\": \"x\"}\n{\"prompt\": \"on\", \"label\": \"x\"}\n",
        &test);
    const smg_dataset_part first = {.set = &train}, second = {.set = &test};
    assert_int_equal(smg_overlap_find(&first, &second, &found, &error), SMIDGE_OK);
    assert_true(found.compared == 5 && found.exact == 1 && found.masked == 3);
    assert_true(found.pairs[0].first == 0 && found.pairs[0].second == 0);
    assert_true(found.pairs[1].first == 2 && found.pairs[1].second == 1);
    assert_true(found.pairs[2].first == 1 && found.pairs[2].second == 2);
    const uint8_t sides[] = {1, 0, 0, 1, 1};
    const smg_dataset_part part = {.set = &test, .sides = sides, .side = 1};
    assert_int_equal(smg_overlap_find(&first, &part, &found, &error), SMIDGE_OK);
    assert_true(found.compared == 3 && found.exact == 0 && found.masked == 1);
    smg_dataset_done(&train);
    smg_dataset_done(&test);
}

static void text_sets(void **state)
{
    (void)state;
    static char texts[5000][12];
    smg_text_set set = {0};
    assert_int_equal(smg_text_set_find(&set, "x"), -1);
    for (int i = 0; i < 5000; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", i * 7);
        assert_int_equal(smg_text_set_add(&set, texts[i]), i);
    }
    for (int i = 0; i < 5000; i++) {
        char copy[12];
        strcpy(copy, texts[i]);
        assert_int_equal(smg_text_set_add(&set, copy), i);
        assert_int_equal(smg_text_set_find(&set, copy), i);
        assert_int_equal(smg_text_set_find(&set, i % 7 == 0 ? "" : "1"), -1);
    }
    smg_text_set_done(&set);
    assert_int_equal(smg_alloc_live_blocks(), 0);
}

/* ---- Splitting ------------------------------------------------------------------------------------------- */

/* `count` examples: labels by thirds, groups of ten, every eighth prompt one that was there before. */
static void make_rows(int count, bool groups, smg_dataset *ret)
{
    char *text = malloc((size_t)count * 120);
    size_t size = 0;
    assert_non_null(text);
    for (int i = 0; i < count; i++) {
        const int asked = i % 8 == 7 ? i - 7 : i;
        size += (size_t)sprintf(text + size, "{\"prompt\": \"row %d\", \"label\": \"%s\"", asked,
                                asked % 3 == 0   ? "a"
                                : asked % 10 < 8 ? "b"
                                                 : "c");
        size += (size_t)sprintf(text + size, groups ? ", \"group\": %d}\n" : "}\n", i / 10);
    }
    read_rows(data_csv, text, ret);
    free(text);
}

static size_t count_of(const smg_dataset *set, const uint8_t *test, int32_t label, uint8_t side)
{
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++)
        count += (label < 0 || set->examples[i].label == label) && test[i] == side;
    return count;
}

static void by_rows(void **state)
{
    (void)state;
    smg_dataset set;
    smidge_error error;
    static uint8_t test[1000], again[1000], other[1000];
    make_rows(1000, false, &set);
    const smg_split split = {.share = 0.2, .seed = 7}, next = {.share = 0.2, .seed = 8};
    assert_int_equal(smg_split_make(&set, &split, test, &error), SMIDGE_OK);
    assert_int_equal(smg_split_make(&set, &split, again, &error), SMIDGE_OK);
    assert_int_equal(smg_split_make(&set, &next, other, &error), SMIDGE_OK);
    assert_memory_equal(test, again, sizeof test);
    assert_memory_not_equal(test, other, sizeof test);
    for (int32_t label = 0; label < set.label_count; label++) {
        const size_t tests = count_of(&set, test, label, 1), all = tests + count_of(&set, test, label, 0);
        assert_in_range(tests * 100, all * 19, all * 21);
    }
    for (int i = 7; i < 1000; i += 8)
        assert_int_equal(test[i], test[i - 7]); /* what asks the same stays together */
    /* neighbours do not: it is no cut */
    int changes = 0;
    for (int i = 1; i < 1000; i++)
        changes += test[i] != test[i - 1];
    assert_in_range(changes, 200, 450);
    smg_dataset_done(&set);
}

static void by_groups(void **state)
{
    (void)state;
    smg_dataset set;
    smidge_error error;
    static uint8_t test[1000];
    make_rows(1000, true, &set);
    for (uint64_t seed = 0; seed < 20; seed++) {
        const smg_split split = {.share = 0.3, .by_group = true, .seed = seed};
        assert_int_equal(smg_split_make(&set, &split, test, &error), SMIDGE_OK);
        for (int i = 0; i < 1000; i++)
            assert_int_equal(test[i], test[i / 10 * 10]);
        assert_in_range(count_of(&set, test, -1, 1), 290, 310);
    }
    smg_dataset_done(&set);
}

static void small_splits(void **state)
{
    (void)state;
    smg_dataset set;
    smidge_error error;
    uint8_t test[20];
    make_rows(20, true, &set);
    const smg_split tiny = {.share = 0.01, .by_group = true}, large = {.share = 0.99, .by_group = true};
    assert_int_equal(smg_split_make(&set, &tiny, test, &error), SMIDGE_OK);
    assert_int_equal(count_of(&set, test, -1, 1), 10);
    assert_int_equal(smg_split_make(&set, &large, test, &error), SMIDGE_OK);
    assert_int_equal(count_of(&set, test, -1, 1), 10);
    static const double shares[] = {0, 1, -0.5, 2};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(smg_split_make(&set, &(smg_split){.share = shares[i]}, test, &error),
                         SMIDGE_E_INVALID);
    smg_dataset_done(&set);
    make_rows(9, true, &set);
    assert_int_equal(smg_split_make(&set, &(smg_split){.share = 0.5, .by_group = true}, test, &error),
                     SMIDGE_E_INVALID);
    assert_non_null(strstr(error.message, "of one group"));
    smg_dataset_done(&set);
}

/* ---- Writing --------------------------------------------------------------------------------------------- */

static smidge_status write_part(const smg_dataset_part *part, const char *path, smidge_error *error)
{
    const smg_dataset_output output = {*part, path};
    return smg_dataset_write(&output, 1, error);
}

static void same_examples(const smg_dataset *a, const smg_dataset *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const smg_example *x = &a->examples[i], *y = &b->examples[i];
        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->label, y->label);
        assert_string_equal(x->answer, y->answer);
        assert_string_equal(x->prompt != NULL ? x->prompt : "-", y->prompt != NULL ? y->prompt : "-");
        assert_string_equal(x->id != NULL ? x->id : "-", y->id != NULL ? y->id : "-");
        assert_string_equal(x->group != NULL ? x->group : "-", y->group != NULL ? y->group : "-");
        assert_int_equal(x->hint_count, y->hint_count);
        for (int32_t j = 0; j < x->hint_count; j++) {
            assert_int_equal(x->hints[j].at, y->hints[j].at);
            assert_string_equal(x->hints[j].text, y->hints[j].text);
        }
        assert_int_equal(x->message_count, y->message_count);
        for (int32_t j = 0; j < x->message_count; j++) {
            assert_string_equal(x->messages[j].role, y->messages[j].role);
            assert_string_equal(x->messages[j].content, y->messages[j].content);
        }
    }
}

static void written_and_read(void **state)
{
    (void)state;
    smg_dataset set, back;
    smidge_error error;
    read_rows(
        data_csv,
        "{\"prompt\": \"\\\"a\\\"\\n\\t\\u0001\\u007f\\\\ \xC3\xA9\", \"label\": 1.50, \"hints\": [[0, \"first\"], [8, \"\\\"last\\\"\"]], \"id\": 5, \"group\": \"\\u001f\"}\n"
        "{\"prompt\": \"\", \"json\": {\"a\": [1.250, \"\\u0007\", {}], \"\\u00e9\": -0}}\n"
        "{\"messages\": [{\"role\": \"system\", \"content\": \"s\\n\"}, {\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"\"}]}\n",
        &set);
    const smg_dataset_part all = {.set = &set};
    const char *side = data_side;
    assert_int_equal(write_part(&all, data_side, &error), SMIDGE_OK);
    assert_int_equal(smg_dataset_read(&side, 1, NULL, &back, &error), SMIDGE_OK);
    same_examples(&set, &back);
    smg_dataset_done(&back);
    const uint8_t sides[] = {1, 0, 1};
    const smg_dataset_part part = {.set = &set, .sides = sides, .side = 0};
    assert_int_equal(write_part(&part, data_side, &error), SMIDGE_OK);
    assert_int_equal(smg_dataset_read(&side, 1, NULL, &back, &error), SMIDGE_OK);
    assert_int_equal(back.count, 1);
    assert_string_equal(back.examples[0].answer, "{\"a\":[1.250,\"\\u0007\",{}],\"\xC3\xA9\":-0}");
    smg_dataset_done(&back);
    assert_int_equal(write_part(&all, "/nowhere/x.jsonl", &error), SMIDGE_E_IO);
    smg_dataset_done(&set);
    assert_int_equal(smg_alloc_live_blocks(), 0);
}

/* Two files, of which the second cannot be written: the first stays what it was. */
static void all_or_none(void **state)
{
    (void)state;
    smg_dataset set;
    smidge_error error;
    make_rows(4, false, &set);
    const smg_dataset_output outputs[] = {{{.set = &set}, data_side}, {{.set = &set}, "/nowhere/x.jsonl"}};
    data_write(data_side, "before");
    assert_int_equal(smg_dataset_write(outputs, 2, &error), SMIDGE_E_IO);
    char text[16] = "";
    FILE *file = fopen(data_side, "rb");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text - 1, file), 6);
    fclose(file);
    assert_string_equal(text, "before");
    smg_dataset_done(&set);
}

/* Larger than the pieces in which files are written. */
static void many_rows(void **state)
{
    (void)state;
    smg_dataset set, back;
    smidge_error error;
    const char *side = data_side;
    make_rows(8000, true, &set);
    assert_int_equal(write_part(&(smg_dataset_part){.set = &set}, data_side, &error), SMIDGE_OK);
    assert_int_equal(smg_dataset_read(&side, 1, NULL, &back, &error), SMIDGE_OK);
    same_examples(&set, &back);
    smg_dataset_done(&set);
    smg_dataset_done(&back);
}

static smidge_status do_everything(const smg_dataset *set, smidge_error *error)
{
    uint8_t sides[16];
    smg_examination found = {0};
    smg_overlap overlap;
    SMG_TRY(smg_split_make(set, &(smg_split){.share = 0.5}, sides, error));
    SMG_TRY(smg_examine(set, &found, error));
    smg_examination_done(&found);
    const smg_dataset_part train = {set, sides, 0}, test = {set, sides, 1};
    SMG_TRY(smg_overlap_find(&train, &test, &overlap, error));
    return write_part(&train, data_side, error);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    smg_dataset set;
    smidge_error error;
    make_rows(16, true, &set);
    const uint64_t live = smg_alloc_live_blocks();
    uint64_t n = 1;
    for (smidge_status status = SMIDGE_E_NOMEM; status != SMIDGE_OK; n++) {
        smg_alloc_fail_at(n);
        status = do_everything(&set, &error);
        smg_alloc_fail_at(0);
        assert_true(status == SMIDGE_OK || status == SMIDGE_E_NOMEM);
        assert_int_equal(smg_alloc_live_blocks(), live);
    }
    assert_true(n > 15);
    smg_dataset_done(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),           cmocka_unit_test(overlaps),
        cmocka_unit_test(text_sets),        cmocka_unit_test(by_rows),
        cmocka_unit_test(by_groups),        cmocka_unit_test(small_splits),
        cmocka_unit_test(all_or_none),      cmocka_unit_test(many_rows),
        cmocka_unit_test(written_and_read), cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, data_files_open, data_files_close);
}
