/* What a server's headers say about a file, read line by line as they come: of a chain of redirects the last response
 * counts, except for what the Hub itself says about the file before it redirects. */
#ifndef SMG_FETCH_RESPONSE_H
#define SMG_FETCH_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a file can be told right from wrong. */
typedef enum smg_digest_kind {
    SMG_DIGEST_NONE,
    SMG_DIGEST_SHA256, /* of the file: what the Hub has for large files */
    SMG_DIGEST_GIT     /* SHA-1 of "blob SIZE\0" and the file: what it has for small ones */
} smg_digest_kind;

typedef struct smg_digest {
    smg_digest_kind kind;
    char hex[65]; /* small letters */
} smg_digest;

/* Recognises 64 hexadecimal digits, or 40. False, and *ret untouched, for anything else. */
bool smg_digest_parse(const char *text, size_t size, smg_digest *ret_digest);
bool smg_digest_equal(const smg_digest *a, const smg_digest *b);

typedef struct smg_response {
    int status; /* 0: none yet */
    bool http1; /* where a body without a length and without chunks may be cut without anybody noticing */
    bool chunked;
    bool encoded; /* compressed on the way */
    bool has_length;
    uint64_t length; /* of this body */
    bool has_range;  /* "bytes FIRST-LAST/TOTAL" */
    uint64_t first, last;
    bool has_total; /* of the whole file, from Content-Range */
    uint64_t total;
    char etag[160];      /* a strong one, with its quotes; "" if there is none */
    char modified[64];   /* Last-Modified as it came; "" */
    int32_t retry_after; /* seconds; -1: not said */
    char error_code[64]; /* the Hub's name of what is wrong; "" */
    /* Of the Hub's own response, which may be an earlier one: */
    bool hub;
    smg_digest digest;
    bool has_size;
    uint64_t size; /* of the whole file */
} smg_response;

void smg_response_init(smg_response *response);
/* A line of headers, with or without its end. Unreadable ones, and values that are too long, count as absent. */
void smg_response_line(smg_response *response, const void *line, size_t size);
/* What the file must be according to the Hub, whose own tag of a file that it keeps itself is such a digest. NONE where
 * nothing is known. */
smg_digest smg_response_digest(const smg_response *response);

#endif
