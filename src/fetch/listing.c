#include "fetch/listing.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "base/alloc.h"

static void decref(json_t **json)
{
    json_decref(*json);
}

void smg_listing_done(smg_listing *listing)
{
    smg_free(listing->files);
    *listing = (smg_listing){0};
}

/* ---- Reading ------------------------------------------------------------------------------------------- */

static void read_digest(const json_t *text, smg_digest_kind kind, smg_digest *digest)
{
    smg_digest found;
    if (json_is_string(text) && smg_digest_parse(json_string_value(text), json_string_length(text), &found) &&
        found.kind == kind)
        *digest = found;
}

static smidge_status read_file(const json_t *item, const char *where, smg_listed *ret_file,
                               smidge_error *error)
{
    const json_t *path = json_object_get(item, "rfilename"), *large = json_object_get(item, "lfs");
    const json_t *size = json_object_get(json_is_object(large) ? large : item, "size");
    if (!json_is_string(path))
        return smg_error_set(error, SMIDGE_E_FORMAT, where,
                             "the server's list of files has an entry without a name (try again later)");
    const char *name = json_string_value(path);
    if (strlen(name) != json_string_length(path) || !smg_path_is_safe(name))
        return smg_error_set(error, SMIDGE_E_FORMAT, where,
                             "lists a file whose name would leave the folder: \"%.100s\" (do not trust this "
                             "repository, or name the file you want: hf:ORG/REPO:FILE)",
                             name);
    snprintf(ret_file->path, sizeof ret_file->path, "%s", name);
    if (json_is_integer(size) && json_integer_value(size) >= 0) {
        ret_file->has_size = true;
        ret_file->size = (uint64_t)json_integer_value(size);
    }
    if (json_is_object(large))
        read_digest(json_object_get(large, "sha256"), SMG_DIGEST_SHA256, &ret_file->digest);
    else
        read_digest(json_object_get(item, "blobId"), SMG_DIGEST_GIT, &ret_file->digest);
    return SMIDGE_OK;
}

static void read_commit(const json_t *root, char ret_commit[65])
{
    smg_digest commit;
    const json_t *text = json_object_get(root, "sha");
    if (json_is_string(text) && smg_digest_parse(json_string_value(text), json_string_length(text), &commit))
        memcpy(ret_commit, commit.hex, sizeof commit.hex);
}

smidge_status smg_listing_parse(const char *text, size_t size, const char *where, smg_listing *ret_listing,
                                smidge_error *error)
{
    json_error_t at;
    SMG_CLEANUP(decref) json_t *root = NULL;
    if (size <= SMG_LISTING_BYTES_MAX)
        root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &at);
    const json_t *files = json_object_get(root, "siblings");
    if (!json_is_array(files) || json_array_size(files) > SMG_LISTING_FILES_MAX)
        return smg_error_set(error, SMIDGE_E_FORMAT, where,
                             "the server's answer is not a list of files (does HF_ENDPOINT name a mirror of "
                             "the Hub? is there a login page in between?)");
    SMG_CLEANUP(smg_listing_done) smg_listing listing = {.count = json_array_size(files)};
    listing.files = smg_alloc_array(listing.count, sizeof *listing.files);
    if (listing.files == NULL)
        return smg_error_no_memory(error, where, listing.count * sizeof *listing.files);
    for (size_t i = 0; i < listing.count; i++)
        SMG_TRY(read_file(json_array_get(files, i), where, &listing.files[i], error));
    read_commit(root, listing.commit);
    *ret_listing = listing;
    listing.files = NULL;
    return SMIDGE_OK;
}

/* ---- Choosing ------------------------------------------------------------------------------------------ */

static bool ends_with(const char *text, const char *ending)
{
    const size_t size = strlen(text), end = strlen(ending);
    return size >= end && strcasecmp(text + size - end, ending) == 0;
}

/* "model-Q4_K_M.gguf" has the type q4_k_m; "model-Q4_K_M_L.gguf" and "model-IQ4_K_M.gguf" do not. */
static bool has_type(const char *path, const char *type)
{
    const char *slash = strrchr(path, '/');
    const size_t size = strlen(type);
    for (const char *at = slash == NULL ? path : slash + 1; (at = strcasestr(at, type)) != NULL; at++) {
        const bool begins = at > path && strchr("-._", at[-1]) != NULL;
        if (begins && (at[size] == '.' || at[size] == '-'))
            return true;
    }
    return false;
}

