/* Runs a fuzz target over every file of the folders (or files) given, so that what a fuzzer once found is
 * tried again in every build, with or without libFuzzer. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SKIPPED 77
#define LARGEST (64L << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    int result = -1;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        rewind(file);
        /* Exactly as long as the input, so that a sanitizer sees a read past its end. */
        uint8_t *data = size >= 0 && size <= LARGEST ? malloc(size ? (size_t)size : 1) : NULL;
        if (data && fread(data, 1, (size_t)size, file) == (size_t)size) {
            (void)LLVMFuzzerTestOneInput(data, (size_t)size);
            result = 1;
        }
        free(data);
    }
    if (result < 0)
        fprintf(stderr, "%s: cannot be read\n", path);
    fclose(file);
    return result;
}

/* How many files were replayed, or -1. */
static int replay(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return 0;
    if (!S_ISDIR(info.st_mode))
        return replay_file(path);
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    int total = 0;
    for (struct dirent *entry; total >= 0 && (entry = readdir(folder));) {
        char inner[4096];
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        int count = length > 0 && length < (int)sizeof inner ? replay(inner) : -1;
        total = count < 0 ? -1 : total + count;
    }
    closedir(folder);
    return total;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int count = replay(argv[i]);
        if (count < 0)
            return 1;
        total += count;
    }
    if (total == 0) {
        printf("skipped: no corpus in %s\n", argc > 1 ? argv[1] : "the arguments");
        return SKIPPED;
    }
    printf("%d inputs replayed\n", total);
    return 0;
}
