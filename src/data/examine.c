#include "data/examine.h"

#include <string.h>

#include "base/alloc.h"
#include "data/text_pool.h"
#include "data/text_set.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Runs of digits, with points and commas inside them, as one '#'. */
static void put_masked(smg_text_builder *builder, const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, "0123456789");
        smg_text_put(builder, text, size);
        text += size;
        if (*text == '\0')
            return;
        while (is_digit(*text) || ((*text == '.' || *text == ',') && is_digit(text[1])))
            text++;
        smg_text_put(builder, "#", 1);
    }
}

static void put(smg_text_builder *builder, const char *text, bool mask)
{
    if (mask)
        put_masked(builder, text);
    else
        smg_text_put(builder, text, strlen(text));
}

void smg_example_question(const smg_example *example, bool mask, smg_text_builder *builder)
{
    if (example->prompt != NULL)
        put(builder, example->prompt, mask);
    for (int32_t i = 0; i < example->message_count; i++) {
        smg_text_put(builder, example->messages[i].role, strlen(example->messages[i].role));
        smg_text_put(builder, "\n", 1);
        put(builder, example->messages[i].content, mask);
        smg_text_put(builder, "\n", 1);
    }
}

/* ---- Questions, numbered --------------------------------------------------------------------------------- */

typedef struct questions {
    smg_text_pool *pool;
    smg_text_set set;
    smg_text_builder builder;
    size_t *firsts; /* the example that asks it first, for each in the set */
} questions;

static void close_questions(questions *all)
{
    smg_text_pool_free(all->pool);
    smg_text_set_done(&all->set);
    smg_text_builder_done(&all->builder);
    smg_free(all->firsts);
}

static smidge_status no_memory(size_t count, smidge_error *error)
{
    return smg_error_no_memory(error, "examples", count);
}

static const char *question_of(questions *all, const smg_example *example, bool mask)
{
    all->builder.size = 0;
    smg_example_question(example, mask, &all->builder);
    smg_text_put(&all->builder, "", 1);
    return all->builder.failed ? NULL : all->builder.data;
}

/* The number of the example's question. */
static smidge_status number_question(questions *all, const smg_dataset *set, size_t example, bool mask,
                                     size_t *ret_number, smidge_error *error)
{
    const char *text = question_of(all, &set->examples[example], mask);
    if (text == NULL)
        return no_memory(set->count, error);
    int64_t number = smg_text_set_find(&all->set, text);
    if (number < 0) {
        text = smg_text_pool_copy(all->pool, text, strlen(text));
        number = text == NULL ? -1 : smg_text_set_add(&all->set, text);
        if (number < 0)
            return no_memory(set->count, error);
        all->firsts[number] = example;
    }
    *ret_number = (size_t)number;
    return SMIDGE_OK;
}

static smidge_status open_questions(questions *all, size_t room, smidge_error *error)
{
    all->pool = smg_text_pool_new();
    all->firsts = smg_alloc_array(room, sizeof *all->firsts);
    return all->pool != NULL && all->firsts != NULL ? SMIDGE_OK : no_memory(room, error);
}

/* ---- One set --------------------------------------------------------------------------------------------- */

