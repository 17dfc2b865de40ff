#include "fetch/source.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* All of a text, or false. */
static bool copy(char *ret, size_t room, const char *text)
{
    const size_t size = strlen(text);
    if (size >= room)
        return false;
    memcpy(ret, text, size + 1);
    return true;
}

/* ---- Names --------------------------------------------------------------------------------------------- */

bool smg_name_is_safe(const char *name, size_t size)
{
    if (size == 0 || size > SMG_FILE_NAME_MAX || (size == 1 && name[0] == '.') ||
        (size == 2 && name[0] == '.' && name[1] == '.'))
        return false;
    for (size_t i = 0; i < size; i++) {
        const unsigned char byte = (unsigned char)name[i];
        if (byte < 0x20 || byte == 0x7F || byte == '/' || byte == '\\')
            return false;
    }
    return true;
}

bool smg_path_is_safe(const char *path)
{
    if (strlen(path) >= SMG_PATH_IN_REPOSITORY_MAX)
        return false;
    for (;;) {
        const size_t size = strcspn(path, "/");
        if (!smg_name_is_safe(path, size))
            return false;
        if (path[size] == '\0')
            return true;
        path += size + 1;
    }
}

/* Names of organizations and repositories, and of revisions without their slashes. */
static bool is_plain(const char *text, size_t size)
{
    if (size == 0 || text[0] == '.' || text[0] == '-')
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)text[i]) && strchr("-._", text[i]) == NULL)
            return false;
    }
    return true;
}

static bool is_repository(const char *text)
{
    const char *slash = strchr(text, '/');
    return slash != NULL && is_plain(text, (size_t)(slash - text)) && is_plain(slash + 1, strlen(slash + 1));
}

static bool is_revision(const char *text)
{
    for (;;) {
        const size_t size = strcspn(text, "/");
        if (!is_plain(text, size))
            return false;
        if (text[size] == '\0')
            return true;
        text += size + 1;
    }
}

/* ---- URLs ---------------------------------------------------------------------------------------------- */

static size_t scheme_size(const char *url)
{
    return strncasecmp(url, "https://", 8) == 0 ? 8 : strncasecmp(url, "http://", 7) == 0 ? 7 : 0;
}

/* Scheme, host and port. */
static size_t origin_size(const char *url)
{
    const size_t scheme = scheme_size(url);
    return scheme + strcspn(url + scheme, "/?#");
}

bool smg_url_same_origin(const char *a, const char *b)
{
    const size_t size = origin_size(a);
    return scheme_size(a) != 0 && size == origin_size(b) && strncasecmp(a, b, size) == 0;
}

bool smg_url_is_private(const char *url)
{
    static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};
    const size_t scheme = scheme_size(url);
    if (scheme == 8)
        return true;
    const char *host = url + scheme;
    if (scheme == 0 || memchr(host, '@', origin_size(url) - scheme) != NULL)
        return false;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        const size_t size = strlen(local[i]);
        if (strncasecmp(host, local[i], size) == 0 && strchr(":/?#", host[size]) != NULL)
            return true; /* strchr finds the end of the text too */
    }
    return false;
}

/* What curl would refuse later, or what would end a line of a request. */
static bool is_url_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= 0x20 || *text == 0x7F)
            return false;
    }
    return true;
}

typedef struct url_writer {
    char *url;
    size_t used;
    bool full;
} url_writer;

static void put(url_writer *writer, char byte)
{
    if (writer->used + 1 >= SMG_URL_MAX) {
        writer->full = true;
        return;
    }
    writer->url[writer->used++] = byte;
    writer->url[writer->used] = '\0';
}

static void put_plain(url_writer *writer, const char *text)
{
    for (; *text != '\0'; text++)
        put(writer, *text);
}

static void put_encoded(url_writer *writer, const char *text, bool keep_slashes)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (isalnum(byte) || strchr("-._~", byte) != NULL || (keep_slashes && byte == '/')) {
            put(writer, *text);
        } else {
            put(writer, '%');
            put(writer, digits[byte >> 4]);
            put(writer, digits[byte & 15]);
        }
    }
}

static smidge_status finish(const url_writer *writer, const char *repository, smidge_error *error)
{
    if (!writer->full)
        return SMIDGE_OK;
    return smg_error_set(error, SMIDGE_E_INVALID, repository, "makes too long an address (shorten the path)");
}

