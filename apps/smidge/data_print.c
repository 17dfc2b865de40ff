#include "data_print.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define NAMES_SHOWN 24 /* labels, on a side of a split */

static double percent(size_t part, size_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

/* Examples of a label on a side. */
static size_t count_label(const data_report *report, int32_t label, uint8_t side)
{
    size_t count = 0;
    for (size_t i = 0; i < report->set->count; i++)
        count += report->sides[i] == side && report->set->examples[i].label == label;
    return count;
}

static size_t count_side(const data_report *report, uint8_t side)
{
    size_t count = 0;
    for (size_t i = 0; i < report->set->count; i++)
        count += report->sides[i] == side;
    return count;
}

/* The example in the middle of each of so many equal stretches. */
static size_t sample_at(const data_report *report, int32_t number)
{
    return ((size_t)number * 2 + 1) * report->set->count / ((size_t)report->samples * 2);
}

static const char *answer_kind(const smg_example *example)
{
    return example->kind == SMG_EXAMPLE_LABEL ? "label" : example->kind == SMG_EXAMPLE_JSON ? "json" : "text";
}

/* ---- Text ------------------------------------------------------------------------------------------------ */

/* Texts from files: control characters but line ends and tabs would steer a terminal. */
static void print_plain(const char *text)
{
    for (; *text != '\0'; text++)
        putchar(((unsigned char)*text < 0x20 && *text != '\n' && *text != '\t') || *text == 0x7F ? '?'
                                                                                                 : *text);
}

static void print_name(const char *text)
{
    for (; *text != '\0'; text++)
        putchar((unsigned char)*text < 0x20 || *text == 0x7F ? '?' : *text);
}

static void print_labels(const data_report *report)
{
    const smg_dataset *set = report->set;
    const smg_examination *found = report->found;
    for (int32_t i = 0; i < set->label_count; i++) {
        printf("%-12s %8zu  %5.1f %%  ", i == 0 ? "labels" : "", found->label_counts[i],
               percent(found->label_counts[i], found->labels));
        print_name(set->labels[i]);
        putchar('\n');
    }
    if (found->majority >= 0) {
        printf("%-12s %8s  %5.1f %%  is right who always says ", "majority", "",
               percent(found->label_counts[found->majority], found->labels));
        print_name(set->labels[found->majority]);
        putchar('\n');
    }
}

static void print_lengths(const char *what, const char *unit, const data_lengths *lengths)
{
    printf("%-12s %8" PRId64 " to %" PRId64 " %s, half up to %" PRId64 ", 95 %% up to %" PRId64 "\n", what,
           lengths->least, lengths->most, unit, lengths->median, lengths->p95);
}

static void print_place(const smg_example *example, bool with_answer)
{
    print_name(example->file);
    printf(":%" PRId64 "%s", example->line, with_answer ? " " : "");
    if (with_answer)
        print_name(example->answer);
}

static void print_pair(const smg_dataset *first, const smg_dataset *second, const smg_example_pair *pair,
                       bool with_answers)
{
    printf("%23s", "");
    print_place(&first->examples[pair->first], with_answers);
    printf("  and  ");
    print_place(&second->examples[pair->second], with_answers);
    putchar('\n');
}

static void print_doubts(const data_report *report)
{
    const smg_examination *found = report->found;
    printf("%-12s %8zu  were there before, prompt and answer\n", "duplicates", found->duplicates);
    printf("%-12s %8zu  were there before with another answer\n", "conflicts", found->conflicts);
    for (size_t i = 0; i < found->conflicts && i < SMG_EXAMINE_PAIRS; i++)
        print_pair(report->set, report->set, &found->conflict_pairs[i], true);
    printf("%-12s %8zu  prompts of white space\n", "empty", found->empty);
    printf("%-12s %8zu  examples of more than %d %s\n", "too long", report->too_long,
           (int)(report->model != NULL ? report->tokens_most : report->tokens_most * 4),
           report->model != NULL ? "tokens, prompt and answer" : "characters");
}

static void print_left_out(const smg_left_out *left)
{
    if (left->filtered > 0)
        printf("%-12s %8zu  rows that \"rows where\" does not want\n", "left out", left->filtered);
    if (left->ends > 0)
        printf("%-12s %8zu  rows behind the last whole window of their group\n", "left out", left->ends);
    if (left->few > 0)
        printf("%-12s %8zu  windows with too few rows\n", "left out", left->few);
    if (left->missing > 0)
        printf("%-12s %8zu  windows with missing values\n", "left out", left->missing);
}

/* As the template would state them. */
static void print_baselines(const smg_dataset *set)
{
    for (int32_t i = 0; i < set->baseline_count; i++) {
        const smg_baseline_value *value = &set->baselines[i];
        if (value->learned)
            printf("%-12s %8s  %s %.6g +- %.6g\n", "baseline", "", value->column, value->mean,
                   value->deviation);
    }
}

static void print_side(const data_report *report, const char *name, uint8_t side)
{
    const smg_dataset *set = report->set;
    const size_t count = count_side(report, side);
    printf("%-12s %8zu  %5.1f %%", name, count, percent(count, set->count));
    for (int32_t i = 0; i < set->label_count && i < NAMES_SHOWN; i++) {
        printf("%s", i == 0 ? "  " : ", ");
        print_name(set->labels[i]);
        printf(" %zu", count_label(report, i, side));
    }
    printf("%s\n", set->label_count > NAMES_SHOWN ? ", ..." : "");
}

static void print_overlap(const data_report *report)
{
    const smg_overlap *overlap = report->overlap;
    const smg_dataset *second = report->other != NULL ? report->other : report->set;
    const char *of = report->other != NULL ? report->other_path : "the test";
    printf("%-12s %8zu  of %zu in %s are here too\n", "overlap", overlap->exact, overlap->compared, of);
    printf("%-12s %8zu  with every number as #%s\n", "", overlap->masked,
           overlap->masked > 0 ? ", such as" : "");
    for (size_t i = 0; i < overlap->masked && i < SMG_EXAMINE_PAIRS; i++)
        print_pair(report->set, second, &overlap->pairs[i], false);
}

static void print_sample(const data_report *report, int32_t number)
{
    const smg_example *example = &report->set->examples[sample_at(report, number)];
    printf("\n--- %d of %d: ", (int)number + 1, (int)report->samples);
    print_place(example, false);
    printf("%s", example->group != NULL ? ", group " : "");
    print_name(example->group != NULL ? example->group : "");
    putchar('\n');
    if (example->prompt != NULL)
        print_plain(example->prompt);
    for (int32_t i = 0; i < example->message_count; i++) {
        printf("%s%s: ", i == 0 ? "" : "\n", example->messages[i].role);
        print_plain(example->messages[i].content);
    }
    printf("\n-> ");
    print_plain(example->answer);
    putchar('\n');
}

static void print_unused(const smg_dataset *set)
{
    for (int32_t i = 0; i < set->unused_count; i++) {
        printf("%s", i == 0 ? "not used               members " : ", ");
        print_name(set->unused[i]);
    }
    if (set->unused_count > 0)
        putchar('\n');
}

void data_print_text(const data_report *report)
{
    const smg_examination *found = report->found;
    printf("%-12s %8zu  in %zu file%s", "examples", report->set->count, report->file_count,
           report->file_count == 1 ? "" : "s");
    if (found->jsons > 0)
        printf(", %zu with JSON", found->jsons);
    if (found->texts > 0)
        printf(", %zu chats", found->texts);
    putchar('\n');
    print_left_out(&report->set->left_out);
    print_unused(report->set);
    print_labels(report);
    if (found->groups > 0)
        printf("%-12s %8zu  with %zu examples\n", "groups", found->groups, found->grouped);
    print_lengths("prompts", "characters", &report->characters);
    if (report->model != NULL) {
        print_lengths("", "tokens", &report->prompt_tokens);
        print_lengths("answers", "tokens", &report->answer_tokens);
    }
    print_doubts(report);
    print_baselines(report->set);
    if (report->sides != NULL) {
        print_side(report, "train", 0);
        print_side(report, "test", 1);
        printf("%-12s %8s  by %s\n", "split", "", report->by_group ? "group" : "row");
    }
    if (report->overlap != NULL)
        print_overlap(report);
    for (int32_t i = 0; i < report->samples; i++)
        print_sample(report, i);
}

/* ---- JSON ------------------------------------------------------------------------------------------------ */

static json_t *lengths_object(const data_lengths *lengths)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "min", (json_int_t)lengths->least, "median",
                     (json_int_t)lengths->median, "p95", (json_int_t)lengths->p95, "max",
                     (json_int_t)lengths->most);
}

