/* What a person asks for, and where on the network that is:
 *
 *   NAME                       of the catalogue
 *   hf:ORG/REPO[@REV][:FILE]   of the Hub; without FILE the repository as a whole
 *   https://… or http://…      one file; pages of the Hub are recognised and lead to the repository
 */
#ifndef SMG_FETCH_SOURCE_H
#define SMG_FETCH_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "fetch/catalogue.h"

#define SMG_HUB "https://huggingface.co"
#define SMG_URL_MAX 4096
#define SMG_PATH_IN_REPOSITORY_MAX 512
#define SMG_FILE_NAME_MAX 200 /* leaves room for the endings of unfinished files */

typedef enum smg_source_kind {
    SMG_SOURCE_URL,       /* one file, anywhere */
    SMG_SOURCE_HUB_FILE,  /* one file of a repository */
    SMG_SOURCE_REPOSITORY /* what is in it has to be asked for */
} smg_source_kind;

typedef struct smg_source {
    smg_source_kind kind;
    char url[SMG_URL_MAX];                 /* URL only */
    char repository[200];                  /* "ORG/REPO"; "" for URL */
    char revision[128];                    /* "main" unless said */
    char file[SMG_PATH_IN_REPOSITORY_MAX]; /* HUB_FILE only: its path there */
    char name[SMG_FILE_NAME_MAX + 1];      /* what the file is called here; "" for REPOSITORY */
    const smg_catalogue_entry *entry;      /* NULL: not of the catalogue */
} smg_source;

/* `type` is one for an entry of the catalogue, or NULL for its first; `endpoint` is the Hub or a mirror of it, without a
 * slash at its end. Errors: INVALID, with what would be right. */
smidge_status smg_source_parse(const char *text, const char *type, const char *endpoint,
                               smg_source *ret_source, smidge_error *error) SMG_MUST_CHECK;

/* Addresses, percent-encoded; `revision` may be a commit. INVALID if one is too long. */
smidge_status smg_source_file_url(const char *endpoint, const char *repository, const char *revision,
                                  const char *path, char ret_url[SMG_URL_MAX], smidge_error *error)
    SMG_MUST_CHECK;
smidge_status smg_source_listing_url(const char *endpoint, const char *repository, const char *revision,
                                     char ret_url[SMG_URL_MAX], smidge_error *error) SMG_MUST_CHECK;

/* Whether a file of this name lies in the folder that it is put into, and is visible in messages as it is: no slash,
 * no "..", no control characters, not too long. Names from servers go through this before anything is opened. */
bool smg_name_is_safe(const char *name, size_t size);
/* Whether all parts of a relative path are. */
bool smg_path_is_safe(const char *path);
/* Whether two URLs have the same scheme, host and port, as far as their spelling says. */
bool smg_url_same_origin(const char *a, const char *b);
/* An https one, or plain http to this machine itself: where a token may go. */
bool smg_url_is_private(const char *url);

#endif
