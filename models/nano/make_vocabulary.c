/* Makes the vocabulary of the bundled model from the data that it is trained on.
 *   make_vocabulary --size N -o VOCABULARY.gguf DATA.jsonl...
 * The same data make the same bytes on every machine. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "data/dataset.h"
#include "vocabulary_file.h"

static const char usage[] = "usage: make_vocabulary --size TOKENS -o VOCABULARY.gguf DATA.jsonl...\n"
                            "TOKENS, with 4 special ones and 256 bytes: 260 to 4096.\n";

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

static smidge_status make(const char *const *paths, size_t count, int32_t size, const char *out,
                          smidge_error *error)
{
    SMG_CLEANUP(smg_dataset_done) smg_dataset set = {0};
    SMG_CLEANUP(free_corpus) nano_corpus *corpus = NULL;
    nano_merge merges[NANO_SYMBOLS_MAX - NANO_BYTES];
    int32_t merge_count;
    SMG_TRY(smg_dataset_read(paths, count, NULL, &set, error));
    SMG_TRY(nano_corpus_new(&corpus, error));
    for (size_t i = 0; i < set.count; i++)
        SMG_TRY(add_example(corpus, &set.examples[i], error));
    SMG_TRY(nano_corpus_merges(corpus, size - NANO_BYTES - NANO_SPECIALS, merges, &merge_count, error));
    return nano_vocabulary_write(out, merges, merge_count, error);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"size", required_argument, NULL, 's'},
                                            {"output", required_argument, NULL, 'o'},
                                            {0}};
    const char *out = NULL;
    long size = 0;
    bool good = true;
    for (int option; (option = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        char *rest = NULL;
        if (option == 's')
            size = strtol(optarg, &rest, 10);
        else if (option == 'o')
            out = optarg;
        good = good && option != '?' && (option != 's' || *rest == '\0');
    }
    if (!good || out == NULL || optind == argc || size < NANO_BYTES + NANO_SPECIALS ||
        size > NANO_SYMBOLS_MAX) {
        fputs(usage, stderr);
        return 2;
    }
    smidge_error error = {0};
    if (make((const char *const *)argv + optind, (size_t)(argc - optind), (int32_t)size, out, &error) !=
        SMIDGE_OK) {
        fprintf(stderr, "make_vocabulary: %s: %s\n", error.where, error.message);
        return 1;
    }
    return 0;
}
