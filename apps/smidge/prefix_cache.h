/* The beginning of all prompts, kept computed in a file from one process to the next. */
#ifndef SMIDGE_PREFIX_CACHE_H
#define SMIDGE_PREFIX_CACHE_H

#include "cli.h"

typedef struct prefix_cache {
    const char *path;
    smidge_prefix *computed; /* to be saved; NULL: nothing */
} prefix_cache;

/* Gives the session the prefix of these spans: the file's, or one that is computed. What is refused is said on standard
 * error. Nothing here fails the command: without a prefix, prompts are computed whole, and answers are the same. */
void prefix_cache_open(prefix_cache *cache, smidge_model *model, smidge_session *session,
                       const smidge_span *spans, size_t span_count, int64_t deadline_ns);
/* Writes what had to be computed; takes as long as the disk does, so not in front of an answer with a deadline. */
void prefix_cache_save(const prefix_cache *cache);
/* Takes one that was zeroed. */
void prefix_cache_done(prefix_cache *cache);

#endif
