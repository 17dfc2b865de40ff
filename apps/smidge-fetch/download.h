/* One file from an address into a folder: gone on with after a cut, verified, and under its name only when it is whole
 * and right. */
#ifndef SMIDGE_FETCH_DOWNLOAD_H
#define SMIDGE_FETCH_DOWNLOAD_H

#include "transfer.h"

typedef struct fetch_file {
    const char *url;
    const char *repository;   /* for messages; "" outside the Hub */
    const char *folder;       /* exists */
    const char *name;         /* safe */
    const char *label;        /* for messages and the meter */
    const smg_part *expected; /* its digest and length, where they are known beforehand; NULL */
} fetch_file;

/* SMIDGE_E_CANCELLED when a signal came. On failure there is no new file under the name; what has arrived of it stays for the
 * next time where it can be of use. */
smidge_status fetch_download(fetch_session *session, const fetch_file *file, smidge_error *error)
    SMG_MUST_CHECK;

/* Whether a file is there already and has this length and digest. */
bool fetch_is_there(const char *folder, const char *name, const smg_part *expected);

/* Bytes that can be written in a folder; UINT64_MAX if the system does not say. */
uint64_t fetch_free_space(const char *folder);
smidge_status fetch_no_space(const char *where, const char *folder, uint64_t need, uint64_t free_bytes,
                             smidge_error *error);

#endif
