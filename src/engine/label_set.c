#include <stdlib.h>

#include "base/alloc.h"
#include "engine/engine.h"

static int compare_numbers(const void *a, const void *b)
{
    const int32_t first = *(const int32_t *)a, second = *(const int32_t *)b;
    return (first > second) - (first < second);
}

/* Groups of the output matrix that have the first tokens. */
static smidge_status find_groups(smidge_labels *set, smidge_error *error)
{
    const smg_label_state *start = &set->automaton.states[0];
    int32_t *groups = smg_alloc_array((size_t)start->edge_count, sizeof *groups);
    if (groups == NULL)
        return smg_error_no_memory(error, "labels", (size_t)start->edge_count * sizeof *groups);
    for (int32_t i = 0; i < start->edge_count; i++)
        groups[i] = set->automaton.edges[start->first_edge + i].token / SMG_OUTPUT_GROUP;
    qsort(groups, (size_t)start->edge_count, sizeof *groups, compare_numbers);
    int32_t count = 0;
    for (int32_t i = 0; i < start->edge_count; i++) {
        if (count == 0 || groups[count - 1] != groups[i])
            groups[count++] = groups[i];
    }
    set->start_groups = groups;
    set->start_group_count = count;
    return SMIDGE_OK;
}

/* First tokens behind which several labels are left. */
static void find_starts(smidge_labels *set)
{
    const smg_label_state *start = &set->automaton.states[0];
    int32_t count = 0;
    for (int32_t i = 0; i < start->edge_count; i++) {
        const smg_label_edge *edge = &set->automaton.edges[start->first_edge + i];
        if (edge->target < 0)
            continue;
        if (count == SMG_LOGIT_ROWS)
            return;
        set->starts[count++] = *edge;
    }
    set->start_count = count;
}

smidge_status smidge_labels_new(const smidge_model *model, const char *const *labels, size_t count,
                                smidge_labels **ret_labels, smidge_error *error)
{
    smidge_labels *set = smg_alloc(sizeof *set);
    if (set == NULL)
        return smg_error_no_memory(error, "labels", sizeof *set);
    set->model = model;
    smidge_status status = smg_labels_compile(model->tokenizer, labels, count, &set->automaton, error);
    if (status == SMIDGE_OK)
        status = find_groups(set, error);
    if (status != SMIDGE_OK) {
        smidge_labels_free(set);
        return status;
    }
    find_starts(set);
    *ret_labels = set;
    return SMIDGE_OK;
}

void smidge_labels_free(smidge_labels *labels)
{
    if (labels == NULL)
        return;
    smg_labels_done(&labels->automaton);
    smg_free(labels->start_groups);
    smg_free(labels);
}
