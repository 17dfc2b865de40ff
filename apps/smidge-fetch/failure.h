/* What went wrong, in one line for people, and whether another try may help. */
#ifndef SMIDGE_FETCH_FAILURE_H
#define SMIDGE_FETCH_FAILURE_H

#include "transfer.h"

typedef struct fetch_failure {
    bool again;          /* another try may help */
    int32_t retry_after; /* seconds that the server asks for; -1: none */
} fetch_failure;

/* A transfer that ended without an answer. `where` names the file or the repository. */
smidge_status fetch_explain_curl(const fetch_session *session, const fetch_transfer *transfer,
                                 const char *where, fetch_failure *ret_failure, smidge_error *error);
/* A status that is not one with a file. `repository` is "" for addresses outside the Hub. */
smidge_status fetch_explain_status(const fetch_session *session, const fetch_transfer *transfer,
                                   const char *where, const char *repository, fetch_failure *ret_failure,
                                   smidge_error *error);

/* Waits before try number `tries`, for as long as the server asks, or longer each time. False when a signal came. */
bool fetch_wait(fetch_session *session, int tries, const fetch_failure *failure);

#endif
