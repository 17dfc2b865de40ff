#include "download.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli.h"
#include "digest.h"
#include "failure.h"
#include "meter.h"

#define SYNC_BYTES (UINT64_C(64) << 20)  /* the most that a power cut costs */
#define SPACE_MARGIN (UINT64_C(1) << 20) /* for the file system's own needs */

/* Why `begin` or `take` ended a transfer. */
typedef enum download_stop {
    STOP_NONE,
    STOP_VERDICT, /* job->verdict says it */
    STOP_THERE,   /* the file under the name may be this one already */
    STOP_FAILED,  /* job->failed, and the error is filled */
    STOP_LONGER   /* more came than was announced */
} download_stop;

typedef struct download {
    fetch_session *session;
    const fetch_file *file;
    smidge_error *error;
    char final[PATH_MAX], part_path[PATH_MAX], state_path[PATH_MAX], fresh_path[PATH_MAX];
    int fd; /* of the part, locked */
    uint64_t size;
    bool has_part;
    smg_part part;
    smg_ask ask;
    bool done;
    bool resumed;      /* what is there came in several pieces */
    bool repeated;     /* because what came in pieces was wrong */
    bool compared;     /* the file under the name is another one, or there is none */
    fetch_digest *sum; /* of the first `summed` bytes of the part; NULL: none wanted */
    smg_digest_kind sum_kind;
    uint64_t summed;
    smg_verdict verdict;
    download_stop stop;
    smidge_status failed;
    uint64_t furthest; /* size that counts as reached */
    fetch_meter meter;
} download;

/* ---- The folder ---------------------------------------------------------------------------------------- */

uint64_t fetch_free_space(const char *folder)
{
    struct statvfs space;
    if (statvfs(folder, &space) != 0)
        return UINT64_MAX;
    return (uint64_t)space.f_bavail * space.f_frsize;
}

smidge_status fetch_no_space(const char *where, const char *folder, uint64_t need, uint64_t free_bytes,
                             smidge_error *error)
{
    char wanted[32], there[32];
    smidge_status status =
        smg_error_set(error, SMIDGE_E_IO, where,
                      "needs %s more, and %s are free in %.200s (make room, or take another folder: -o)",
                      cli_bytes((double)need, wanted), cli_bytes((double)free_bytes, there), folder);
    smg_error_see(error, SMG_SECTION_DOWNLOADS);
    return status;
}

static smidge_status fail_at(const download *job, const char *path, const char *what, int number)
{
    const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    smidge_status status =
        smg_error_set(job->error, SMIDGE_E_IO, path, "%s: %s (%s)", what, strerror(number),
                      full ? "make room and repeat: it goes on where it stopped"
                           : "check the folder and its permissions, or take another one: -o");
    smg_error_see(job->error, SMG_SECTION_DOWNLOADS);
    return status;
}

static smidge_status set_paths(download *job)
{
    static const char *const endings[] = {"", ".part", ".part.state", ".part.state.new"};
    char *const paths[] = {job->final, job->part_path, job->state_path, job->fresh_path};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const int size =
            snprintf(paths[i], PATH_MAX, "%s/%s%s", job->file->folder, job->file->name, endings[i]);
        if (size >= PATH_MAX)
            return smg_error_set(job->error, SMIDGE_E_INVALID, job->file->folder,
                                 "is too long a path (shorten it)");
    }
    return SMIDGE_OK;
}

