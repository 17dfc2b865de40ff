#include "constrain/labels.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "token/unicode.h"

#define TOTAL_BYTES_MAX 16384
#define SPELLING_ROOM (SMG_LABEL_BYTES_MAX + 2) /* a space in front; and what has more is no label */
#define NOBODY (-1)                             /* no label reaches this node */
#define MANY (-2)                               /* more than one does */

typedef struct node {
    int32_t first_child; /* 0: none; the root is nobody's child */
    int32_t next_sibling;
    int32_t label; /* that ends here, or NOBODY */
    int32_t only;  /* the one label that ends here or below, or MANY */
    int32_t state; /* its number, where only is MANY */
    int32_t depth;
    uint8_t byte;
} node;

/* A state and one of its children, listed by the child's byte. */
typedef struct entry {
    int32_t next; /* in the list of the same byte; -1: the last */
    int32_t node;
} entry;

typedef struct raw_edge {
    int32_t state;
    smg_label_edge edge;
} raw_edge;

typedef struct builder {
    const smg_tokenizer *tokenizer;
    const char *const *labels;
    size_t count;
    node *nodes;
    int32_t node_count;
    int32_t state_count;
    entry *entries;
    int32_t first_entry[256];
    raw_edge *edges;
    int32_t edge_count;
    int32_t edge_room;
    smidge_error *error;
} builder;

static void builder_done(builder *build)
{
    smg_free(build->nodes);
    smg_free(build->entries);
    smg_free(build->edges);
}

static smidge_status no_memory(const builder *build, size_t bytes)
{
    return smg_error_no_memory(build->error, "labels", bytes);
}

/* ---- Checking ----------------------------------------------------------------------------------------- */

static smidge_status bad_label(const builder *build, size_t number, const char *why)
{
    return smg_error_set(build->error, SMIDGE_E_INVALID, "labels", "label %zu, \"%.64s\", %s", number + 1,
                         build->labels[number], why);
}

static bool is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7F && character < 0xA0);
}

static smidge_status check_label(const builder *build, size_t number, size_t *ret_size)
{
    const char *label = build->labels[number];
    size_t size = strnlen(label, SMG_LABEL_BYTES_MAX + 1);
    if (size == 0)
        return bad_label(build, number, "is empty (give it a name)");
    if (size > SMG_LABEL_BYTES_MAX)
        return bad_label(build, number, "is longer than 256 bytes (shorten it)");
    uint32_t character = 0;
    for (size_t at = 0; at < size;) {
        size_t step = smg_utf8_decode(label + at, size - at, &character);
        if (character == SMG_UTF8_INVALID)
            return bad_label(build, number, "is not valid UTF-8 (save it as UTF-8)");
        if (is_control(character))
            return bad_label(build, number, "holds a control character (take it out)");
        bool at_end = at == 0 || at + step == size;
        if (at_end && (smg_char_class(character) & SMG_CHAR_SPACE))
            return bad_label(build, number, "begins or ends with white space (take it out)");
        at += step;
    }
    for (size_t i = 0; i < number; i++) {
        if (strcmp(build->labels[i], label) == 0)
            return bad_label(build, number, "is there twice (take one out)");
    }
    *ret_size = size;
    return SMIDGE_OK;
}

static smidge_status check_labels(const builder *build, size_t *ret_total)
{
    if (build->count < 2 || build->count > SMG_LABELS_MAX)
        return smg_error_set(build->error, SMIDGE_E_INVALID, "labels", "%zu labels given (give 2 to %d)",
                             build->count, SMG_LABELS_MAX);
    size_t total = 0;
    for (size_t i = 0; i < build->count; i++) {
        size_t size = 0;
        SMG_TRY(check_label(build, i, &size));
        total += size;
    }
    if (total > TOTAL_BYTES_MAX)
        return smg_error_set(build->error, SMIDGE_E_INVALID, "labels",
                             "together they have %zu bytes, more than %d (shorten them)", total,
                             TOTAL_BYTES_MAX);
    *ret_total = total;
    return SMIDGE_OK;
}

/* ---- The trie of bytes ---------------------------------------------------------------------------------- */

static int32_t find_child(const node *nodes, int32_t parent, uint8_t byte)
{
    int32_t child = nodes[parent].first_child;
    while (child != 0 && nodes[child].byte != byte)
        child = nodes[child].next_sibling;
    return child;
}

static void add_spelling(builder *build, int32_t from, const char *label, int32_t number)
{
    node *nodes = build->nodes;
    int32_t at = from;
    for (const char *byte = label; *byte != '\0'; byte++) {
        int32_t child = find_child(nodes, at, (uint8_t)*byte);
        if (child == 0) {
            child = build->node_count++;
            nodes[child] = (node){.byte = (uint8_t)*byte,
                                  .next_sibling = nodes[at].first_child,
                                  .label = NOBODY,
                                  .depth = nodes[at].depth + 1};
            nodes[at].first_child = child;
        }
        at = child;
    }
    nodes[at].label = number;
}

