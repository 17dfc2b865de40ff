/* llama.cpp's shared libraries: finding them, choosing the CPU variant, checking layouts, loading a model. All of these
 * end the program with a message where something is missing. */
#ifndef SMIDGE_BENCH_PEER_LIBRARY_H
#define SMIDGE_BENCH_PEER_LIBRARY_H

#include "llama_peer.h"

struct peer_library {
    struct peer_api api;
    void *cpu; /* the variant's library */
};

_Noreturn void peer_die(const char *what, const char *why);

/* The name of the variant in this folder that llama.cpp itself would choose here, by its own score. */
void peer_library_best(const char *folder, char *ret_name, size_t room);

/* Loads libllama*.so and libggml-cpu-VARIANT.so. Without `verbose` llama.cpp's log is dropped. */
void peer_library_open(struct peer_library *library, const char *folder, const char *variant, bool verbose);

/* As by default, weights in the layout of the variant; no GPU. */
struct llama_model *peer_model_load(const struct peer_library *library, const char *path);
/* `repack`: the variant's layout, or else the file's; `vocabulary_only`: no weights at all. */
struct llama_model *peer_model_load_as(const struct peer_library *library, const char *path, bool repack,
                                       bool vocabulary_only);

/* One more token of a sequence; the caller has made room, and sets n_tokens to 0 for a new batch. */
void peer_batch_add(struct peer_batch *batch, int32_t token, int position, int sequence, bool wanted);

#endif
