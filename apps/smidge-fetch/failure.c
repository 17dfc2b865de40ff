#include "failure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define RETRY_AFTER_MAX 300 /* seconds; whoever is asked to wait longer should decide himself */

/* Host and port, as far as they are spelled in an address. */
static const char *host_of(const char *url, char host[128])
{
    const char *begin = strstr(url, "://");
    begin = begin == NULL ? url : begin + 3;
    const size_t size = strcspn(begin, "/?#");
    const char *at = memchr(begin, '@', size);
    if (at != NULL)
        snprintf(host, 128, "%.*s", (int)(size - (size_t)(at + 1 - begin)), at + 1);
    else
        snprintf(host, 128, "%.*s", (int)size, begin);
    return host;
}

/* ---- Without an answer --------------------------------------------------------------------------------- */

static smidge_status explain_trust(const fetch_transfer *transfer, const char *where, const char *host,
                                   smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_IO, where,
                         "%s does not show a certificate that is trusted: %.120s (is the clock right? a "
                         "certificate authority of your own goes into CURL_CA_BUNDLE)",
                         host, transfer->reason);
}

static smidge_status explain_curl(const fetch_session *session, const fetch_transfer *transfer,
                                  const char *where, const char *host, bool *ret_again, smidge_error *error)
{
    const char *reason = transfer->reason[0] != '\0' ? transfer->reason : curl_easy_strerror(transfer->code);
    *ret_again = false;
    switch (transfer->code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        *ret_again = session->answered; /* else it is not there, and waiting does not bring it */
        return smg_error_set(error, SMIDGE_E_IO, where,
                             "%s cannot be found: %.120s (is there a network? is the address right?)", host,
                             reason);
    case CURLE_COULDNT_CONNECT:
        *ret_again = session->answered;
        return smg_error_set(error, SMIDGE_E_IO, where,
                             "there is no connection to %s: %.120s (is there a network? a proxy to name in "
                             "https_proxy?)",
                             host, reason);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return explain_trust(transfer, where, host, error);
    case CURLE_UNSUPPORTED_PROTOCOL:
        return smg_error_set(error, SMIDGE_E_IO, where,
                             "%s sends to an address that is not fetched: %.120s (from https:// only to "
                             "https://)",
                             host, reason);
    case CURLE_TOO_MANY_REDIRECTS:
        return smg_error_set(error, SMIDGE_E_IO, where, "%s sends round in circles (is the address right?)",
                             host);
    case CURLE_URL_MALFORMAT:
        return smg_error_set(error, SMIDGE_E_INVALID, where, "is not an address that can be fetched: %.120s",
                             reason);
    case CURLE_OUT_OF_MEMORY:
        return smg_error_no_memory(error, where, sizeof *transfer);
    case CURLE_OPERATION_TIMEDOUT:
        *ret_again = session->answered;
        return smg_error_set(error, SMIDGE_E_IO, where,
                             "%s gave less than %d bytes a second for %d s (repeat when the network "
                             "is better: it goes on where it stopped)",
                             host, FETCH_RATE_MIN, (int)session->stall);
    default:
        *ret_again = true;
        return smg_error_set(error, SMIDGE_E_IO, where,
                             "the connection to %s broke: %.160s (repeat: it goes on where it stopped)", host,
                             reason);
    }
}

smidge_status fetch_explain_curl(const fetch_session *session, const fetch_transfer *transfer,
                                 const char *where, fetch_failure *ret_failure, smidge_error *error)
{
    char host[128];
    ret_failure->retry_after = -1;
    smidge_status status =
        explain_curl(session, transfer, where, host_of(transfer->url, host), &ret_failure->again, error);
    smg_error_see(error, SMG_SECTION_DOWNLOADS);
    return status;
}

/* ---- With another answer than a file ------------------------------------------------------------------- */

static bool says(const fetch_transfer *transfer, const char *code)
{
    return strcmp(transfer->response.error_code, code) == 0;
}