smidge_status smg_source_file_url(const char *endpoint, const char *repository, const char *revision,
                                  const char *path, char ret_url[SMG_URL_MAX], smidge_error *error)
{
    url_writer writer = {.url = ret_url};
    put_plain(&writer, endpoint);
    put(&writer, '/');
    put_plain(&writer, repository);
    put_plain(&writer, "/resolve/");
    put_encoded(&writer, revision, false);
    put(&writer, '/');
    put_encoded(&writer, path, true);
    return finish(&writer, repository, error);
}

smidge_status smg_source_listing_url(const char *endpoint, const char *repository, const char *revision,
                                     char ret_url[SMG_URL_MAX], smidge_error *error)
{
    url_writer writer = {.url = ret_url};
    put_plain(&writer, endpoint);
    put_plain(&writer, "/api/models/");
    put_plain(&writer, repository);
    put_plain(&writer, "/revision/");
    put_encoded(&writer, revision, false);
    put_plain(&writer, "?blobs=true");
    return finish(&writer, repository, error);
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    const char small = (char)(digit | 0x20);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/* Undoes percent-encoding; false if it does not fit or holds a zero byte. */
static bool decode(const char *text, size_t size, char *ret, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char byte = text[i];
        if (byte == '%' && i + 2 < size && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            byte = (char)(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        }
        if (byte == '\0' || used + 1 >= room)
            return false;
        ret[used++] = byte;
    }
    ret[used] = '\0';
    return true;
}

/* ---- Repositories -------------------------------------------------------------------------------------- */

static smidge_status refuse(const char *text, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_INVALID, text,
                         "is not hf:ORG/REPO, hf:ORG/REPO:FILE or hf:ORG/REPO@REVISION:FILE (such as "
                         "hf:bartowski/SmolLM2-135M-Instruct-GGUF)");
}

static bool set_file(smg_source *source, const char *path)
{
    if (path[0] == '\0' || !smg_path_is_safe(path))
        return false;
    const char *slash = strrchr(path, '/');
    source->kind = SMG_SOURCE_HUB_FILE;
    return copy(source->file, sizeof source->file, path) &&
           copy(source->name, sizeof source->name, slash == NULL ? path : slash + 1);
}

/* "ORG/REPO[@REV][:FILE]" */
static bool parse_repository(const char *text, smg_source *source)
{
    char work[SMG_PATH_IN_REPOSITORY_MAX + 400];
    if (!copy(work, sizeof work, text))
        return false;
    char *file = strchr(work, ':');
    if (file != NULL)
        *file++ = '\0';
    char *revision = strchr(work, '@');
    if (revision != NULL)
        *revision++ = '\0';
    const char *named = revision == NULL ? "main" : revision;
    if (!is_repository(work) || !is_revision(named) ||
        !copy(source->repository, sizeof source->repository, work) ||
        !copy(source->revision, sizeof source->revision, named))
        return false;
    source->kind = SMG_SOURCE_REPOSITORY;
    return file == NULL || set_file(source, file);
}

/* A page of the Hub, as people copy it: …/ORG/REPO, …/ORG/REPO/tree/REV or …/ORG/REPO/blob/REV/FILE (or resolve). False
 * for other addresses there, which are fetched as they are. */
static bool parse_page(const char *path, smg_source *source)
{
    char parts[4][SMG_PATH_IN_REPOSITORY_MAX];
    size_t count = 0;
    const char *end = path + strcspn(path, "?#");
    const char *at = path;
    for (; count < 4 && at < end; count++) {
        size_t size = strcspn(at, "/?#");
        if (!decode(at, size, parts[count], sizeof parts[count]))
            return false;
        at += size;
        at += at < end;
    }
    char text[4 * SMG_PATH_IN_REPOSITORY_MAX], file[SMG_PATH_IN_REPOSITORY_MAX];
    if (count < 2 || strcmp(parts[0], "api") == 0 || strcmp(parts[0], "datasets") == 0 ||
        strcmp(parts[0], "spaces") == 0 || !decode(at, (size_t)(end - at), file, sizeof file))
        return false;
    const bool is_file = count == 4 && (strcmp(parts[2], "resolve") == 0 || strcmp(parts[2], "blob") == 0 ||
                                        strcmp(parts[2], "raw") == 0);
    int size = -1;
    if (count == 2)
        size = snprintf(text, sizeof text, "%s/%s", parts[0], parts[1]);
    else if (count == 4 && strcmp(parts[2], "tree") == 0 && file[0] == '\0')
        size = snprintf(text, sizeof text, "%s/%s@%s", parts[0], parts[1], parts[3]);
    else if (is_file && file[0] != '\0')
        size = snprintf(text, sizeof text, "%s/%s@%s:%s", parts[0], parts[1], parts[3], file);
    if (size < 0 || (size_t)size >= sizeof text)
        return false;
    smg_source page = *source;
    if (!parse_repository(text, &page))
        return false;
    *source = page;
    return true;
}

