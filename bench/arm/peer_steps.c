/* The same work as ../count_steps.c with llama.cpp's libraries: its defaults, one thread, one call for the prefill, the CPU
 * variant that it would choose itself. Built by count.sh.
 *
 *     peer_steps MODEL PREFILL DECODE LIBS
 */
#include <stdio.h>
#include <stdlib.h>

#include "../peers/peer_library.h"
#include "step_ids.h"

static void decode(const struct peer_library *library, struct llama_context *context,
                   struct peer_batch *batch, const int32_t *ids, int first, int n)
{
    batch->n_tokens = 0;
    for (int i = 0; i < n; i++)
        peer_batch_add(batch, ids[first + i], first + i, 0, i == n - 1);
    if (library->api.llama_decode(context, *batch) != 0)
        peer_die("llama_decode", "failed");
}

int main(int argc, char **argv)
{
    struct peer_library library;
    int32_t ids[STEPS_MOST];
    char variant[64];
    if (argc != 5)
        peer_die("usage", "peer_steps MODEL PREFILL DECODE LIBS");
    const int prefill = atoi(argv[2]);
    const int steps = atoi(argv[3]);
    if (prefill < 1 || steps < 0 || prefill + steps > STEPS_MOST)
        peer_die("tokens", "too many, or none");
    fill_step_ids(ids, prefill + steps);
    peer_library_best(argv[4], variant, sizeof variant);
    printf("%s\n", variant);
    peer_library_open(&library, argv[4], variant, false);
    struct llama_model *model = peer_model_load(&library, argv[1]);
    struct peer_context_params params = library.api.llama_context_default_params();
    params.n_ctx = STEPS_MOST;
    params.n_threads = params.n_threads_batch = 1;
    struct llama_context *context = library.api.llama_init_from_model(model, params);
    if (!context)
        peer_die(argv[1], "llama.cpp makes no context for it");
    struct peer_batch batch = library.api.llama_batch_init(STEPS_MOST, 0, 1);
    decode(&library, context, &batch, ids, 0, prefill);
    for (int i = 0; i < steps; i++)
        decode(&library, context, &batch, ids, prefill + i, 1);
    return 0;
}
