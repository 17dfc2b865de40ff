#include "repository.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "download.h"
#include "failure.h"
#include "fetch/listing.h"

/* ---- Folders ------------------------------------------------------------------------------------------- */

smidge_status fetch_make_folder(const char *path, smidge_error *error)
{
    char work[PATH_MAX];
    struct stat status;
    if (strlen(path) >= sizeof work)
        return smg_error_set(error, SMIDGE_E_INVALID, path, "is too long a path (shorten it)");
    snprintf(work, sizeof work, "%s", path);
    for (char *at = work + 1;; at++) {
        const char was = *at;
        if (was != '/' && was != '\0')
            continue;
        *at = '\0';
        if (mkdir(work, 0755) != 0 && errno != EEXIST && stat(work, &status) != 0)
            return smg_error_set(error, SMIDGE_E_IO, path, "cannot be made: %s (take another folder: -o)",
                                 strerror(errno));
        *at = was;
        if (was == '\0')
            break;
    }
    if (stat(work, &status) == 0 && S_ISDIR(status.st_mode))
        return SMIDGE_OK;
    return smg_error_set(error, SMIDGE_E_IO, path, "is not a folder (take another one: -o)");
}

/* ---- The list ------------------------------------------------------------------------------------------ */

typedef struct text_buffer {
    char *data;
    size_t size, room;
    bool failed; /* too long, or no memory */
} text_buffer;

static void free_buffer(text_buffer *buffer)
{
    free(buffer->data);
}

static bool on_begin(void *context, const smg_response *response)
{
    text_buffer *buffer = context;
    buffer->size = 0;
    return response->status == 200;
}

static bool on_body(void *context, const void *data, size_t size)
{
    text_buffer *buffer = context;
    if (size > SMG_LISTING_BYTES_MAX - buffer->size) {
        buffer->failed = true;
        return false;
    }
    while (buffer->room - buffer->size < size) {
        const size_t room = buffer->room == 0 ? 65536 : buffer->room * 2;
        char *grown = realloc(buffer->data, room);
        if (grown == NULL) {
            buffer->failed = true;
            return false;
        }
        buffer->data = grown;
        buffer->room = room;
    }
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return true;
}

static smidge_status ask_once(fetch_session *session, const char *url, const smg_source *source,
                              text_buffer *buffer, fetch_failure *failure, smidge_error *error)
{
    fetch_transfer transfer = {.url = url, .begin = on_begin, .take = on_body, .context = buffer};
    *failure = (fetch_failure){.retry_after = -1};
    fetch_transfer_run(session, &transfer);
    if (fetch_stop_signal != 0)
        return smg_error_set(error, SMIDGE_E_CANCELLED, source->repository,
                             "stopped (nothing was fetched yet)");
    if (buffer->failed)
        return smg_error_set(
            error, SMIDGE_E_FORMAT, source->repository,
            "the server's list of files is longer than any (name the file: hf:ORG/REPO:FILE)");
    if (transfer.begun && transfer.response.status != 200)
        return fetch_explain_status(session, &transfer, source->repository, source->repository, failure,
                                    error);
    if (transfer.code != CURLE_OK)
        return fetch_explain_curl(session, &transfer, source->repository, failure, error);
    return SMIDGE_OK;
}

static smidge_status get_listing(fetch_session *session, const smg_source *source, smg_listing *ret_listing,
                                 smidge_error *error)
{
    char url[SMG_URL_MAX];
    fetch_failure failure;
    SMG_CLEANUP(free_buffer) text_buffer buffer = {0};
    SMG_TRY(smg_source_listing_url(session->endpoint, source->repository, source->revision, url, error));
    for (int tries = 1;; tries++) {
        const smidge_status status = ask_once(session, url, source, &buffer, &failure, error);
        if (status == SMIDGE_OK)
            break;
        if (!failure.again || tries >= session->tries || !fetch_wait(session, tries, &failure))
            return status;
    }
    return smg_listing_parse(buffer.data == NULL ? "" : buffer.data, buffer.size, source->repository,
                             ret_listing, error);
}

/* ---- The files ----------------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static smg_part expected_of(const smg_listed *listed)
{
    return (smg_part){.digest = listed->digest, .has_length = listed->has_size, .length = listed->size};
}

typedef struct batch {
    fetch_session *session;
    const smg_source *source;
    const smg_listing *listing;
    const char *folder;
    size_t number, count; /* of the file at hand */
} batch;

