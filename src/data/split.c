#include "data/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "data/examine.h"
#include "data/text_pool.h"
#include "data/text_set.h"

/* What goes to one side as a whole. */
typedef struct unit {
    size_t size;     /* examples */
    int32_t stratum; /* that it is drawn from: a label, or behind them a kind */
    uint32_t number;
    uint64_t draw; /* its place in the lottery */
    bool test;
} unit;

typedef struct splitter {
    const smg_dataset *set;
    const smg_split *split;
    smg_text_pool *pool;
    smg_text_set names;
    smg_text_builder builder;
    uint32_t *unit_of; /* of each example */
    unit *units;
    smidge_error *error;
} splitter;

static void close_splitter(splitter *job)
{
    smg_text_pool_free(job->pool);
    smg_text_set_done(&job->names);
    smg_text_builder_done(&job->builder);
    smg_free(job->unit_of);
    smg_free(job->units);
}

static smidge_status no_memory(const splitter *job)
{
    return smg_error_no_memory(job->error, "split", job->set->count);
}

/* S. Vigna's splitmix64. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* ---- Units ----------------------------------------------------------------------------------------------- */

/* Names of groups and texts of questions must not meet: a letter in front of them keeps them apart. */
static smidge_status number_unit(splitter *job, const smg_example *example, int64_t *ret_number)
{
    const bool grouped = job->split->by_group && example->group != NULL;
    job->builder.size = 0;
    smg_text_put(&job->builder, grouped ? "g" : "q", 1);
    if (grouped)
        smg_text_put(&job->builder, example->group, strlen(example->group));
    else
        smg_example_question(example, false, &job->builder);
    smg_text_put(&job->builder, "", 1);
    if (job->builder.failed)
        return no_memory(job);
    *ret_number = smg_text_set_find(&job->names, job->builder.data);
    if (*ret_number >= 0)
        return SMIDGE_OK;
    const char *copy = smg_text_pool_copy(job->pool, job->builder.data, job->builder.size - 1);
    *ret_number = copy == NULL ? -1 : smg_text_set_add(&job->names, copy);
    return *ret_number >= 0 ? SMIDGE_OK : no_memory(job);
}

static smidge_status make_units(splitter *job)
{
    uint64_t state = job->split->seed;
    job->pool = smg_text_pool_new();
    job->unit_of = smg_alloc_array(job->set->count, sizeof *job->unit_of);
    job->units = smg_alloc_array(job->set->count, sizeof *job->units);
    if (job->pool == NULL || job->unit_of == NULL || job->units == NULL)
        return no_memory(job);
    for (size_t i = 0; i < job->set->count; i++) {
        const smg_example *example = &job->set->examples[i];
        int64_t number = 0;
        SMG_TRY(number_unit(job, example, &number));
        unit *to = &job->units[number];
        if (to->size++ == 0) {
            to->number = (uint32_t)number;
            to->draw = next_random(&state);
            if (!job->split->by_group)
                to->stratum =
                    example->label >= 0 ? example->label : job->set->label_count + (int32_t)example->kind;
        }
        job->unit_of[i] = (uint32_t)number;
    }
    return SMIDGE_OK;
}

/* ---- Drawing --------------------------------------------------------------------------------------------- */

static int compare_units(const void *a, const void *b)
{
    const unit *x = a, *y = b;
    if (x->stratum != y->stratum)
        return x->stratum < y->stratum ? -1 : 1;
    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Takes units of one stratum, in the order in which they were drawn, as long as that brings the test closer to its share. */
static void draw_stratum(unit *units, size_t count, double share)
{
    size_t all = 0, taken = 0;
    for (size_t i = 0; i < count; i++)
        all += units[i].size;
    const double wanted = share * (double)all;
    for (size_t i = 0; i < count; i++) {
        const double with = (double)(taken + units[i].size);
        units[i].test = fabs(with - wanted) < fabs((double)taken - wanted);
        taken += units[i].test ? units[i].size : 0;
    }
}

/* No side stays empty: the smallest unit moves over. */
static void fill_empty_side(unit *units, size_t count)
{
    size_t tests = 0, smallest = 0;
    for (size_t i = 0; i < count; i++) {
        tests += units[i].test;
        smallest = units[i].size < units[smallest].size ? i : smallest;
    }
    if (tests == 0 || tests == count)
        units[smallest].test = tests == 0;
}

static smidge_status draw(splitter *job)
{
    const size_t count = job->names.count;
    if (count < 2)
        return smg_error_set(
            job->error, SMIDGE_E_INVALID, "split",
            job->split->by_group
                ? "all examples are of one group (give more recordings, or split by row, which makes the test easier than life)"
                : "all examples ask the same (give more)");
    qsort(job->units, count, sizeof *job->units, compare_units);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && job->units[end].stratum == job->units[begin].stratum;)
            end++;
        draw_stratum(job->units + begin, end - begin, job->split->share);
    }
    fill_empty_side(job->units, count);
    return SMIDGE_OK;
}

smidge_status smg_split_make(const smg_dataset *set, const smg_split *split, uint8_t *ret_test,
                             smidge_error *error)
{
    SMG_CLEANUP(close_splitter) splitter job = {.set = set, .split = split, .error = error};
    if (!(split->share > 0 && split->share < 1))
        return smg_error_set(error, SMIDGE_E_INVALID, "split",
                             "the test's share is not between 0 and 1 (0.2 is usual)");
    SMG_TRY(make_units(&job));
    SMG_TRY(draw(&job));
    SMG_CLEANUP(smg_free_ptr) uint8_t *tests = smg_alloc(job.names.count);
    if (tests == NULL)
        return no_memory(&job);
    for (size_t i = 0; i < job.names.count; i++)
        tests[job.units[i].number] = job.units[i].test;
    for (size_t i = 0; i < set->count; i++)
        ret_test[i] = tests[job.unit_of[i]];
    return SMIDGE_OK;
}