static smidge_status parse_url(const char *text, const char *endpoint, smg_source *source,
                               smidge_error *error)
{
    static const char *const hubs[] = {SMG_HUB, "https://hf.co", "https://www.huggingface.co"};
    const size_t origin = origin_size(text);
    if (strlen(text) >= sizeof source->url || !is_url_text(text) || origin == scheme_size(text))
        return smg_error_set(error, SMIDGE_E_INVALID, text,
                             "is not an address that can be fetched (such are https://HOST/PATH/FILE)");
    bool hub = smg_url_same_origin(text, endpoint);
    for (size_t i = 0; i < sizeof hubs / sizeof *hubs; i++)
        hub = hub || smg_url_same_origin(text, hubs[i]);
    if (hub && text[origin] == '/' && parse_page(text + origin + 1, source))
        return SMIDGE_OK;
    const char *end = text + origin + strcspn(text + origin, "?#");
    const char *begin = end;
    while (begin > text + origin && begin[-1] != '/')
        begin--;
    if (begin == text + origin || !decode(begin, (size_t)(end - begin), source->name, sizeof source->name) ||
        !smg_name_is_safe(source->name, strlen(source->name)))
        return smg_error_set(error, SMIDGE_E_INVALID, text,
                             "does not end in the name of a file (give the address of the file itself)");
    source->kind = SMG_SOURCE_URL;
    (void)copy(source->url, sizeof source->url, text);
    return SMIDGE_OK;
}

/* ---- The catalogue ------------------------------------------------------------------------------------- */

/* A type that every entry has is a file of a known name; for others the repository is asked. */
static void use_entry(const smg_catalogue_entry *entry, const char *type, smg_source *source)
{
    const int number = type == NULL ? 0 : smg_catalogue_type(type);
    source->entry = entry;
    source->kind = SMG_SOURCE_REPOSITORY;
    const bool original = type != NULL && strcasecmp(type, "safetensors") == 0;
    (void)copy(source->revision, sizeof source->revision, "main");
    (void)copy(source->repository, sizeof source->repository, original ? entry->original : entry->repository);
    if (number >= 0 && smg_catalogue_file(entry, number, source->name, sizeof source->name)) {
        source->kind = SMG_SOURCE_HUB_FILE;
        (void)copy(source->file, sizeof source->file, source->name);
    }
}

smidge_status smg_source_parse(const char *text, const char *type, const char *endpoint,
                               smg_source *ret_source, smidge_error *error)
{
    smg_source source = {0};
    const smg_catalogue_entry *entry = smg_catalogue_find(text);
    if (entry != NULL) {
        use_entry(entry, type, &source);
    } else if (strncasecmp(text, "hf:", 3) == 0) {
        const char *rest = text + 3 + strspn(text + 3, "/"); /* hf://ORG/REPO is common too */
        if (!parse_repository(rest, &source))
            return refuse(text, error);
    } else if (scheme_size(text) != 0) {
        SMG_TRY(parse_url(text, endpoint, &source, error));
    } else if (strstr(text, "://") != NULL) {
        return smg_error_set(error, SMIDGE_E_INVALID, text,
                             "is an address of a kind that is not fetched (https:// and http:// are)");
    } else if (is_repository(text)) {
        return smg_error_set(error, SMIDGE_E_INVALID, text,
                             "is no name of the catalogue (a repository of the Hub is hf:%s)", text);
    } else {
        return smg_error_set(error, SMIDGE_E_INVALID, text,
                             "is no name of the catalogue (smidge pull --list shows them; others are "
                             "hf:ORG/REPO, hf:ORG/REPO:FILE or an address)");
    }
    *ret_source = source;
    return SMIDGE_OK;
}