/* Opens the part and locks it. Somebody who has just finished has renamed the file that we opened: then once more. */
static smidge_status open_part(download *job)
{
    for (int i = 0; i < 100; i++) {
        struct stat opened, named;
        job->fd = open(job->part_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (job->fd < 0)
            return fail_at(job, job->part_path, "cannot be made", errno);
        if (flock(job->fd, LOCK_EX | LOCK_NB) != 0) {
            close(job->fd); /* it is somebody else's: nothing to clean up */
            job->fd = -1;
            return smg_error_set(job->error, SMIDGE_E_IO, job->file->label,
                                 "is being fetched already, into %.300s (wait for that, or end it)",
                                 job->file->folder);
        }
        if (fstat(job->fd, &opened) != 0)
            return fail_at(job, job->part_path, "cannot be read", errno);
        if (!S_ISREG(opened.st_mode))
            return smg_error_set(job->error, SMIDGE_E_IO, job->part_path, "is not a file (remove it)");
        if (lstat(job->part_path, &named) == 0 && named.st_ino == opened.st_ino &&
            named.st_dev == opened.st_dev) {
            job->size = (uint64_t)opened.st_size;
            return SMIDGE_OK;
        }
        close(job->fd);
        job->fd = -1;
    }
    return fail_at(job, job->part_path, "cannot be locked", EBUSY);
}

static void read_state(download *job)
{
    char *text = NULL;
    size_t size = 0;
    job->has_part = false;
    if (job->size > 0 &&
        smg_file_read(job->state_path, SMG_PART_STATE_MAX, &text, &size, NULL) == SMIDGE_OK) {
        job->has_part = smg_part_read(text, size, &job->part);
        smg_free(text);
    }
}

static void remove_state(const download *job)
{
    unlink(job->fresh_path);
    unlink(job->state_path);
}

/* Whole or not at all; under one name, which whoever has the lock may write over if a kill left something there. */
static smidge_status save_state(download *job)
{
    char text[SMG_PART_STATE_MAX];
    const size_t size = smg_part_write(&job->part, text);
    const int fd = open(job->fresh_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return fail_at(job, job->state_path, "cannot be made", errno);
    errno = ENOSPC; /* what a short write of so little means */
    const bool whole = write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
    const int number = errno;
    close(fd);
    if (whole && rename(job->fresh_path, job->state_path) == 0)
        return SMIDGE_OK;
    const int why = whole ? errno : number;
    unlink(job->fresh_path);
    return fail_at(job, job->state_path, "cannot be written", why);
}

/* What there is of the part is on the disk, and the state says so. */
static smidge_status sync_part(download *job)
{
    if (fdatasync(job->fd) != 0)
        return fail_at(job, job->part_path, "cannot be brought to the disk", errno);
    job->part.synced = job->size;
    return save_state(job);
}

/* Nothing stays of a part that is of no use; the empty file, which is the lock, goes in the end. */
static void drop_part(download *job)
{
    remove_state(job);
    (void)!ftruncate(job->fd, 0);
    job->size = 0;
    job->has_part = false;
}

/* ---- Digests ------------------------------------------------------------------------------------------- */

/* Brings the sum to the first `size` bytes of the part. */
static smidge_status sum_up(download *job, smg_digest_kind kind, uint64_t size)
{
    if (kind == SMG_DIGEST_NONE || job->sum_kind != kind || job->summed > size || job->sum == NULL) {
        fetch_digest_free(job->sum);
        job->sum = NULL;
        job->summed = 0;
        job->sum_kind = kind;
        if (kind == SMG_DIGEST_NONE)
            return SMIDGE_OK;
        job->sum = fetch_digest_new(kind, job->part.length);
        if (job->sum == NULL)
            return smg_error_no_memory(job->error, job->file->label, sizeof *job);
    }
    if (job->summed == size)
        return SMIDGE_OK;
    /* the sum can only go on from where it is; from the file it begins at its begin */
    if (job->summed != 0) {
        job->sum_kind = SMG_DIGEST_NONE;
        return sum_up(job, kind, size);
    }
    if (!fetch_digest_add_file(job->sum, job->fd, size))
        return fail_at(job, job->part_path, "cannot be read", errno);
    job->summed = size;
    return SMIDGE_OK;
}

static bool file_has(const char *path, const smg_part *wanted)
{
    struct stat status;
    smg_digest found;
    if (wanted->digest.kind == SMG_DIGEST_NONE || stat(path, &status) != 0 || !S_ISREG(status.st_mode) ||
        (wanted->has_length && (uint64_t)status.st_size != wanted->length))
        return false;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    fetch_digest *sum = fetch_digest_new(wanted->digest.kind, (uint64_t)status.st_size);
    const bool same = sum != NULL && fetch_digest_add_file(sum, fd, (uint64_t)status.st_size) &&
                      fetch_digest_finish(sum, &found) && smg_digest_equal(&found, &wanted->digest);
    fetch_digest_free(sum);
    close(fd);
    return same;
}

bool fetch_is_there(const char *folder, const char *name, const smg_part *expected)
{
    char path[PATH_MAX];
    const int size = snprintf(path, sizeof path, "%s/%s", folder, name);
    return size < PATH_MAX && file_has(path, expected);
}

/* Without a digest: of the same length, and of the same time as the server's. */
static bool looks_the_same(const char *path, const smg_part *wanted)
{
    struct stat status;
    const time_t modified = wanted->modified[0] == '\0' ? -1 : curl_getdate(wanted->modified, NULL);
    return modified != -1 && wanted->has_length && stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
           (uint64_t)status.st_size == wanted->length && status.st_mtime == modified;
}

/* ---- While it comes ------------------------------------------------------------------------------------ */

static bool stop(download *job, download_stop why)
{
    job->stop = why;
    return false;
}

static bool stop_failed(download *job, smidge_status status)
{
    job->failed = status;
    return stop(job, STOP_FAILED);
}

static bool maybe_there(download *job)
{
    struct stat status;
    return !job->compared && stat(job->final, &status) == 0 && job->part.has_length &&
           (uint64_t)status.st_size == job->part.length;
}

static bool make_ready(download *job)
{
    const uint64_t keep = job->verdict == SMG_TAKE_REST ? job->ask.offset : 0;
    if (ftruncate(job->fd, (off_t)keep) != 0)
        return stop_failed(job, fail_at(job, job->part_path, "cannot be written", errno));
    job->size = keep;
    job->part.synced = keep;
    job->has_part = true;
    job->resumed = keep > 0;
    const uint64_t free_bytes = fetch_free_space(job->file->folder);
    if (job->part.has_length && job->part.length > keep &&
        job->part.length - keep + SPACE_MARGIN > free_bytes)
        return stop_failed(job, fetch_no_space(job->file->label, job->file->folder, job->part.length - keep,
                                               free_bytes, job->error));
    smg_digest_kind kind = job->part.digest.kind;
    if (kind == SMG_DIGEST_GIT && !job->part.has_length)
        kind = SMG_DIGEST_NONE;
    smidge_status status = sum_up(job, kind, keep);
    if (status == SMIDGE_OK)
        status = save_state(job);
    if (status != SMIDGE_OK)
        return stop_failed(job, status);
    fetch_meter_skip(&job->meter, keep);
    return true;
}

static bool on_begin(void *context, const smg_response *response)
{
    download *job = context;
    job->verdict = smg_resume_judge(job->has_part ? &job->part : NULL, &job->ask, response,
                                    job->file->expected, &job->part);
    if (job->verdict != SMG_TAKE_REST && job->verdict != SMG_TAKE_WHOLE)
        return stop(job, STOP_VERDICT);
    smg_part_set_url(&job->part, job->file->url);
    if (maybe_there(job))
        return stop(job, STOP_THERE);
    return make_ready(job);
}

static bool on_body(void *context, const void *data, size_t size)
{
    download *job = context;
    const char *at = data;
    if (job->part.has_length && size > job->part.length - job->size)
        return stop(job, STOP_LONGER);
    for (size_t left = size; left > 0;) {
        const ssize_t count = pwrite(job->fd, at, left, (off_t)job->size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return stop_failed(job, fail_at(job, job->part_path, "cannot be written", errno));
        if (job->sum != NULL) {
            if (!fetch_digest_add(job->sum, at, (size_t)count))
                return stop_failed(job, smg_error_no_memory(job->error, job->file->label, sizeof *job));
            job->summed += (uint64_t)count;
        }
        at += count;
        left -= (size_t)count;
        job->size += (uint64_t)count;
    }
    if (job->size - job->part.synced < SYNC_BYTES)
        return true;
    const smidge_status status = sync_part(job);
    return status == SMIDGE_OK || stop_failed(job, status);
}

static void on_tick(void *context)
{
    download *job = context;
    if (!job->has_part) /* nothing is known yet */
        return;
    fetch_meter_show(&job->meter, job->size, job->part.has_length ? job->part.length : 0);
}

/* ---- When it is whole ---------------------------------------------------------------------------------- */

/* A page that asks for a login has status 200 too. */
static smidge_status check_kind(download *job)
{
    const size_t size = strlen(job->file->name);
    char magic[4] = {0};
    if (job->part.digest.kind != SMG_DIGEST_NONE || size < 5 ||
        strcmp(job->file->name + size - 5, ".gguf") != 0)
        return SMIDGE_OK;
    if (pread(job->fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic && memcmp(magic, "GGUF", 4) == 0)
        return SMIDGE_OK;
    drop_part(job);
    smidge_status status = smg_error_set(
        job->error, SMIDGE_E_FORMAT, job->file->label,
        "what the server sent is not a GGUF file (is it a login page? open the address in a browser)");
    smg_error_see(job->error, SMG_SECTION_DOWNLOADS);
    return status;
}

static smidge_status put_in_place(download *job)
{
    const time_t modified = job->part.modified[0] == '\0' ? -1 : curl_getdate(job->part.modified, NULL);
    if (modified != -1 && job->part.digest.kind == SMG_DIGEST_NONE) {
        const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = modified}};
        (void)!futimens(job->fd, times); /* how it is recognised the next time */
    }
    if (fsync(job->fd) != 0)
        return fail_at(job, job->part_path, "cannot be brought to the disk", errno);
    /* Before the rename: after it, these names may be another pull's. Where that fails, close_job writes the state again. */
    remove_state(job);
    job->part.synced = 0;
    if (rename(job->part_path, job->final) != 0)
        return fail_at(job, job->final, "cannot be put in place", errno);
    job->done = true;
    const int folder = open(job->file->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        (void)!fsync(folder);
        close(folder);
    }
    return SMIDGE_OK;
}

/* *ret_again: what was put together from pieces is wrong as a whole, and a file in one piece may be right. */
static smidge_status finish(download *job, bool *ret_again)
{
    smg_digest found;
    *ret_again = false;
    if (job->sum != NULL) {
        if (!fetch_digest_finish(job->sum, &found))
            return smg_error_no_memory(job->error, job->file->label, sizeof *job);
        job->summed = UINT64_MAX; /* used up */
        if (!smg_digest_equal(&found, &job->part.digest)) {
            *ret_again = job->resumed && !job->repeated;
            job->repeated = true;
            smg_digest wanted = job->part.digest;
            drop_part(job);
            smidge_status status = smg_error_set(
                job->error, SMIDGE_E_FORMAT, job->file->label,
                "arrived with the wrong checksum: %.16s… instead of %.16s… (nothing was kept; repeat, and if that "
                "does not help, the server's copy is damaged)",
                found.hex, wanted.hex);
            smg_error_see(job->error, SMG_SECTION_DOWNLOADS);
            return status;
        }
    }
    SMG_TRY(check_kind(job));
    return put_in_place(job);
}

/* ---- Tries --------------------------------------------------------------------------------------------- */

typedef enum try_result { TRY_DONE, TRY_FAILED, TRY_LATER, TRY_AT_ONCE } try_result;

static smidge_status refuse_verdict(download *job, const fetch_transfer *transfer, fetch_failure *failure)
{
    const smg_response *response = &transfer->response;
    smidge_status status;
    switch (job->verdict) {
    case SMG_TAKE_LENGTH:
        status =
            smg_error_set(job->error, SMIDGE_E_FORMAT, job->file->label,
                          "the server announces %llu bytes, and the file has another length (its copy is not "
                          "right; try again later)",
                          (unsigned long long)response->length);
        break;
    case SMG_TAKE_ENCODED:
        status = smg_error_set(job->error, SMIDGE_E_UNSUPPORTED, job->file->label,
                               "the server compresses it on the way, unasked (take another address)");
        break;
    case SMG_TAKE_ENDLESS:
        status = smg_error_set(
            job->error, SMIDGE_E_UNSUPPORTED, job->file->label,
            "the server does not say how long it is, so that a cut would not be noticed (take another address)");
        break;
    default:
        return fetch_explain_status(job->session, transfer, job->file->label, job->file->repository, failure,
                                    job->error);
    }
    smg_error_see(job->error, SMG_SECTION_DOWNLOADS);
    return status;
}

static try_result explain_stop(download *job, const fetch_transfer *transfer, smidge_status *status,
                               fetch_failure *failure)
{
    *failure = (fetch_failure){.retry_after = -1};
    switch (job->stop) {
    case STOP_THERE:
        job->compared = true;
        if (file_has(job->final, &job->part) ||
            (job->part.digest.kind == SMG_DIGEST_NONE && looks_the_same(job->final, &job->part))) {
            drop_part(job);
            return TRY_DONE;
        }
        read_state(job); /* what was judged is not what is there */
        return TRY_AT_ONCE;
    case STOP_VERDICT:
        if (job->verdict == SMG_TAKE_AGAIN) {
            drop_part(job);
            return TRY_AT_ONCE;
        }
        *status = refuse_verdict(job, transfer, failure);
        return failure->again ? TRY_LATER : TRY_FAILED;
    case STOP_LONGER:
        drop_part(job);
        *status = smg_error_set(
            job->error, SMIDGE_E_FORMAT, job->file->label,
            "the server sends more bytes than it announced (nothing was kept; try again later)");
        smg_error_see(job->error, SMG_SECTION_DOWNLOADS);
        return TRY_FAILED;
    default:
        *status = job->failed;
        return TRY_FAILED;
    }
}

static try_result try_once(download *job, smidge_status *status, fetch_failure *failure)
{
    fetch_transfer transfer = {.url = job->file->url,
                               .begin = on_begin,
                               .take = on_body,
                               .tick = on_tick,
                               .context = job};
    job->ask = smg_resume_ask(job->has_part ? &job->part : NULL, job->size, job->file->url);
    transfer.ask = job->ask;
    job->stop = STOP_NONE;
    if (job->ask.range && job->part.digest.kind == SMG_DIGEST_SHA256) {
        *status = sum_up(job, SMG_DIGEST_SHA256, job->ask.offset); /* before a server waits for us */
        if (*status != SMIDGE_OK)
            return TRY_FAILED;
    }
    fetch_transfer_run(job->session, &transfer);
    if (fetch_stop_signal != 0)
        return TRY_FAILED;
    if (job->stop != STOP_NONE)
        return explain_stop(job, &transfer, status, failure);
    if (transfer.code == CURLE_RANGE_ERROR || transfer.code == CURLE_BAD_DOWNLOAD_RESUME) {
        drop_part(job);
        return TRY_AT_ONCE;
    }
    if (transfer.code == CURLE_OK && (!job->part.has_length || job->size == job->part.length)) {
        bool again = false;
        *status = finish(job, &again);
        return *status == SMIDGE_OK ? TRY_DONE : again ? TRY_AT_ONCE : TRY_FAILED;
    }
    if (transfer.code == CURLE_OK)
        transfer.code = CURLE_PARTIAL_FILE;
    *status = fetch_explain_curl(job->session, &transfer, job->file->label, failure, job->error);
    return failure->again ? TRY_LATER : TRY_FAILED;
}

static smidge_status cancelled(download *job)
{
    char there[32];
    if (job->size == 0 || !job->has_part)
        return smg_error_set(job->error, SMIDGE_E_CANCELLED, job->file->label, "stopped (nothing was kept)");
    return smg_error_set(job->error, SMIDGE_E_CANCELLED, job->file->label,
                         "stopped with %s of it in %.300s (the same command goes on from there)",
                         cli_bytes((double)job->size, there), job->part_path);
}

/* Whether a try has brought, beyond all earlier ones, what the least rate brings until it is given up: then the count
 * begins anew. A server that always begins at the beginning and always breaks does not get on. */
static bool got_on(download *job)
{
    const uint64_t step = (uint64_t)FETCH_RATE_MIN * (uint64_t)job->session->stall;
    if (job->size < job->furthest || job->size - job->furthest < step)
        return false;
    job->furthest = job->size;
    return true;
}

static smidge_status run(download *job)
{
    smidge_status status = SMIDGE_OK;
    fetch_failure failure = {.retry_after = -1};
    int tries = 0, anew = 0;
    for (;;) {
        const try_result result = try_once(job, &status, &failure);
        if (result == TRY_DONE)
            return SMIDGE_OK;
        if (fetch_stop_signal != 0)
            return cancelled(job);
        if (result == TRY_FAILED)
            return status;
        if (result == TRY_AT_ONCE) {
            /* once from the beginning, and once because of a file that is there; a server that goes on like that is broken */
            if (++anew <= 3)
                continue;
            return smg_error_set(
                job->error, SMIDGE_E_IO, job->file->label,
                "the server gives other parts of it than asked for, or another file each time (try "
                "again later)");
        }
        tries = got_on(job) ? 1 : tries + 1;
        if (tries >= job->session->tries)
            return status;
        if (job->has_part && job->size > job->part.synced)
            SMG_TRY(sync_part(job)); /* the next try goes on from what is on the disk */
        if (!fetch_wait(job->session, tries, &failure))
            return cancelled(job);
    }
}

static void close_job(download *job)
{
    fetch_meter_end(&job->meter);
    fetch_digest_free(job->sum);
    if (job->fd < 0)
        return;
    struct stat status, named;
    job->error = NULL; /* what is wrong has been said */
    if (!job->done && job->has_part && job->size > job->part.synced)
        (void)!sync_part(job);
    if (fstat(job->fd, &status) == 0 && status.st_size == 0 && lstat(job->part_path, &named) == 0 &&
        named.st_ino == status.st_ino) {
        remove_state(job);
        unlink(job->part_path);
    }
    close(job->fd);
}

smidge_status fetch_download(fetch_session *session, const fetch_file *file, smidge_error *error)
{
    SMG_CLEANUP(close_job) download job = {.session = session, .file = file, .error = error, .fd = -1};
    SMG_TRY(set_paths(&job));
    SMG_TRY(open_part(&job));
    read_state(&job);
    job.furthest = job.size;
    fetch_meter_start(&job.meter, file->label, session->quiet);
    return run(&job);
}
