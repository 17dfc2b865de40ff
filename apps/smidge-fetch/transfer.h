/* One request, through libcurl: what every request of this program has in common stands here and nowhere else. TLS
 * certificates are always verified; there is no switch for that. */
#ifndef SMIDGE_FETCH_TRANSFER_H
#define SMIDGE_FETCH_TRANSFER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "fetch/resume.h"

#define FETCH_RATE_MIN 1024 /* bytes a second; what is slower for as long as `stall` says is given up */

/* What lasts as long as the program. */
typedef struct fetch_session {
    CURL *curl;
    const char *endpoint; /* the Hub, or a mirror; without a slash at its end */
    const char *token;    /* for the Hub alone; NULL: none */
    int32_t stall;        /* seconds */
    int32_t back_off;     /* milliseconds before the second try */
    int32_t tries;        /* in a row, without getting anywhere */
    bool quiet;
    bool answered; /* by some server, at some time: there is a network */
    uint64_t random;
} fetch_session;

/* The signal that asks the program to stop; 0: none came. */
extern volatile sig_atomic_t fetch_stop_signal;

/* NULL context members are not called. `begin` sees the headers of the last response before its body; `take` sees the
 * body; either may end the transfer with false. `tick` is called now and then. */
typedef struct fetch_transfer {
    const char *url;
    smg_ask ask;
    bool (*begin)(void *context, const smg_response *response);
    bool (*take)(void *context, const void *data, size_t size);
    void (*tick)(void *context);
    void *context;
    /* What came of it: */
    smg_response response;
    bool begun;
    bool ended; /* by begin or take */
    CURLcode code;
    char reason[CURL_ERROR_SIZE];
} fetch_transfer;

void fetch_transfer_run(fetch_session *session, fetch_transfer *transfer);

/* SMIDGE_OK for a session that is ready; what it uses of the environment is read here. */
smidge_status fetch_session_open(fetch_session *session, smidge_error *error) SMG_MUST_CHECK;
void fetch_session_close(fetch_session *session);

#endif