/* Labels' counts: of a side, or, with `side` -1, of all. */
static json_t *label_object(const data_report *report, int side)
{
    json_t *labels = json_object();
    for (int32_t i = 0; i < report->set->label_count; i++) {
        const size_t count =
            side < 0 ? report->found->label_counts[i] : count_label(report, i, (uint8_t)side);
        json_object_set_new(labels, report->set->labels[i], json_integer((json_int_t)count));
    }
    return labels;
}

/* Names of files may be no UTF-8: then there is none. */
static json_t *place_object(const smg_example *example)
{
    json_t *object = json_object();
    json_object_set_new(object, "file", json_string(example->file));
    json_object_set_new(object, "line", json_integer(example->line));
    json_object_set_new(object, "answer", json_string(example->answer));
    return object;
}

static json_t *pair_array(const smg_dataset *first, const smg_dataset *second, const smg_example_pair *pairs,
                          size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count && i < SMG_EXAMINE_PAIRS; i++)
        json_array_append_new(array, json_pack("[o, o]", place_object(&first->examples[pairs[i].first]),
                                               place_object(&second->examples[pairs[i].second])));
    return array;
}

static json_t *sample_array(const data_report *report)
{
    json_t *samples = json_array();
    for (int32_t i = 0; i < report->samples; i++) {
        const smg_example *example = &report->set->examples[sample_at(report, i)];
        json_t *sample = place_object(example);
        json_object_set_new(sample, "kind", json_string(answer_kind(example)));
        if (example->prompt != NULL)
            json_object_set_new(sample, "prompt", json_string(example->prompt));
        if (example->group != NULL)
            json_object_set_new(sample, "group", json_string(example->group));
        json_array_append_new(samples, sample);
    }
    return samples;
}

