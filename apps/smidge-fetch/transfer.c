#include "transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "fetch/source.h"

#define REDIRECTS_MAX 10L
#define TOKEN_BYTES_MAX 1024
#define CONNECT_SECONDS 30L

volatile sig_atomic_t fetch_stop_signal;

/* ---- The session --------------------------------------------------------------------------------------- */

/* A token goes into a line of a request: it must not end that line. */
static smidge_status check_token(const fetch_session *session, smidge_error *error)
{
    if (session->token != NULL && strlen(session->token) > TOKEN_BYTES_MAX)
        return smg_error_set(error, SMIDGE_E_INVALID, "HF_TOKEN",
                             "is not a token: it is too long (export it again)");
    for (const char *at = session->token; at != NULL && *at != '\0'; at++) {
        if ((unsigned char)*at <= 0x20 || (unsigned char)*at >= 0x7F)
            return smg_error_set(error, SMIDGE_E_INVALID, "HF_TOKEN",
                                 "is not a token: it has spaces or line ends in it (export it again)");
    }
    if (session->token != NULL && !smg_url_is_private(session->endpoint))
        return smg_error_set(error, SMIDGE_E_INVALID, "HF_ENDPOINT",
                             "is not an https:// address, and HF_TOKEN would be readable on the way (use "
                             "https://, or unset HF_TOKEN)");
    return SMIDGE_OK;
}

smidge_status fetch_session_open(fetch_session *session, smidge_error *error)
{
    static char endpoint[1024];
    const char *asked = getenv("HF_ENDPOINT"), *token = getenv("HF_TOKEN");
    if (asked == NULL || asked[0] == '\0')
        asked = SMG_HUB;
    size_t size = strlen(asked);
    while (size > 0 && asked[size - 1] == '/')
        size--;
    if (size >= sizeof endpoint || !smg_url_same_origin(asked, asked))
        return smg_error_set(error, SMIDGE_E_INVALID, "HF_ENDPOINT",
                             "is not an https:// or http:// address (unset it for " SMG_HUB ")");
    snprintf(endpoint, sizeof endpoint, "%.*s", (int)size, asked);
    session->endpoint = endpoint;
    session->token = token != NULL && token[0] != '\0' ? token : NULL;
    SMG_TRY(check_token(session, error));
    if (getrandom(&session->random, sizeof session->random, GRND_NONBLOCK) < 0)
        session->random = (uintptr_t)session; /* it only spreads tries in time */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == 0)
        session->curl = curl_easy_init();
    if (session->curl == NULL)
        return smg_error_no_memory(error, "libcurl", sizeof *session);
    return SMIDGE_OK;
}

void fetch_session_close(fetch_session *session)
{
    curl_easy_cleanup(session->curl);
    session->curl = NULL;
    curl_global_cleanup();
}

/* ---- One request --------------------------------------------------------------------------------------- */

static bool begin(fetch_transfer *transfer)
{
    if (transfer->begun)
        return !transfer->ended;
    transfer->begun = true;
    if (transfer->begin != NULL)
        transfer->ended = !transfer->begin(transfer->context, &transfer->response);
    return !transfer->ended;
}

static size_t on_header(char *data, size_t one, size_t size, void *context)
{
    fetch_transfer *transfer = context;
    (void)one;
    if (!transfer->begun) /* what comes behind a body says nothing about it */
        smg_response_line(&transfer->response, data, size);
    return size;
}

static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    fetch_transfer *transfer = context;
    (void)one;
    if (!begin(transfer))
        return CURL_WRITEFUNC_ERROR;
    transfer->ended = !transfer->take(transfer->context, data, size);
    return transfer->ended ? CURL_WRITEFUNC_ERROR : size;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    const fetch_transfer *transfer = context;
    (void)total, (void)now, (void)up_total, (void)up_now;
    if (transfer->tick != NULL)
        transfer->tick(transfer->context);
    return fetch_stop_signal != 0;
}

/* From an https address only to others. */
static void set_protocols(CURL *curl, const char *url)
{
    const bool secure = strncasecmp(url, "https:", 6) == 0;
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
#else
    const long both = CURLPROTO_HTTP | CURLPROTO_HTTPS;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, both);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, secure ? (long)CURLPROTO_HTTPS : both);
#endif
}

/* Whom to trust. The variables are those that the program curl has; the library does not look at them. */
static void set_trust(CURL *curl)
{
    const char *bundle = getenv("CURL_CA_BUNDLE"), *folder = getenv("SSL_CERT_DIR");
    if (bundle == NULL || bundle[0] == '\0')
        bundle = getenv("SSL_CERT_FILE");
    if (bundle != NULL && bundle[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_CAINFO, bundle);
    if (folder != NULL && folder[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_CAPATH, folder);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static void free_list(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

/* The token goes to the Hub alone: curl drops a header of this name when it is sent elsewhere, to another host or
 * another port. */
static bool add_token(const fetch_session *session, const char *url, struct curl_slist **list)
{
    char line[TOKEN_BYTES_MAX + 64];
    if (session->token == NULL || !smg_url_same_origin(url, session->endpoint))
        return true;
    const int size = snprintf(line, sizeof line, "Authorization: Bearer %s", session->token);
    return (size_t)size < sizeof line && add_header(list, line);
}

static bool set_range(CURL *curl, const smg_ask *ask, struct curl_slist **list)
{
    char text[256];
    if (!ask->range)
        return true;
    snprintf(text, sizeof text, "%llu-", (unsigned long long)ask->offset);
    if (curl_easy_setopt(curl, CURLOPT_RANGE, text) != CURLE_OK)
        return false;
    snprintf(text, sizeof text, "If-Range: %s", ask->if_range == NULL ? "" : ask->if_range);
    return ask->if_range == NULL || add_header(list, text);
}

void fetch_transfer_run(fetch_session *session, fetch_transfer *transfer)
{
    CURL *curl = session->curl;
    SMG_CLEANUP(free_list) struct curl_slist *headers = NULL;
    smg_response_init(&transfer->response);
    transfer->begun = transfer->ended = false;
    transfer->reason[0] = '\0';
    curl_easy_reset(curl);
    if (!add_token(session, transfer->url, &headers) || !set_range(curl, &transfer->ask, &headers)) {
        transfer->code = CURLE_OUT_OF_MEMORY;
        return;
    }
    char agent[64];
    snprintf(agent, sizeof agent, "smidge/%s", smidge_version());
    set_protocols(curl, transfer->url);
    set_trust(curl);
    curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, agent);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)FETCH_RATE_MIN);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)session->stall);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->reason);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
    transfer->code = curl_easy_perform(curl);
    if (transfer->response.status != 0)
        session->answered = true;
    if (transfer->code == CURLE_OK)
        (void)begin(transfer); /* a response without a body */
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
}