/* Children come after their parents, so one walk backwards sums up what is below each node. */
static void find_states(builder *build)
{
    node *nodes = build->nodes;
    for (int32_t i = build->node_count - 1; i >= 0; i--) {
        int32_t only = nodes[i].label;
        for (int32_t child = nodes[i].first_child; child != 0; child = nodes[child].next_sibling) {
            if (only == NOBODY)
                only = nodes[child].only;
            else if (only != nodes[child].only)
                only = MANY;
        }
        nodes[i].only = only;
    }
    for (int32_t i = 0; i < build->node_count; i++) {
        if (nodes[i].only == MANY)
            nodes[i].state = build->state_count++;
    }
}

static smidge_status build_trie(builder *build, size_t total)
{
    size_t room = 2 * (total + 1) + build->count;
    build->nodes = smg_alloc_array(room, sizeof *build->nodes);
    build->entries = smg_alloc_array(room, sizeof *build->entries);
    if (build->nodes == NULL || build->entries == NULL)
        return no_memory(build, room * sizeof *build->nodes);
    build->nodes[0] = (node){.label = NOBODY};
    build->nodes[1] = (node){.byte = ' ', .label = NOBODY, .depth = 1};
    build->nodes[0].first_child = 1;
    build->node_count = 2;
    for (size_t i = 0; i < build->count; i++) {
        add_spelling(build, 0, build->labels[i], (int32_t)i);
        add_spelling(build, 1, build->labels[i], (int32_t)i);
    }
    find_states(build);
    return SMIDGE_OK;
}

static void list_entries(builder *build)
{
    int32_t count = 0;
    for (int i = 0; i < 256; i++)
        build->first_entry[i] = -1;
    for (int32_t i = 0; i < build->node_count; i++) {
        if (build->nodes[i].only != MANY)
            continue;
        for (int32_t child = build->nodes[i].first_child; child != 0;
             child = build->nodes[child].next_sibling) {
            uint8_t byte = build->nodes[child].byte;
            build->entries[count] = (entry){.next = build->first_entry[byte], .node = i};
            build->first_entry[byte] = count++;
        }
    }
}

/* ---- Tokens along the trie ------------------------------------------------------------------------------- */

static smidge_status add_edge(builder *build, int32_t state, int32_t token, int32_t target)
{
    if (build->edge_count == build->edge_room) {
        int32_t room = build->edge_room == 0 ? 256 : build->edge_room * 2;
        raw_edge *grown = smg_realloc_array(build->edges, (size_t)room, sizeof *grown);
        if (grown == NULL)
            return no_memory(build, (size_t)room * sizeof *grown);
        build->edges = grown;
        build->edge_room = room;
    }
    build->edges[build->edge_count++] =
        (raw_edge){.state = state, .edge = {.token = token, .target = target}};
    return SMIDGE_OK;
}

/* Where these bytes lead from `at`, or 0 where they leave the trie. */
static int32_t follow(const node *nodes, int32_t at, smg_text bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        at = find_child(nodes, at, (uint8_t)bytes.data[i]);
        if (at == 0)
            return 0;
    }
    return at;
}

static smidge_status add_spelling_edges(builder *build, int32_t token, smg_text bytes)
{
    const node *nodes = build->nodes;
    for (int32_t i = build->first_entry[(uint8_t)bytes.data[0]]; i >= 0; i = build->entries[i].next) {
        const node *from = &nodes[build->entries[i].node];
        int32_t to = follow(nodes, build->entries[i].node, bytes);
        if (to == 0)
            continue;
        int32_t target = nodes[to].only == MANY ? nodes[to].state : ~nodes[to].only;
        SMG_TRY(add_edge(build, from->state, token, target));
    }
    return SMIDGE_OK;
}

/* A label that others begin with is complete when the text ends or the line does. */
static smidge_status add_end_edges(builder *build, int32_t token)
{
    for (int32_t i = 0; i < build->node_count; i++) {
        if (build->nodes[i].only == MANY && build->nodes[i].label != NOBODY)
            SMG_TRY(add_edge(build, build->nodes[i].state, token, ~build->nodes[i].label));
    }
    return SMIDGE_OK;
}

/* What the tokens along the trie begin with. */
static void begin_search(const builder *build, smg_token_search *ret_search)
{
    bool first[256] = {['\n'] = true};
    bool behind_space[256] = {false};
    for (int byte = 0; byte < 256; byte++)
        first[byte] = first[byte] || build->first_entry[byte] >= 0;
    for (int32_t i = build->first_entry[' ']; i >= 0; i = build->entries[i].next) {
        int32_t space = find_child(build->nodes, build->entries[i].node, ' ');
        for (int32_t child = build->nodes[space].first_child; child != 0;
             child = build->nodes[child].next_sibling)
            behind_space[build->nodes[child].byte] = true;
    }
    smg_token_search_init(ret_search, build->tokenizer, first, behind_space);
}

