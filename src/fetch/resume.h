/* Going on with a file that has arrived in part.
 *
 * NAME.part holds its first bytes, NAME.part.state says of which file: smg_part is what stands there. The next try asks
 * for the rest in such a way that the server can say when it has another file by now, and smg_resume_judge decides what
 * its answer means. Two different files never end up in one. */
#ifndef SMG_FETCH_RESUME_H
#define SMG_FETCH_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fetch/response.h"
#include "fetch/source.h"

#define SMG_PART_STATE_MAX 8192 /* bytes of its text */

typedef struct smg_part {
    char url[SMG_URL_MAX]; /* without user, password and query: these may be secrets */
    char etag[160];        /* a strong one, with its quotes; "" */
    char modified[64];     /* ""; for files that have nothing better */
    smg_digest digest;
    bool has_length;
    uint64_t length; /* of the whole file */
    uint64_t synced; /* bytes of the part that are on the disk for sure */
} smg_part;

/* The text of a state, and back. Returns its length; false for what is not a whole, sound state. */
size_t smg_part_write(const smg_part *part, char ret_text[SMG_PART_STATE_MAX]);
bool smg_part_read(const char *text, size_t size, smg_part *ret_part);
/* `url` as a state has it. */
void smg_part_set_url(smg_part *part, const char *url);

/* How to ask. */
typedef struct smg_ask {
    uint64_t offset;      /* where to go on */
    bool range;           /* ask for the bytes from there on; else for all, and offset is 0 */
    const char *if_range; /* NULL: leave it out. Points into the state. */
} smg_ask;

/* `part` may be NULL; `size` bytes are there. Of a file that is there whole, the last byte is asked for again: that shows
 * whether it still is the server's file. */
smg_ask smg_resume_ask(const smg_part *part, uint64_t size, const char *url);

typedef enum smg_verdict {
    SMG_TAKE_REST,   /* the body goes on at the offset */
    SMG_TAKE_WHOLE,  /* the body is the whole file: what was there goes away */
    SMG_TAKE_AGAIN,  /* what was there is of no use: ask for the whole file */
    SMG_TAKE_STATUS, /* it is none of the answers with a file: look at the status */
    SMG_TAKE_LENGTH, /* announced length and the file's own differ */
    SMG_TAKE_ENCODED,
    SMG_TAKE_ENDLESS /* nothing says where the file ends, so that a cut would not be noticed */
} smg_verdict;

/* `expected` is what the file must be if that is known beforehand, or NULL. With REST and WHOLE, *ret_part is the new state,
 * but for its URL, which stays. */
smg_verdict smg_resume_judge(const smg_part *part, const smg_ask *ask, const smg_response *response,
                             const smg_part *expected, smg_part *ret_part);

/* Milliseconds to wait before try number `tries` (1: the second one): from `base` on doubled each time up to 60 times as
 * much, and between half and all of that, by `random`, so that many do not come back at the same moment. */
int64_t smg_resume_delay(int64_t base, int tries, uint64_t random);

#endif
