/* Makes the vocabulary of the bundled model from the data that it is trained on.
 *   make_vocabulary --size N [--joined N] [--apart WORDS.txt]... -o VOCABULARY.gguf DATA.jsonl...
 * The same data make the same bytes on every machine. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/dataset.h"
#include "vocabulary_file.h"

#define LISTS_MAX 16
#define LIST_BYTES_MAX (1u << 20)

typedef struct wishes {
    long size, joined;
    const char *apart[LISTS_MAX];
    int apart_count;
    const char *out;
} wishes;

static const char usage[] =
    "usage: make_vocabulary --size TOKENS [--joined WORDS] [--apart FILE]... -o VOCABULARY.gguf DATA.jsonl...\n"
    "TOKENS, with 4 special ones and 256 bytes: 260 to 4096. So many WORDS are one token with the space before them, but none of\n"
    "a FILE.\n";

static void free_corpus(nano_corpus **corpus)
{
    nano_corpus_free(*corpus);
}

/* As it will be read: the prompt, and its answer behind it, a label behind a space. */
static smidge_status add_example(nano_corpus *corpus, const smg_example *example, smidge_error *error)
{
    const char *parts[] = {example->prompt == NULL ? "" : example->prompt,
                           example->kind == SMG_EXAMPLE_LABEL ? " " : "", example->answer};
    const size_t room = strlen(parts[0]) + strlen(parts[1]) + strlen(parts[2]) + 1;
    SMG_CLEANUP(smg_free_ptr) char *text = smg_alloc(room);
    if (text == NULL)
        return smg_error_no_memory(error, "corpus", room);
    const int size = snprintf(text, room, "%s%s%s", parts[0], parts[1], parts[2]);
    return nano_corpus_add(corpus, text, (size_t)size, error);
}

static smidge_status keep_apart(nano_corpus *corpus, const char *path, smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) char *text = NULL;
    size_t size;
    SMG_TRY(smg_file_read(path, LIST_BYTES_MAX, &text, &size, error));
    /* names are written with underscores, too */
    for (size_t i = 0; i < size; i++)
        text[i] = text[i] == '_' || text[i] == '-' ? ' ' : text[i];
    return nano_corpus_keep_apart(corpus, text, size, error);
}

static smidge_status make(const char *const *paths, size_t count, const wishes *wanted, smidge_error *error)
{
    SMG_CLEANUP(smg_dataset_done) smg_dataset set = {0};
    SMG_CLEANUP(free_corpus) nano_corpus *corpus = NULL;
    nano_merge merges[NANO_SYMBOLS_MAX - NANO_BYTES];
    int32_t merge_count;
    SMG_TRY(smg_dataset_read(paths, count, NULL, &set, error));
    SMG_TRY(nano_corpus_new(&corpus, error));
    for (size_t i = 0; i < set.count; i++)
        SMG_TRY(add_example(corpus, &set.examples[i], error));
    for (int i = 0; i < wanted->apart_count; i++)
        SMG_TRY(keep_apart(corpus, wanted->apart[i], error));
    SMG_TRY(nano_corpus_merges(corpus, (int32_t)wanted->size - NANO_BYTES - NANO_SPECIALS,
                               (int32_t)wanted->joined, merges, &merge_count, error));
    return nano_vocabulary_write(wanted->out, merges, merge_count, error);
}

static bool take_option(int option, wishes *wanted)
{
    char *rest = NULL;
    switch (option) {
    case 's':
        wanted->size = strtol(optarg, &rest, 10);
        return *rest == '\0';
    case 'j':
        wanted->joined = strtol(optarg, &rest, 10);
        return *rest == '\0' && wanted->joined >= 0 && wanted->joined <= NANO_SYMBOLS_MAX;
    case 'a':
        if (wanted->apart_count == LISTS_MAX)
            return false;
        wanted->apart[wanted->apart_count++] = optarg;
        return true;
    case 'o':
        wanted->out = optarg;
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"size", required_argument, NULL, 's'},
                                            {"joined", required_argument, NULL, 'j'},
                                            {"apart", required_argument, NULL, 'a'},
                                            {"output", required_argument, NULL, 'o'},
                                            {0}};
    wishes wanted = {0};
    bool good = true;
    for (int option; (option = getopt_long(argc, argv, "o:", options, NULL)) != -1;)
        good = good && take_option(option, &wanted);
    if (!good || wanted.out == NULL || optind == argc || wanted.size < NANO_BYTES + NANO_SPECIALS ||
        wanted.size > NANO_SYMBOLS_MAX) {
        fputs(usage, stderr);
        return 2;
    }
    smidge_error error = {0};
    if (make((const char *const *)argv + optind, (size_t)(argc - optind), &wanted, &error) != SMIDGE_OK) {
        fprintf(stderr, "make_vocabulary: %s: %s\n", error.where, error.message);
        return 1;
    }
    return 0;
}