static smidge_status add_tokens(builder *build)
{
    smg_token_search search;
    begin_search(build, &search);
    for (int32_t token; (token = smg_token_search_next(&search)) != SMG_TOKEN_NONE;) {
        char room[SPELLING_ROOM];
        smg_text bytes = {.data = room,
                          .size = smg_tokenizer_spell(build->tokenizer, token, room, sizeof room)};
        bool newline = bytes.size > 0 && bytes.data[0] == '\n';
        if (newline || smg_tokenizer_is_end(build->tokenizer, token))
            SMG_TRY(add_end_edges(build, token));
        else if (bytes.size > 0)
            SMG_TRY(add_spelling_edges(build, token, bytes));
    }
    return SMIDGE_OK;
}

/* ---- The finished automaton ----------------------------------------------------------------------------- */

static smidge_status lay_out(const builder *build, smg_labels *labels)
{
    labels->count = (int32_t)build->count;
    labels->state_count = build->state_count;
    labels->edge_count = build->edge_count;
    labels->states = smg_alloc_array((size_t)build->state_count, sizeof *labels->states);
    labels->edges = smg_alloc_array((size_t)build->edge_count, sizeof *labels->edges);
    if (labels->states == NULL || labels->edges == NULL)
        return no_memory(build, (size_t)build->edge_count * sizeof *labels->edges);
    for (int32_t i = 0; i < build->node_count; i++) {
        if (build->nodes[i].only == MANY)
            labels->states[build->nodes[i].state].depth = build->nodes[i].depth;
    }
    for (int32_t i = 0; i < build->edge_count; i++)
        labels->states[build->edges[i].state].edge_count++;
    int32_t place = 0;
    for (int32_t i = 0; i < labels->state_count; i++) {
        labels->states[i].first_edge = place;
        place += labels->states[i].edge_count;
        labels->states[i].edge_count = 0;
    }
    for (int32_t i = 0; i < build->edge_count; i++) {
        smg_label_state *state = &labels->states[build->edges[i].state];
        labels->edges[state->first_edge + state->edge_count++] = build->edges[i].edge;
    }
    return SMIDGE_OK;
}

/* Walks from the start to see how deep paths go and that each label can be spelled at all. States are
 * numbered parents first and edges lead deeper, so one sweep in order of depth does; a label's nodes come in
 * order of depth, but those of different labels interleave, hence the repetition until nothing changes. */
static smidge_status check_reach(const builder *build, smg_labels *labels)
{
    SMG_CLEANUP(smg_free_ptr) bool *reached = smg_alloc((size_t)labels->state_count);
    bool spelled[SMG_LABELS_MAX] = {false};
    if (reached == NULL)
        return no_memory(build, (size_t)labels->state_count);
    reached[0] = true;
    for (bool changed = true; changed;) {
        changed = false;
        for (int32_t i = 0; i < labels->state_count; i++) {
            const smg_label_state *state = &labels->states[i];
            if (!reached[i])
                continue;
            labels->max_depth = state->depth > labels->max_depth ? state->depth : labels->max_depth;
            for (int32_t e = 0; e < state->edge_count; e++) {
                int32_t target = labels->edges[state->first_edge + e].target;
                bool *mark = target < 0 ? &spelled[~target] : &reached[target];
                changed = changed || !*mark;
                *mark = true;
            }
        }
    }
    for (int32_t i = 0; i < labels->count; i++) {
        if (!spelled[i])
            return smg_error_set(build->error, SMIDGE_E_UNSUPPORTED, "labels",
                                 "label %" PRId32
                                 ", \"%.64s\", cannot be spelled with this model's vocabulary "
                                 "(choose another word)",
                                 i + 1, build->labels[i]);
    }
    return SMIDGE_OK;
}

smidge_status smg_labels_compile(const smg_tokenizer *tokenizer, const char *const *labels, size_t count,
                                 smg_labels *ret_labels, smidge_error *error)
{
    SMG_CLEANUP(builder_done)
    builder build = {.tokenizer = tokenizer, .labels = labels, .count = count, .error = error};
    size_t total = 0;
    SMG_TRY(check_labels(&build, &total));
    SMG_TRY(build_trie(&build, total));
    list_entries(&build);
    SMG_TRY(add_tokens(&build));
    SMG_CLEANUP(smg_labels_done) smg_labels compiled = {0};
    SMG_TRY(lay_out(&build, &compiled));
    SMG_TRY(check_reach(&build, &compiled));
    *ret_labels = compiled;
    compiled = (smg_labels){0};
    return SMIDGE_OK;
}

void smg_labels_done(smg_labels *labels)
{
    smg_free(labels->states);
    smg_free(labels->edges);
    *labels = (smg_labels){0};
}
