/* Models that `smidge pull` and `smidge fit` know by name. What is here is known without a network: where the files
 * are, the dimensions, and what the files take in the types that are published. */
#ifndef SMG_FETCH_CATALOGUE_H
#define SMG_FETCH_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Types that there is a file of for every model, in the order of smg_catalogue_entry.bytes: q4_k_m first, which is
 * what is pulled unless another one is asked for. */
#define SMG_CATALOGUE_TYPES 4
extern const char *const smg_catalogue_types[SMG_CATALOGUE_TYPES];

/* Texts are never NULL. */
typedef struct smg_catalogue_entry {
    const char *name;         /* "llama-3.2-1b" */
    const char *aliases;      /* other names for it, separated by commas; may be "" */
    const char *title;        /* for people */
    const char *architecture; /* as general.architecture has it */
    const char *repository;   /* of GGUF files, on the Hub */
    const char *file;         /* in it; '%' stands for the type, in capitals */
    const char *original;     /* the repository that the files were made from */
    const char *licence;      /* its name, and what one should know of it */
    bool tied;                /* the embedding is the output matrix too */
    int32_t layers;
    int32_t width; /* of the residual stream */
    int32_t feed_forward;
    int32_t heads;
    int32_t kv_heads;
    int32_t head_size;
    int32_t vocabulary;
    int32_t context; /* tokens that it was trained for */
    /* Tokens that a layer with a sliding window looks back; 0: there is none. */
    int32_t window;
    /* Of so many layers the last one looks back without limit; 0: all have the window. */
    int32_t window_pattern;
    uint64_t parameters;
    /* Whole files, header and vocabulary included, as llama.cpp makes them; those that are published differ by some 0.1 %,
     * which is the text in their headers. */
    uint64_t bytes[SMG_CATALOGUE_TYPES];
} smg_catalogue_entry;

/* By name or alias, in whatever case; NULL if there is none. */
const smg_catalogue_entry *smg_catalogue_find(const char *name);
size_t smg_catalogue_count(void);
/* `number` below the count; smallest models first. */
const smg_catalogue_entry *smg_catalogue_at(size_t number);

/* The index of a type in smg_catalogue_types, whatever its case; -1 if it is none of them. */
int smg_catalogue_type(const char *type);
/* The name of an entry's file in a type, into `room` bytes; false if it does not fit. */
bool smg_catalogue_file(const smg_catalogue_entry *entry, int type, char *ret_name, size_t room);

#endif
