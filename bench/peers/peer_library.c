#define _GNU_SOURCE
#include "peer_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void peer_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(1);
}

static void *find_symbol(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    if (!symbol)
        peer_die(name, "not in the peer's libraries (another version?)");
    return symbol;
}

/* ISO C has no cast from void* to a function pointer, so the bytes are copied. */
#define LOAD(api, library, name)                                                                             \
    do {                                                                                                     \
        void *symbol_ = find_symbol(library, #name);                                                         \
        memcpy(&(api)->name, &symbol_, sizeof symbol_);                                                      \
    } while (0)

/* Other libraries may need its symbols. */
static void *open_library(const char *folder, const char *pattern, const char *advice)
{
    char path[4096];
    glob_t found;
    snprintf(path, sizeof path, "%s/%s", folder, pattern);
    if (glob(path, 0, NULL, &found) != 0)
        peer_die(path, advice);
    void *library = dlopen(found.gl_pathv[0], RTLD_NOW | RTLD_GLOBAL);
    globfree(&found);
    if (!library)
        peer_die(path, dlerror());
    return library;
}

/* Not below 0; 0 where this processor cannot run it. */
static int score_of(const char *path)
{
    int (*score)(void) = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "ggml_backend_score") : NULL;
    int value = 0;
    if (symbol) {
        memcpy(&score, &symbol, sizeof symbol);
        value = score();
    }
    if (library)
        dlclose(library);
    return value;
}

void peer_library_best(const char *folder, char *ret_name, size_t room)
{
    char pattern[4096];
    glob_t found;
    int best = 0;
    (void)open_library(folder, "libggml-base.so*", "is missing (see libs.sh)");
    snprintf(pattern, sizeof pattern, "%s/libggml-cpu-*.so", folder);
    if (glob(pattern, 0, NULL, &found) != 0)
        peer_die(pattern, "there are no CPU variants here");
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int score = score_of(found.gl_pathv[i]);
        if (score <= best)
            continue;
        best = score;
        const char *name = strstr(found.gl_pathv[i], "libggml-cpu-") + strlen("libggml-cpu-");
        snprintf(ret_name, room, "%.*s", (int)(strlen(name) - strlen(".so")), name);
    }
    globfree(&found);
    if (best == 0)
        peer_die(folder, "no variant runs on this processor");
}

static void load_llama(struct peer_api *api, void *llama)
{
    LOAD(api, llama, llama_backend_init);
    LOAD(api, llama, llama_log_set);
    LOAD(api, llama, llama_model_default_params);
    LOAD(api, llama, llama_context_default_params);
    LOAD(api, llama, llama_model_load_from_file);
    LOAD(api, llama, llama_model_free);
    LOAD(api, llama, llama_model_get_vocab);
    LOAD(api, llama, llama_vocab_n_tokens);
    LOAD(api, llama, llama_init_from_model);
    LOAD(api, llama, llama_free);
    LOAD(api, llama, llama_adapter_lora_init);
    LOAD(api, llama, llama_set_adapters_lora);
    LOAD(api, llama, llama_get_memory);
    LOAD(api, llama, llama_memory_clear);
    LOAD(api, llama, llama_memory_seq_rm);
    LOAD(api, llama, llama_memory_seq_cp);
    LOAD(api, llama, llama_tokenize);
    LOAD(api, llama, llama_batch_init);
    LOAD(api, llama, llama_batch_free);
    LOAD(api, llama, llama_decode);
    LOAD(api, llama, llama_synchronize);
    LOAD(api, llama, llama_get_logits_ith);
    LOAD(api, llama, llama_attach_threadpool);
    LOAD(api, llama, ggml_backend_load);
    LOAD(api, llama, ggml_threadpool_params_default);
}

static void discard_log(int level, const char *text, void *data)
{
    (void)level;
    (void)text;
    (void)data;
}

/* The libraries tell no layout version. Defaults with recognisable values on both sides of every place where a field
 * was added or removed between versions give a moved field away. */
static void check_layout(const struct peer_api *api)
{
    struct peer_model_params model = api->llama_model_default_params();
    struct peer_context_params context = api->llama_context_default_params();
    struct peer_threadpool_params pool = api->ggml_threadpool_params_default(3);
    bool model_ok = model.n_gpu_layers == -1 && model.split_mode == 1 && model.main_gpu == 0 &&
                    !model.vocab_only && !model.check_tensors && model.use_extra_buffers && !model.no_host &&
                    !model.no_alloc && !model.kv_overrides;
    bool context_ok = context.n_ctx == 512 && context.n_batch == 2048 && context.n_ubatch == 512 &&
                      context.n_seq_max == 1 && context.n_threads == 4 && context.n_threads_batch == 4 &&
                      context.rope_scaling_type == -1 && context.flash_attention == PEER_FLASH_AUTO &&
                      context.defrag_threshold == -1.0F && context.type_k == PEER_TYPE_F16 &&
                      context.type_v == PEER_TYPE_F16 && !context.embeddings && context.offload_kqv &&
                      context.no_perf && !context.kv_unified;
    bool pool_ok = pool.n_threads == 3 && pool.poll == 50 && !pool.strict_cpu && !pool.paused;
    if (!model_ok || !context_ok || !pool_ok)
        peer_die("parameter layout", "not that of llama.cpp v0.5.0 (update llama_peer.h to this version)");
}

void peer_library_open(struct peer_library *library, const char *folder, const char *variant, bool verbose)
{
    struct peer_api *api = &library->api;
    char path[4096];
    load_llama(api, open_library(folder, "libllama.*so*", "is missing (see libs.sh)"));
    if (!verbose)
        api->llama_log_set(discard_log, NULL);
    snprintf(path, sizeof path, "%s/libggml-cpu-%s.so", folder, variant);
    if (!api->ggml_backend_load(path))
        peer_die(path, "cannot be loaded, or this processor cannot run it");
    library->cpu = dlopen(path, RTLD_NOW);
    if (!library->cpu)
        peer_die(path, dlerror());
    LOAD(api, library->cpu, ggml_threadpool_new);
    LOAD(api, library->cpu, ggml_threadpool_free);
    api->llama_backend_init();
    check_layout(api);
}

struct llama_model *peer_model_load_as(const struct peer_library *library, const char *path, bool repack,
                                       bool vocabulary_only)
{
    struct peer_model_params params = library->api.llama_model_default_params();
    params.n_gpu_layers = 0;
    params.use_extra_buffers = repack;
    params.vocab_only = vocabulary_only;
    struct llama_model *model = library->api.llama_model_load_from_file(path, params);
    if (!model)
        peer_die(path, "llama.cpp does not load it (--verbose says why)");
    return model;
}

struct llama_model *peer_model_load(const struct peer_library *library, const char *path)
{
    return peer_model_load_as(library, path, true, false);
}

void peer_batch_add(struct peer_batch *batch, int32_t token, int position, int sequence, bool wanted)
{
    int at = batch->n_tokens++;
    batch->token[at] = token;
    batch->position[at] = position;
    batch->n_seq_id[at] = 1;
    batch->seq_id[at][0] = sequence;
    batch->want_logits[at] = wanted;
}
