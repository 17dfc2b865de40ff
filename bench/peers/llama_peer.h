/*
 * The part of llama.cpp's C interface that the comparison needs, declared here because the prebuilt
 * package carries libraries and no headers. Layouts are those of llama.cpp v0.5.0 and are checked at run
 * time against the defaults which the library fills in (see peer_library.c), since a wrong guess would not
 * fail but compute something else.
 */
#ifndef SMIDGE_BENCH_LLAMA_PEER_H
#define SMIDGE_BENCH_LLAMA_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct llama_model;
struct llama_context;
struct llama_vocab;
struct llama_adapter_lora;

enum peer_ggml_type { PEER_TYPE_F32 = 0, PEER_TYPE_F16 = 1, PEER_TYPE_Q8_0 = 8 };
enum peer_flash { PEER_FLASH_AUTO = -1, PEER_FLASH_OFF = 0, PEER_FLASH_ON = 1 };

/* llama_model_params: 80 bytes. */
struct peer_model_params {
    void *devices;
    const void *buffer_overrides;
    int32_t n_gpu_layers;
    int32_t split_mode;
    int32_t load_mode;
    int32_t lazy_mode;
    int32_t main_gpu;
    const float *tensor_split;
    void *progress;
    void *progress_data;
    const void *kv_overrides;
    bool vocab_only;
    bool check_tensors;
    bool use_extra_buffers; /* repack weights for the CPU variant */
    bool no_host;
    bool no_alloc;
    bool load_mtp;
};

/* llama_context_params: 160 bytes. */
struct peer_context_params {
    uint32_t n_ctx;
    uint32_t n_batch;
    uint32_t n_ubatch;
    uint32_t n_seq_max;
    uint32_t n_rs_seq;
    uint32_t n_outputs_max;
    uint32_t n_outputs_max_per_seq;
    int32_t n_threads;
    int32_t n_threads_batch;
    int32_t context_type;
    int32_t rope_scaling_type;
    int32_t pooling_type;
    int32_t attention_type;
    int32_t flash_attention;
    float rope_freq_base;
    float rope_freq_scale;
    float yarn_ext_factor;
    float yarn_attn_factor;
    float yarn_beta_fast;
    float yarn_beta_slow;
    uint32_t yarn_orig_ctx;
    float defrag_threshold;
    void *eval_callback;
    void *eval_callback_data;
    int32_t type_k;
    int32_t type_v;
    void *abort_callback;
    void *abort_callback_data;
    bool embeddings;
    bool offload_kqv;
    bool no_perf;
    bool op_offload;
    bool swa_full;
    bool kv_unified;
    void *samplers;
    size_t n_samplers;
    void *other_context;
};

/* llama_batch: 56 bytes; every array has n_tokens entries. */
struct peer_batch {
    int32_t n_tokens;
    int32_t *token;
    float *embedding;
    int32_t *position;
    int32_t *n_seq_id;
    int32_t **seq_id;
    int8_t *want_logits;
};

_Static_assert(sizeof(struct peer_model_params) == 80, "llama_model_params");
_Static_assert(offsetof(struct peer_model_params, vocab_only) == 72, "llama_model_params");
_Static_assert(sizeof(struct peer_context_params) == 160, "llama_context_params");
_Static_assert(offsetof(struct peer_context_params, type_k) == 104, "llama_context_params");
_Static_assert(sizeof(struct peer_batch) == 56, "llama_batch");

/* ggml_threadpool_params: 528 bytes. */
struct peer_threadpool_params {
    bool cpu_mask[512];
    int n_threads;
    int priority;
    uint32_t poll;
    bool strict_cpu;
    bool paused;
};

_Static_assert(sizeof(struct peer_threadpool_params) == 528, "ggml_threadpool_params");

typedef void (*peer_log_callback)(int level, const char *text, void *data);

/* The functions used, under the library's names, filled in by dlsym. */
struct peer_api {
    void *(*ggml_backend_load)(const char *path);
    void (*llama_backend_init)(void);
    void (*llama_log_set)(peer_log_callback callback, void *data);
    struct peer_model_params (*llama_model_default_params)(void);
    struct peer_context_params (*llama_context_default_params)(void);
    struct llama_model *(*llama_model_load_from_file)(const char *path, struct peer_model_params params);
    void (*llama_model_free)(struct llama_model *model);
    const struct llama_vocab *(*llama_model_get_vocab)(const struct llama_model *model);
    int32_t (*llama_vocab_n_tokens)(const struct llama_vocab *vocab);
    struct llama_context *(*llama_init_from_model)(struct llama_model *model,
                                                   struct peer_context_params params);
    void (*llama_free)(struct llama_context *context);
    struct llama_adapter_lora *(*llama_adapter_lora_init)(struct llama_model *model, const char *path);
    int32_t (*llama_set_adapters_lora)(struct llama_context *context, struct llama_adapter_lora **adapters,
                                       size_t count, float *scales);
    void *(*llama_get_memory)(const struct llama_context *context);
    void (*llama_memory_clear)(void *memory, bool data);
    int32_t (*llama_tokenize)(const struct llama_vocab *vocab, const char *text, int32_t text_length,
                              int32_t *tokens, int32_t n_tokens_max, bool add_special, bool parse_special);
    struct peer_batch (*llama_batch_init)(int32_t n_tokens, int32_t n_embedding, int32_t n_seq_max);
    void (*llama_batch_free)(struct peer_batch batch);
    int32_t (*llama_decode)(struct llama_context *context, struct peer_batch batch);
    float *(*llama_get_logits_ith)(struct llama_context *context, int32_t i);
    bool (*llama_memory_seq_rm)(void *memory, int32_t seq, int32_t first, int32_t end);
    void (*llama_memory_seq_cp)(void *memory, int32_t from, int32_t to, int32_t first, int32_t end);
    void (*llama_synchronize)(struct llama_context *context);
    void (*llama_attach_threadpool)(struct llama_context *context, void *pool, void *batch_pool);
    struct peer_threadpool_params (*ggml_threadpool_params_default)(int n_threads);
    void *(*ggml_threadpool_new)(struct peer_threadpool_params *params);
    void (*ggml_threadpool_free)(void *pool);
};

#endif
