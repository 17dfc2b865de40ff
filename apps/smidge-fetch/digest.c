#include "digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "transfer.h"

struct fetch_digest {
    EVP_MD_CTX *context;
    smg_digest_kind kind;
};

fetch_digest *fetch_digest_new(smg_digest_kind kind, uint64_t length)
{
    fetch_digest *digest = calloc(1, sizeof *digest);
    if (digest == NULL)
        return NULL;
    const EVP_MD *method = kind == SMG_DIGEST_GIT ? EVP_sha1() : EVP_sha256();
    digest->kind = kind;
    digest->context = EVP_MD_CTX_new();
    bool sound = digest->context != NULL && EVP_DigestInit_ex(digest->context, method, NULL) == 1;
    if (sound && kind == SMG_DIGEST_GIT) {
        char head[32];
        const int size = snprintf(head, sizeof head, "blob %" PRIu64, length);
        sound = fetch_digest_add(digest, head, (size_t)size + 1); /* with its zero */
    }
    if (sound)
        return digest;
    fetch_digest_free(digest);
    return NULL;
}

void fetch_digest_free(fetch_digest *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

bool fetch_digest_add(fetch_digest *digest, const void *data, size_t size)
{
    return EVP_DigestUpdate(digest->context, data, size) == 1;
}

bool fetch_digest_add_file(fetch_digest *digest, int fd, uint64_t size)
{
    static unsigned char block[1 << 18];
    for (uint64_t at = 0; at < size;) {
        const size_t want = size - at < sizeof block ? (size_t)(size - at) : sizeof block;
        if (fetch_stop_signal != 0) {
            errno = EINTR;
            return false;
        }
        const ssize_t count = pread(fd, block, want, (off_t)at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            errno = EIO; /* it became shorter meanwhile */
        if (count <= 0 || !fetch_digest_add(digest, block, (size_t)count))
            return false;
        at += (uint64_t)count;
    }
    return true;
}

bool fetch_digest_finish(fetch_digest *digest, smg_digest *ret_digest)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_DigestFinal_ex(digest->context, value, &size) != 1 || size > 32)
        return false;
    *ret_digest = (smg_digest){.kind = digest->kind};
    for (unsigned i = 0; i < size; i++) {
        ret_digest->hex[2 * i] = digits[value[i] >> 4];
        ret_digest->hex[2 * i + 1] = digits[value[i] & 15];
    }
    return true;
}
