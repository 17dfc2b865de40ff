/* Folders of the Hugging Face kind, for tests: files in a folder of their own under /tmp, and safetensors from parts in memory.
 *
 *   char folder[64];
 *   hf_begin(folder);
 *   hf_write(folder, "config.json", text, strlen(text));
 *   hf_write_tensors(folder, "model.safetensors", tensors, count);
 *   hf_remove(folder);
 */
#ifndef SMG_TESTS_HF_BUILDER_H
#define SMG_TESTS_HF_BUILDER_H

#include "test_support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct hf_tensor {
    char name[128];
    const char *dtype;
    int dims;
    uint64_t shape[2]; /* as safetensors has them: the row length last */
    void *data;        /* from malloc */
    size_t bytes;
} hf_tensor;

static inline void hf_begin(char folder[64])
{
    snprintf(folder, 64, "/tmp/smidge-hf-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static inline const char *hf_path(const char *folder, const char *name, char path[256])
{
    assert_in_range(snprintf(path, 256, "%s/%s", folder, name), 1, 255);
    return path;
}

static inline void hf_write(const char *folder, const char *name, const void *data, size_t size)
{
    char path[256];
    FILE *file = fopen(hf_path(folder, name, path), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void hf_write_text(const char *folder, const char *name, const char *text)
{
    hf_write(folder, name, text, strlen(text));
}

static inline void hf_delete(const char *folder, const char *name)
{
    char path[256];
    assert_int_equal(unlink(hf_path(folder, name, path)), 0);
}

static inline void hf_remove(const char *folder)
{
    DIR *open = opendir(folder);
    assert_non_null(open);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (entry->d_name[0] != '.')
            hf_delete(folder, entry->d_name);
    }
    closedir(open);
    assert_int_equal(rmdir(folder), 0);
}

static inline void hf_write_tensors(const char *folder, const char *name, const hf_tensor *tensors,
                                    size_t count)
{
    char path[256], shape[64];
    char *header = NULL;
    size_t size = 0, at = 0;
    FILE *text = open_memstream(&header, &size);
    fprintf(text, "{\"__metadata__\":null");
    for (size_t i = 0; i < count; i++) {
        const hf_tensor *t = &tensors[i];
        if (t->dims == 1)
            snprintf(shape, sizeof shape, "%llu", (unsigned long long)t->shape[0]);
        else
            snprintf(shape, sizeof shape, "%llu,%llu", (unsigned long long)t->shape[0],
                     (unsigned long long)t->shape[1]);
        fprintf(text, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", t->name,
                t->dtype, shape, at, at + t->bytes);
        at += t->bytes;
    }
    fprintf(text, "}");
    fclose(text);
    FILE *file = fopen(hf_path(folder, name, path), "wb");
    const uint64_t length = size;
    assert_int_equal(fwrite(&length, sizeof length, 1, file), 1);
    assert_int_equal(fwrite(header, 1, size, file), size);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(fwrite(tensors[i].data, 1, tensors[i].bytes, file), tensors[i].bytes);
    assert_int_equal(fclose(file), 0);
    free(header);
}

#endif