static bool is_empty(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static void count_kinds(const smg_dataset *set, smg_examination *ret)
{
    ret->majority = -1;
    for (size_t i = 0; i < set->count; i++) {
        const smg_example *example = &set->examples[i];
        ret->labels += example->kind == SMG_EXAMPLE_LABEL;
        ret->jsons += example->kind == SMG_EXAMPLE_JSON;
        ret->texts += example->kind == SMG_EXAMPLE_TEXT;
        if (example->label >= 0)
            ret->label_counts[example->label]++;
        ret->grouped += example->group != NULL;
        ret->empty +=
            is_empty(example->prompt != NULL ? example->prompt
                                             : example->messages[example->message_count - 1].content);
    }
    for (int32_t i = 0; i < set->label_count; i++) {
        if (ret->majority < 0 || ret->label_counts[i] > ret->label_counts[ret->majority])
            ret->majority = i;
    }
}

static smidge_status count_groups(const smg_dataset *set, smg_examination *ret, smidge_error *error)
{
    SMG_CLEANUP(smg_text_set_done) smg_text_set groups = {0};
    for (size_t i = 0; i < set->count; i++) {
        if (set->examples[i].group != NULL && smg_text_set_add(&groups, set->examples[i].group) < 0)
            return no_memory(set->count, error);
    }
    ret->groups = groups.count;
    return SMIDGE_OK;
}

static smidge_status find_duplicates(const smg_dataset *set, smg_examination *ret, smidge_error *error)
{
    SMG_CLEANUP(close_questions) questions all = {0};
    SMG_TRY(open_questions(&all, set->count, error));
    for (size_t i = 0; i < set->count; i++) {
        size_t number;
        SMG_TRY(number_question(&all, set, i, false, &number, error));
        const size_t first = all.firsts[number];
        if (first == i)
            continue;
        if (strcmp(set->examples[first].answer, set->examples[i].answer) == 0) {
            ret->duplicates++;
        } else {
            if (ret->conflicts < SMG_EXAMINE_PAIRS)
                ret->conflict_pairs[ret->conflicts] = (smg_example_pair){first, i};
            ret->conflicts++;
        }
    }
    return SMIDGE_OK;
}

smidge_status smg_examine(const smg_dataset *set, smg_examination *ret, smidge_error *error)
{
    SMG_CLEANUP(smg_examination_done) smg_examination found = {0};
    found.label_counts = smg_alloc_array((size_t)set->label_count, sizeof *found.label_counts);
    if (found.label_counts == NULL)
        return no_memory((size_t)set->label_count, error);
    count_kinds(set, &found);
    SMG_TRY(count_groups(set, &found, error));
    SMG_TRY(find_duplicates(set, &found, error));
    *ret = found;
    found = (smg_examination){0};
    return SMIDGE_OK;
}

void smg_examination_done(smg_examination *examination)
{
    smg_free(examination->label_counts);
    *examination = (smg_examination){0};
}

/* ---- Two ------------------------------------------------------------------------------------------------- */

static bool belongs(const smg_dataset_part *part, size_t example)
{
    return part->sides == NULL || part->sides[example] == part->side;
}

static smidge_status count_overlap(const smg_dataset_part *first, const smg_dataset_part *second, bool mask,
                                   smg_overlap *ret, smidge_error *error)
{
    SMG_CLEANUP(close_questions) questions all = {0};
    size_t number, *count = mask ? &ret->masked : &ret->exact;
    SMG_TRY(open_questions(&all, first->set->count, error));
    for (size_t i = 0; i < first->set->count; i++) {
        if (belongs(first, i))
            SMG_TRY(number_question(&all, first->set, i, mask, &number, error));
    }
    for (size_t i = 0; i < second->set->count; i++) {
        if (!belongs(second, i))
            continue;
        const char *text = question_of(&all, &second->set->examples[i], mask);
        if (text == NULL)
            return no_memory(second->set->count, error);
        const int64_t found = smg_text_set_find(&all.set, text);
        if (found >= 0 && mask && *count < SMG_EXAMINE_PAIRS)
            ret->pairs[*count] = (smg_example_pair){all.firsts[found], i};
        *count += found >= 0;
        ret->compared += mask;
    }
    return SMIDGE_OK;
}

smidge_status smg_overlap_find(const smg_dataset_part *first, const smg_dataset_part *second,
                               smg_overlap *ret, smidge_error *error)
{
    smg_overlap found = {0};
    SMG_TRY(count_overlap(first, second, false, &found, error));
    SMG_TRY(count_overlap(first, second, true, &found, error));
    *ret = found;
    return SMIDGE_OK;
}
