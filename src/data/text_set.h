/* Texts that differ, numbered in the order of their first appearance. They are not copied, and must stay. */
#ifndef SMG_DATA_TEXT_SET_H
#define SMG_DATA_TEXT_SET_H

#include <stddef.h>
#include <stdint.h>

typedef struct smg_text_set_entry {
    uint64_t hash;
    const char *text;
} smg_text_set_entry;

typedef struct smg_text_set {
    smg_text_set_entry *entries;
    uint32_t count;
    uint32_t room;   /* a power of two */
    uint32_t *slots; /* 2 * room of them: a number + 1, or 0 */
} smg_text_set;

/* The number of an equal text, or of this one, added; -1 without memory. */
int64_t smg_text_set_add(smg_text_set *set, const char *text);
/* -1: there is none. */
int64_t smg_text_set_find(const smg_text_set *set, const char *text);
/* Takes zeroed ones; for SMG_CLEANUP. */
void smg_text_set_done(smg_text_set *set);

#endif
