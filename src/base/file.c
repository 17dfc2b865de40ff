#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static void close_fd(const int *fd)
{
    if (*fd > STDERR_FILENO)
        close(*fd);
}

static smidge_status open_for_reading(const char *path, int flags, int *ret_fd, smidge_error *error)
{
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return smg_error_set(error, SMIDGE_E_IO, path, "%s (check the path and its permissions)",
                             strerror(errno));
    *ret_fd = fd;
    return SMIDGE_OK;
}

smidge_status smg_file_open(const char *path, smg_file *ret_file, smidge_error *error)
{
    SMG_CLEANUP(close_fd) int fd = -1;
    /* Without O_NONBLOCK a pipe would keep us waiting for its writer. */
    SMG_TRY(open_for_reading(path, O_NONBLOCK, &fd, error));
    struct stat status;
    if (fstat(fd, &status) != 0)
        return smg_error_set(error, SMIDGE_E_IO, path, "%s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return smg_error_set(error, SMIDGE_E_IO, path, "is not a regular file (give the path of a file)");
    *ret_file = (smg_file){0};
    if (status.st_size == 0)
        return SMIDGE_OK;
    void *data = smg_map_file(fd, (size_t)status.st_size);
    if (data == NULL && errno == ENOMEM)
        return smg_error_no_memory(error, path, (size_t)status.st_size);
    if (data == NULL)
        return smg_error_set(error, SMIDGE_E_IO, path, "cannot be mapped: %s", strerror(errno));
    *ret_file = (smg_file){.data = data, .size = (size_t)status.st_size};
    return SMIDGE_OK;
}

void smg_file_close(smg_file *file)
{
    /* The mapping was made here; const is for its readers. */
    smg_unmap((void *)(uintptr_t)file->data, file->size);
    *file = (smg_file){0};
}

void smg_file_forget(const void *data, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)data;
    /* the page that it begins in has been read before; the one that it ends in is still being read */
    const uintptr_t first = begin / page * page, end = (begin + size) / page * page;
    if (end > first)
        (void)madvise((void *)first, end - first,
                      MADV_DONTNEED); /* advice: nothing is lost if it is not taken */
}

static smidge_status read_some(int fd, const char *path, char *buffer, size_t room, size_t *ret_count,
                               smidge_error *error)
{
    ssize_t count;
    do
        count = read(fd, buffer, room);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return smg_error_set(error, SMIDGE_E_IO, path, "cannot be read: %s", strerror(errno));
    *ret_count = (size_t)count;
    return SMIDGE_OK;
}

smidge_status smg_file_read(const char *path, size_t limit, char **ret_text, size_t *ret_size,
                            smidge_error *error)
{
    SMG_CLEANUP(close_fd) int fd = STDIN_FILENO;
    if (strcmp(path, "-") != 0)
        SMG_TRY(open_for_reading(path, 0, &fd, error));
    SMG_CLEANUP(smg_free_ptr) char *text = NULL;
    size_t size = 0;
    size_t room = 0;
    for (;;) {
        if (room - size < 2) { /* the last byte is kept for the terminating zero */
            size_t larger = room == 0 ? 4096 : room * 2;
            char *grown = smg_realloc_array(text, larger, 1);
            if (grown == NULL)
                return smg_error_no_memory(error, path, larger);
            text = grown;
            room = larger;
        }
        size_t count = 0;
        SMG_TRY(read_some(fd, path, text + size, room - size - 1, &count, error));
        if (count == 0)
            break;
        size += count;
        if (size > limit)
            return smg_error_set(error, SMIDGE_E_INVALID, path, "is longer than %zu bytes (shorten it)",
                                 limit);
    }
    text[size] = '\0';
    *ret_text = text;
    *ret_size = size;
    text = NULL;
    return SMIDGE_OK;
}

/* ---- Writing ------------------------------------------------------------------------------------------- */

static smidge_status write_failed(const char *path, const char *what, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_IO, path,
                         "%s: %s (check the folder, its permissions and the free space)", what,
                         strerror(errno));
}

/* A rename is on the disk when its folder is. Folders that cannot be opened or synced are no reason to fail: the file
 * itself is whole either way. */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    if (size >= sizeof folder)
        return;
    memcpy(folder, path, size);
    folder[size] = '\0';
    SMG_CLEANUP(close_fd)
    int fd = open(slash == NULL ? "." : size == 0 ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)!fsync(fd);
}

smidge_status smg_file_create(const char *path, smg_file_writer *ret_writer, smidge_error *error)
{
    *ret_writer = (smg_file_writer){.fd = -1};
    int length = snprintf(ret_writer->fresh, sizeof ret_writer->fresh, "%s.%ld.part", path, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof ret_writer->fresh)
        return smg_error_set(error, SMIDGE_E_IO, path, "is too long a path (shorten it)");
    snprintf(ret_writer->path, sizeof ret_writer->path, "%s", path);
    ret_writer->fd = open(ret_writer->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return ret_writer->fd >= 0 ? SMIDGE_OK : write_failed(path, "cannot be created", error);
}

smidge_status smg_file_append(smg_file_writer *writer, const void *data, size_t size, smidge_error *error)
{
    const char *at = data;
    for (size_t left = size; left > 0;) {
        ssize_t count = write(writer->fd, at, left);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return write_failed(writer->path, "cannot be written", error);
        at += count;
        left -= (size_t)count;
    }
    return SMIDGE_OK;
}

smidge_status smg_file_patch(smg_file_writer *writer, uint64_t offset, const void *data, size_t size,
                             smidge_error *error)
{
    const char *at = data;
    for (size_t done = 0; done < size;) {
        ssize_t count = pwrite(writer->fd, at + done, size - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return write_failed(writer->path, "cannot be written", error);
        done += (size_t)count;
    }
    return SMIDGE_OK;
}

smidge_status smg_file_commit(smg_file_writer *writer, smidge_error *error)
{
    smidge_status status = SMIDGE_OK;
    if (fsync(writer->fd) != 0)
        status = write_failed(writer->path, "cannot be brought to the disk", error);
    else if (rename(writer->fresh, writer->path) != 0)
        status = write_failed(writer->path, "cannot be put in place", error);
    if (status == SMIDGE_OK) {
        writer->fresh[0] = '\0';
        sync_folder(writer->path);
    }
    smg_file_discard(writer);
    return status;
}

void smg_file_discard(smg_file_writer *writer)
{
    if (writer == NULL || writer->fd < 0)
        return;
    close_fd(&writer->fd);
    if (writer->fresh[0] != '\0')
        unlink(writer->fresh);
    writer->fd = -1;
}

smidge_status smg_file_replace(const char *path, const smg_file_part *parts, size_t count,
                               smidge_error *error)
{
    SMG_CLEANUP(smg_file_discard) smg_file_writer writer;
    SMG_TRY(smg_file_create(path, &writer, error));
    for (size_t i = 0; i < count; i++)
        SMG_TRY(smg_file_append(&writer, parts[i].data, parts[i].size, error));
    return smg_file_commit(&writer, error);
}