static smidge_status get_file(batch *job, const smg_listed *listed, smidge_error *error)
{
    char url[SMG_URL_MAX], label[600];
    const smg_part expected = expected_of(listed);
    const char *name = base_name(listed->path);
    /* all of one commit, even if the repository changes meanwhile */
    const char *revision = job->listing->commit[0] != '\0' ? job->listing->commit : job->source->revision;
    job->number++;
    if (fetch_is_there(job->folder, name, &expected))
        return SMIDGE_OK;
    SMG_TRY(smg_source_file_url(job->session->endpoint, job->source->repository, revision, listed->path, url,
                                error));
    if (job->count > 1)
        snprintf(label, sizeof label, "%zu/%zu %s", job->number, job->count, name);
    else
        snprintf(label, sizeof label, "%s", name);
    const fetch_file file = {.url = url,
                             .repository = job->source->repository,
                             .folder = job->folder,
                             .name = name,
                             .label = label,
                             .expected = &expected};
    return fetch_download(job->session, &file, error);
}

/* What is missing must fit on the disk as a whole: parts that are there already are not counted, and small. */
static smidge_status check_space(const batch *job, smidge_error *error)
{
    const uint64_t free_bytes = fetch_free_space(job->folder);
    uint64_t need = 0;
    for (size_t i = 0; i < job->listing->count; i++) {
        const smg_listed *listed = &job->listing->files[i];
        char path[PATH_MAX];
        struct stat status;
        if (!listed->chosen || !listed->has_size || listed->size > INT64_MAX - need)
            continue;
        need += listed->size;
        const char *const endings[] = {"", ".part"};
        for (size_t k = 0; k < 2; k++) {
            const int size =
                snprintf(path, sizeof path, "%s/%s%s", job->folder, base_name(listed->path), endings[k]);
            if (size < PATH_MAX && stat(path, &status) == 0) {
                const uint64_t there = (uint64_t)status.st_size;
                need -= there < listed->size ? there : listed->size;
                break;
            }
        }
    }
    return need <= free_bytes ? SMIDGE_OK
                              : fetch_no_space(job->source->repository, job->folder, need, free_bytes, error);
}

static void print_candidates(const smg_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        char size[32] = "";
        if (!listing->files[i].chosen)
            continue;
        if (listing->files[i].has_size)
            cli_bytes((double)listing->files[i].size, size);
        printf("%12s  %s\n", size, listing->files[i].path);
    }
}

static smidge_status get_folder(batch *job, smidge_error *error)
{
    /* config.json comes last: where it is, all is there */
    const smg_listed *last = NULL;
    for (size_t i = 0; i < job->listing->count; i++)
        job->count += job->listing->files[i].chosen;
    for (size_t i = 0; i < job->listing->count; i++) {
        const smg_listed *listed = &job->listing->files[i];
        if (listed->chosen && strcmp(listed->path, "config.json") == 0)
            last = listed;
        else if (listed->chosen)
            SMG_TRY(get_file(job, listed, error));
    }
    return last == NULL ? SMIDGE_OK : get_file(job, last, error);
}

static smidge_status get_single(batch *job, char *ret_path, size_t room, smidge_error *error)
{
    job->count = 1;
    for (size_t i = 0; i < job->listing->count; i++) {
        const smg_listed *listed = &job->listing->files[i];
        if (!listed->chosen)
            continue;
        SMG_TRY(get_file(job, listed, error));
        snprintf(ret_path, room, "%s/%s", job->folder, base_name(listed->path));
    }
    return SMIDGE_OK;
}

smidge_status fetch_repository(fetch_session *session, const smg_source *source, const char *type,
                               const char *folder, const char *home, char *ret_path, size_t room,
                               smidge_error *error)
{
    SMG_CLEANUP(smg_listing_done) smg_listing listing = {0};
    smg_choice choice;
    char own[PATH_MAX];
    SMG_TRY(get_listing(session, source, &listing, error));
    SMG_TRY(smg_listing_choose(&listing, type, source->repository, &choice, error));
    if (choice == SMG_CHOICE_OPEN) {
        print_candidates(&listing);
        return smg_error_set(
            error, SMIDGE_E_INVALID, source->repository,
            "has several GGUF files, listed on standard output (choose one: --type q4_k_m, or "
            "hf:%s:FILE)",
            source->repository);
    }
    if (folder == NULL && choice == SMG_CHOICE_FOLDER) {
        const char *slash = strchr(source->repository, '/');
        const int size = snprintf(own, sizeof own, "%s/%.*s--%s", home, (int)(slash - source->repository),
                                  source->repository, slash + 1);
        if (size >= PATH_MAX)
            return smg_error_set(error, SMIDGE_E_INVALID, home, "is too long a path (shorten it)");
        folder = own;
    } else if (folder == NULL) {
        folder = home;
    }
    SMG_TRY(fetch_make_folder(folder, error));
    batch job = {.session = session, .source = source, .listing = &listing, .folder = folder};
    SMG_TRY(check_space(&job, error));
    if (choice == SMG_CHOICE_FILE)
        return get_single(&job, ret_path, room, error);
    SMG_TRY(get_folder(&job, error));
    snprintf(ret_path, room, "%s", folder);
    return SMIDGE_OK;
}