static smidge_status explain_access(const fetch_session *session, const fetch_transfer *transfer,
                                    const char *where, const char *repository, smidge_error *error)
{
    const int status = transfer->response.status;
    if (says(transfer, "GatedRepo"))
        return smg_error_set(error, SMIDGE_E_IO, where,
                             "its authors want their terms accepted first (do so on %s/%s, then %s)",
                             session->endpoint, repository,
                             session->token == NULL
                                 ? "put a token of that account into HF_TOKEN"
                                 : "repeat; the token in HF_TOKEN must be of that account and may read it");
    if (session->token != NULL && !says(transfer, "RepoNotFound"))
        return smg_error_set(
            error, SMIDGE_E_IO, where,
            "the Hub does not take the token in HF_TOKEN (status %d): it has expired or may not "
            "read this (make a new one on %s/settings/tokens)",
            status, session->endpoint);
    return smg_error_set(error, SMIDGE_E_IO, where,
                         "the Hub has no such repository, or it is a private one (check the name%s)",
                         session->token == NULL ? "; for a private one put a token into HF_TOKEN" : "");
}

static smidge_status explain_missing(const fetch_session *session, const fetch_transfer *transfer,
                                     const char *where, const char *repository, smidge_error *error)
{
    if (says(transfer, "EntryNotFound"))
        return smg_error_set(error, SMIDGE_E_IO, where,
                             "is not in the repository (smidge pull hf:%s shows what is)", repository);
    if (says(transfer, "RevisionNotFound"))
        return smg_error_set(error, SMIDGE_E_IO, where,
                             "the repository has no such revision (leave @REVISION out, or see %s/%s)",
                             session->endpoint, repository);
    return smg_error_set(error, SMIDGE_E_IO, where, "is not there: %s has no %s (check the name)",
                         session->endpoint, repository);
}

smidge_status fetch_explain_status(const fetch_session *session, const fetch_transfer *transfer,
                                   const char *where, const char *repository, fetch_failure *ret_failure,
                                   smidge_error *error)
{
    const int code = transfer->response.status;
    const bool later =
        code == 408 || code == 425 || code == 429 || code == 500 || (code >= 502 && code <= 504);
    smidge_status status;
    char host[128];
    *ret_failure = (fetch_failure){.again = later && transfer->response.retry_after <= RETRY_AFTER_MAX,
                                   .retry_after = transfer->response.retry_after};
    if (repository[0] != '\0' && (code == 401 || code == 403))
        status = explain_access(session, transfer, where, repository, error);
    else if (repository[0] != '\0' && (code == 404 || code == 410))
        status = explain_missing(session, transfer, where, repository, error);
    else if (later && transfer->response.retry_after > RETRY_AFTER_MAX)
        status = smg_error_set(error, SMIDGE_E_IO, where,
                               "%s answered with status %d and asks to come back in %d s (do that)",
                               host_of(transfer->url, host), code, (int)transfer->response.retry_after);
    else
        status = smg_error_set(error, SMIDGE_E_IO, where, "%s answered with status %d (%s)",
                               host_of(transfer->url, host), code,
                               later ? "try again later" : "check the address, in a browser");
    smg_error_see(error, SMG_SECTION_DOWNLOADS);
    return status;
}

/* ---- Waiting ------------------------------------------------------------------------------------------- */

bool fetch_wait(fetch_session *session, int tries, const fetch_failure *failure)
{
    session->random = session->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    int64_t wait = smg_resume_delay(session->back_off, tries, session->random >> 33);
    if (failure->retry_after >= 0 && wait < failure->retry_after * INT64_C(1000))
        wait = failure->retry_after * INT64_C(1000);
    struct timespec left = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000};
    /* a signal between the look and the sleep would be slept over: short sleeps */
    while (fetch_stop_signal == 0 && (left.tv_sec > 0 || left.tv_nsec > 0)) {
        struct timespec nap = left;
        if (nap.tv_sec > 0 || nap.tv_nsec > 200000000)
            nap = (struct timespec){.tv_nsec = 200000000};
        nanosleep(&nap, NULL);
        left.tv_nsec -= nap.tv_nsec;
        if (left.tv_nsec < 0) {
            left.tv_nsec += 1000000000;
            left.tv_sec--;
        }
    }
    return fetch_stop_signal == 0;
}