/* One of "-00001-of-00003.gguf". */
static bool is_piece(const char *path)
{
    const size_t size = strlen(path);
    if (size < 20)
        return false;
    const char *end = path + size - 20;
    return end[0] == '-' && isdigit((unsigned char)end[5]) && strncmp(end + 6, "-of-", 4) == 0;
}

/* Weights of a model, and not of its eyes or of how it was quantized. */
static bool is_gguf(const char *path)
{
    return ends_with(path, ".gguf") && strcasestr(path, "mmproj") == NULL &&
           strcasestr(path, "imatrix") == NULL;
}

static size_t mark_gguf(smg_listing *listing, const char *type, const char **ret_last)
{
    size_t count = 0;
    for (size_t i = 0; i < listing->count; i++) {
        smg_listed *file = &listing->files[i];
        file->chosen = is_gguf(file->path) && (type == NULL || has_type(file->path, type));
        if (file->chosen) {
            count++;
            *ret_last = file->path;
        }
    }
    return count;
}

static bool holds(const smg_listing *listing, const char *path)
{
    for (size_t i = 0; i < listing->count; i++) {
        if (strcmp(listing->files[i].path, path) == 0)
            return true;
    }
    return false;
}

/* What `smidge convert` reads besides the weights. */
static bool is_description(const char *path)
{
    static const char *const names[] = {"config.json",
                                        "generation_config.json",
                                        "tokenizer.json",
                                        "tokenizer.model",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "vocab.json",
                                        "merges.txt",
                                        "chat_template.jinja",
                                        "chat_template.json",
                                        "adapter_config.json",
                                        "model.safetensors.index.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(path, names[i]) == 0)
            return true;
    }
    return false;
}

/* Repositories often hold the same weights several times; conversion wants the set that has the usual names. */
static size_t mark_folder(smg_listing *listing)
{
    const bool whole = holds(listing, "model.safetensors");
    const bool pieces = !whole && holds(listing, "model.safetensors.index.json");
    const bool adapter = !whole && !pieces && holds(listing, "adapter_config.json");
    size_t weights = 0;
    for (size_t i = 0; i < listing->count; i++) {
        smg_listed *file = &listing->files[i];
        const char *path = file->path;
        bool weight = strchr(path, '/') == NULL && ends_with(path, ".safetensors");
        if (whole)
            weight = strcmp(path, "model.safetensors") == 0;
        else if (pieces)
            weight = weight && strncmp(path, "model-", 6) == 0;
        else if (adapter)
            weight = weight && strncmp(path, "adapter", 7) == 0;
        weights += weight;
        file->chosen = weight || is_description(path);
    }
    return weights;
}

static smidge_status nothing(const smg_listing *listing, const char *where, smidge_error *error)
{
    smidge_status status;
    for (size_t i = 0; i < listing->count; i++) {
        const char *path = listing->files[i].path;
        if (ends_with(path, ".bin") || ends_with(path, ".pt") || ends_with(path, ".pth")) {
            status =
                smg_error_set(error, SMIDGE_E_UNSUPPORTED, where,
                              "has its weights as PyTorch files only (take a copy with GGUF or safetensors)");
            smg_error_see(error, SMG_SECTION_DOWNLOADS);
            return status;
        }
    }
    status =
        smg_error_set(error, SMIDGE_E_UNSUPPORTED, where,
                      "holds neither a GGUF file nor safetensors (name the file you want: hf:ORG/REPO:FILE)");
    smg_error_see(error, SMG_SECTION_DOWNLOADS);
    return status;
}

smidge_status smg_listing_choose(smg_listing *listing, const char *type, const char *where,
                                 smg_choice *ret_choice, smidge_error *error)
{
    const bool folder = type != NULL && strcasecmp(type, "safetensors") == 0;
    const char *last = NULL;
    size_t count = folder ? 0 : mark_gguf(listing, type, &last);
    if (count > 0 && (count == 1 || type != NULL) && is_piece(last))
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, where,
                             "has this file in parts only (take another type or another repository)");
    if (count > 0) {
        *ret_choice = count == 1 ? SMG_CHOICE_FILE : SMG_CHOICE_OPEN;
        return SMIDGE_OK;
    }
    if (type != NULL && !folder)
        return smg_error_set(error, SMIDGE_E_INVALID, where,
                             "has no GGUF file of the type %s (leave --type out to see what there is)", type);
    if (mark_folder(listing) == 0)
        return nothing(listing, where, error);
    *ret_choice = SMG_CHOICE_FOLDER;
    return SMIDGE_OK;
}
