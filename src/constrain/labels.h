/* A set of labels as an automaton over the bytes of tokens.
 *
 * The labels, each with and without one leading space, are laid into a trie of bytes. A state is a node that more than one
 * label can still be reached from; its edges are the tokens whose bytes lead along the trie. A token that leads to
 * a node with one label left ends there. */
#ifndef SMG_CONSTRAIN_LABELS_H
#define SMG_CONSTRAIN_LABELS_H

#include "token/tokenizer.h"

#define SMG_LABELS_MAX 256
#define SMG_LABEL_BYTES_MAX 256

typedef struct smg_label_edge {
    int32_t token;
    int32_t target; /* >= 0: a state; < 0: the label ~target, and the path ends */
} smg_label_edge;

typedef struct smg_label_state {
    int32_t first_edge; /* in `edges` */
    int32_t edge_count;
    int32_t depth; /* bytes spelled so far */
} smg_label_state;

typedef struct smg_labels {
    int32_t count;
    int32_t state_count;
    int32_t edge_count;
    int32_t max_depth;       /* most tokens a path can have before its last: the deepest state's bytes */
    smg_label_state *states; /* state 0 is the start; empty states cannot be reached */
    smg_label_edge *edges;
} smg_labels;

/* SMIDGE_E_INVALID, SMIDGE_E_UNSUPPORTED, SMIDGE_E_NOMEM as in smidge_labels_new. */
smidge_status smg_labels_compile(const smg_tokenizer *tokenizer, const char *const *labels, size_t count,
                                 smg_labels *ret_labels, smidge_error *error) SMG_MUST_CHECK;
void smg_labels_done(smg_labels *labels);

#endif