static json_t *left_out_object(const smg_left_out *left)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "filtered_rows", (json_int_t)left->filtered, "rows_at_ends",
                     (json_int_t)left->ends, "windows_with_few_rows", (json_int_t)left->few,
                     "windows_with_missing", (json_int_t)left->missing);
}

static void add_baselines(const smg_dataset *set, json_t *object)
{
    json_t *baselines = json_object();
    for (int32_t i = 0; i < set->baseline_count; i++)
        json_object_set_new(baselines, set->baselines[i].column,
                            json_pack("{s:f, s:f, s:b}", "mean", set->baselines[i].mean, "deviation",
                                      set->baselines[i].deviation, "learned", set->baselines[i].learned));
    json_object_set_new(object, "baselines", baselines);
}

static void add_split(const data_report *report, json_t *object)
{
    if (report->sides != NULL)
        json_object_set_new(object, "split",
                            json_pack("{s:s, s:I, s:o, s:I, s:o}", "by", report->by_group ? "group" : "row",
                                      "train", (json_int_t)count_side(report, 0), "train_labels",
                                      label_object(report, 0), "test", (json_int_t)count_side(report, 1),
                                      "test_labels", label_object(report, 1)));
    if (report->overlap != NULL)
        json_object_set_new(object, "overlap",
                            json_pack("{s:I, s:I, s:I, s:o}", "compared",
                                      (json_int_t)report->overlap->compared, "exact",
                                      (json_int_t)report->overlap->exact, "numbers_masked",
                                      (json_int_t)report->overlap->masked, "pairs",
                                      pair_array(report->set,
                                                 report->other != NULL ? report->other : report->set,
                                                 report->overlap->pairs, report->overlap->masked)));
}

void data_print_json(const data_report *report)
{
    const smg_examination *found = report->found;
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:I, s:o, s:I, s:o, s:I, s:I, s:o, s:I, s:I}", "examples",
                  (json_int_t)report->set->count, "label_examples", (json_int_t)found->labels,
                  "json_examples", (json_int_t)found->jsons, "chats", (json_int_t)found->texts, "labels",
                  label_object(report, -1), "groups", (json_int_t)found->groups, "prompt_characters",
                  lengths_object(&report->characters), "duplicates", (json_int_t)found->duplicates,
                  "conflicts", (json_int_t)found->conflicts, "conflict_pairs",
                  pair_array(report->set, report->set, found->conflict_pairs, found->conflicts), "empty",
                  (json_int_t)found->empty, "too_long", (json_int_t)report->too_long);
    if (found->majority >= 0)
        json_object_set_new(object, "majority_share",
                            json_real(percent(found->label_counts[found->majority], found->labels) / 100));
    if (report->model != NULL) {
        json_object_set_new(object, "prompt_tokens", lengths_object(&report->prompt_tokens));
        json_object_set_new(object, "answer_tokens", lengths_object(&report->answer_tokens));
    }
    json_t *unused = json_array();
    for (int32_t i = 0; i < report->set->unused_count; i++)
        json_array_append_new(unused, json_string(report->set->unused[i]));
    json_object_set_new(object, "members_not_used", unused);
    json_object_set_new(object, "left_out", left_out_object(&report->set->left_out));
    add_baselines(report->set, object);
    add_split(report, object);
    json_object_set_new(object, "samples", sample_array(report));
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
}
