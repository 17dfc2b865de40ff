/* What is in a repository of the Hub, from the JSON of its interface (/api/models/ORG/REPO/revision/REV?blobs=true), and
 * which of it a person wants. */
#ifndef SMG_FETCH_LISTING_H
#define SMG_FETCH_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "fetch/response.h"
#include "fetch/source.h"

#define SMG_LISTING_BYTES_MAX (8 << 20)
#define SMG_LISTING_FILES_MAX 20000

typedef struct smg_listed {
    char path[SMG_PATH_IN_REPOSITORY_MAX];
    bool has_size;
    uint64_t size;
    smg_digest digest;
    bool chosen;
} smg_listed;

typedef struct smg_listing {
    smg_listed *files;
    size_t count;
    char commit[65]; /* that all this belongs to; "" if it is not said */
} smg_listing;

/* `where` names the repository in errors. Errors: FORMAT (not such a listing, or a path that would leave the folder),
 * NOMEM. */
smidge_status smg_listing_parse(const char *text, size_t size, const char *where, smg_listing *ret_listing,
                                smidge_error *error) SMG_MUST_CHECK;
void smg_listing_done(smg_listing *listing);

typedef enum smg_choice {
    SMG_CHOICE_FILE,   /* one GGUF file */
    SMG_CHOICE_FOLDER, /* what a conversion needs: weights, tokenizer, configuration */
    SMG_CHOICE_OPEN    /* there are several: the person has to say which */
} smg_choice;

/* Marks the files to fetch. `type` is "q4_k_m" or the like for a GGUF file, "safetensors" for what a conversion needs, or
 * NULL for what there is; when the choice stays open, all candidates are marked. Errors: INVALID (there is nothing of
 * that type), UNSUPPORTED (nothing here that smidge can use, or a file in parts). */
smidge_status smg_listing_choose(smg_listing *listing, const char *type, const char *where,
                                 smg_choice *ret_choice, smidge_error *error) SMG_MUST_CHECK;

#endif
