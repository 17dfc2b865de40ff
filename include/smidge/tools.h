/* smidge's tools: looking into model files, at this processor, and measuring speed.
 *
 * The conventions of smidge.h hold here too: statuses and errors, sizes in structs, lengths with texts. A
 * smidge_file belongs to one thread at a time.
 */
#ifndef SMIDGE_TOOLS_H
#define SMIDGE_TOOLS_H

#include "smidge/smidge.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Model files ------------------------------------------------------------------------------------- */

/* An open GGUF file: any that is sound, even one whose family the engine does not run or that holds a
 * vocabulary only. */
typedef struct smidge_file smidge_file;

/* Errors: IO, FORMAT (damaged: where and how), UNSUPPORTED (version, tensor type, split file), NOMEM. */
SMIDGE_API smidge_status smidge_file_open(const char *path, smidge_file **ret_file, smidge_error *error)
    SMIDGE_MUST_CHECK;
/* Takes NULL. */
SMIDGE_API void smidge_file_close(smidge_file *file);

typedef struct smidge_file_info {
    size_t size;
    uint32_t version;
    uint32_t alignment;
    uint64_t file_bytes;
    uint64_t tensor_bytes;
    uint64_t parameters;
    uint64_t key_count;
    uint64_t tensor_count;
    char architecture[32];
    char name[128];
    char type[32];      /* "Q4_K_M"; "vocabulary only" */
    char id[17];        /* as smidge_model_id's */
    char tokenizer[32]; /* model and pre-tokenizer: "gpt2/smollm", "llama" */
    /* What follows is 0 where `runs` is 0. */
    int32_t runs; /* whether the engine can run it; if not, smidge_file_check says why */
    int32_t layers;
    int32_t width;
    int32_t feed_forward;
    int32_t heads;
    int32_t kv_heads;
    int32_t head_size;
    int32_t vocabulary;
    int32_t context;
    int32_t window; /* of sliding-window attention; 0: none */
    /* And this again of every file. */
    char kind[16];           /* general.type: "model", "adapter", "imatrix"; "" if the file does not say */
    char pre[32];            /* pre-tokenizer, of BPE; "" where there is none */
    int32_t has_template;    /* a chat template: 0 none, 1 recognised, -1 not recognised */
    char chat_template[32];  /* its name where it is recognised */
    uint64_t tokens;         /* of the vocabulary; 0: none */
    uint64_t special_tokens; /* of these: control tokens and those that users defined */
    int64_t bos;             /* ids; -1: not stated */
    int64_t eos;
    /* Of a LoRA adapter; 0 of all others. */
    uint64_t lora_pairs; /* matrices that it adapts */
    int32_t lora_rank;   /* the largest */
    float lora_alpha;    /* products gain alpha / rank * B (A x); 0: B (A x) */
    float temperature;   /* that the logits of labels are divided by, of models too; 1: as they are */
    char lora_base[128]; /* the model that it was trained on, as the file says; "" if it does not */
} smidge_file_info;

SMIDGE_API void smidge_file_describe(smidge_file *file, smidge_file_info *ret_info);

/* OK where the engine can run this file; else the error that opening it as a model would give. */
SMIDGE_API smidge_status smidge_file_check(smidge_file *file, smidge_error *error) SMIDGE_MUST_CHECK;
/* Reads every weight: FORMAT naming the first tensor that holds something that is not a finite number. */
SMIDGE_API smidge_status smidge_file_verify(smidge_file *file, smidge_error *error) SMIDGE_MUST_CHECK;

typedef struct smidge_tensor_info {
    size_t size;
    char name[128];
    char type[16];
    uint32_t dims;
    uint64_t shape[4]; /* shape[0] is the row length */
    uint64_t bytes;
    uint64_t offset; /* in the file */
} smidge_tensor_info;

typedef struct smidge_key_info {
    size_t size;
    char name[128];
    char type[32]; /* "u32", "string", "array of f32" */
    char value
        [256]; /* as text, cut with "..." where it is longer; of arrays the length and the first elements */
} smidge_key_info;

/* In the file's order. Errors: INVALID (no such number). */
SMIDGE_API smidge_status smidge_file_tensor(const smidge_file *file, uint64_t number,
                                            smidge_tensor_info *ret_info, smidge_error *error)
    SMIDGE_MUST_CHECK;
SMIDGE_API smidge_status smidge_file_key(const smidge_file *file, uint64_t number, smidge_key_info *ret_info,
                                         smidge_error *error) SMIDGE_MUST_CHECK;

/* Called now and then, with how much of the work is done. */
typedef void (*smidge_progress_fn)(void *context, uint64_t done, uint64_t total);

typedef struct smidge_repack_options {
    size_t size;
    int32_t plain;               /* 1: rows one by one again, as every other program has them */
    smidge_progress_fn progress; /* NULL: nobody asks */
    void *progress_context;
} smidge_repack_options;

/* Writes the file's model to `path` with the rows of its matrices interleaved in groups of 16, in the same bytes, so that
 * processors need not put them side by side themselves: same answers, faster. Only smidge reads that. NULL options:
 * defaults. The file appears when it is whole; holds 16 rows in memory. Errors: INVALID (nothing to do), IO, NOMEM. */
SMIDGE_API smidge_status smidge_file_repack(const smidge_file *file, const char *path,
                                            const smidge_repack_options *options, smidge_error *error)
    SMIDGE_MUST_CHECK;

typedef struct smidge_quantize_options {
    size_t size;
    const char *type; /* a mix of types by its usual name, in whatever case; NULL: "q4_k_m" */
    int32_t threads;  /* 0: all physical cores */
    int32_t
        requantize; /* 1: tensors that are quantized already, too, which loses more than quantizing once */
    smidge_progress_fn progress; /* NULL: nobody asks */
    void *progress_context;
    /* An importance matrix, GGUF or .dat: which errors matter. NULL: all alike. */
    const char *imatrix;
    /* Types for single tensors, "NAME=TYPE" each, before the mix: NAME is a part of their names or, with `*` in it for any text, the
     * whole name. The first that applies counts; at most 64. */
    const char *const *tensor_types;
    size_t tensor_type_count;
} smidge_quantize_options;

/* Writes the file's model to `path` with its matrices quantized; norms, biases and the like stay as they are. The types that a mix
 * gives to each tensor are llama.cpp's; the same bytes come out on every machine, with any number of threads. NULL options: defaults.
 * The file appears when it is whole; holds a few MiB a thread. Errors: INVALID (no such type, quantized already, interleaved rows, a
 * NAME that no tensor has, an importance matrix of another model), FORMAT (a weight that is not a finite number, or too large; a damaged
 * importance matrix), IO, NOMEM. */
SMIDGE_API smidge_status smidge_file_quantize(const smidge_file *file, const char *path,
                                              const smidge_quantize_options *options, smidge_error *error)
    SMIDGE_MUST_CHECK;

typedef struct smidge_convert_options {
    size_t size;
    /* As smidge_quantize_options: a mix by its name, or "f32", "f16", "bf16". NULL or "auto": 16 bits, BF16 where the source has that, else
     * F16. Adapters take the last three. */
    const char *type;
    int32_t threads; /* 0: all physical cores */
    /* For an adapter: the folder or the GGUF file of the model that it was trained on. NULL: the one that it names itself. */
    const char *base;
    smidge_progress_fn progress; /* NULL: nobody asks */
    void *progress_context;
    /* Called with what a person should know of the result, such as its chat template: one line each. May be NULL. */
    void (*note)(void *context, const char *text);
    void *note_context;
} smidge_convert_options;

/* Makes a GGUF file of a folder of the Hugging Face kind: config.json, the weights as safetensors, single or sharded, in F32, F16 or BF16, and
 * tokenizer.json or tokenizer.model. Keys, names and tensors are those of llama.cpp's converter. Quantizes on the way where `type` says so, into
 * the bytes that smidge_file_quantize makes of a file in F16. A folder with adapter_config.json is a LoRA adapter, PEFT's or MLX's.
 * The file appears when it is whole; holds the tokenizer and some rows. NULL options: defaults. Errors: UNSUPPORTED (a family, tokenizer or
 * rope scaling that the engine does not run, by name; pickled weights), FORMAT (damaged; sizes that are not config.json's; a tensor that is missing),
 * INVALID (no such type, no base), IO (a file or shard that is missing), NOMEM. */
SMIDGE_API smidge_status smidge_convert(const char *folder, const char *path,
                                        const smidge_convert_options *options, smidge_error *error)
    SMIDGE_MUST_CHECK;

/* As smidge_tokenize, for a file that needs no more than a vocabulary. */
SMIDGE_API smidge_status smidge_file_tokenize(smidge_file *file, const smidge_span *spans, size_t span_count,
                                              int32_t *ret_ids, size_t room, size_t *ret_count,
                                              smidge_error *error) SMIDGE_MUST_CHECK;
/* How the vocabulary spells a token; valid until the file is closed; "" and 0 for unknown ids. */
SMIDGE_API const char *smidge_file_token(smidge_file *file, int32_t id, size_t *ret_size);

/* ---- This machine ------------------------------------------------------------------------------------ */

typedef struct smidge_cpu_info {
    size_t size;
    char model[128]; /* as the kernel names it; "" if it does not */
    char best[16];   /* the kernel path that is taken: "avx512vnni" */
    char paths[128]; /* all that this machine can take, worst first, separated by spaces */
    int32_t cores;   /* physical ones that this process may run on */
} smidge_cpu_info;

SMIDGE_API void smidge_cpu_describe(smidge_cpu_info *ret_info);

/* ---- Whether it fits ----------------------------------------------------------------------------------- */

/* How fast this machine reads weights and how long its threads wait for each other. */
typedef struct smidge_machine_speed {
    size_t size;
    int32_t threads;
    double bandwidth; /* bytes a second, read in order */
    double phase_ns;  /* of one synchronisation of all threads */
    /* Bytes a second of products with weights of each type, by numbers that mean something to smidge_fit alone; 0 where it was
     * not measured. */
    double rates[64];
} smidge_machine_speed;

/* Measures that in about a second, with made-up weights in at most a quarter of the memory that is free. `file`: its types, its
 * rows, and as much of its size as matters; it is not read. NULL: the usual types. `threads` 0: the default. Errors: INVALID, NOMEM. */
SMIDGE_API smidge_status smidge_machine_measure(const smidge_file *file, int32_t threads,
                                                smidge_machine_speed *ret_speed, smidge_error *error)
    SMIDGE_MUST_CHECK;

/* A model by its dimensions, where there is no file. */
typedef struct smidge_fit_shape {
    size_t size;
    const char *name;         /* for messages */
    const char *architecture; /* as general.architecture has it */
    const char *type;         /* a mix: "q4_k_m" */
    uint64_t file_bytes;
    int32_t tied; /* 1: the embedding is the output matrix, too */
    int32_t layers;
    int32_t width;
    int32_t feed_forward;
    int32_t heads;
    int32_t kv_heads;
    int32_t head_size;
    int32_t vocabulary;
    int32_t context;
    int32_t window; /* of sliding-window attention; 0: none */
} smidge_fit_shape;

typedef struct smidge_fit_options {
    size_t size;
    int32_t context;       /* tokens; 0: 1024, or what the model was trained for where that is less */
    int32_t kv_type;       /* smidge_kv */
    int32_t threads;       /* 0: physical cores minus one, at least one */
    int32_t force;         /* 1: not the rule of 70 % */
    uint64_t memory_limit; /* bytes; 0: none */
    uint64_t ram; /* bytes of another machine, of which only the rule of 70 % is known; 0: this machine */
    /* What speed is predicted from: measured here, or else the bandwidth alone in bytes a second; without both none is. */
    const smidge_machine_speed *measured;
    double bandwidth;
    const smidge_fit_shape *shape; /* in place of a file */
    const char *lora_path;         /* an adapter that the file's model is to run with; NULL: none */
} smidge_fit_options;

/* Bytes, each part rounded up to what will be taken at most, and tokens a second. */
typedef struct smidge_fit_result {
    size_t size;
    uint64_t weights;
    uint64_t vocabulary;
    uint64_t kv;
    uint64_t scratch;
    uint64_t program;
    uint64_t need;    /* all of these */
    uint64_t allowed; /* the tightest limit … */
    char limit[48];   /* … and what it is: "70 % of RAM" */
    int32_t fits;
    char reason[512]; /* what opening it says where it does not fit; else "" */
    int32_t context;
    int32_t context_trained;
    int32_t context_most;      /* the longest that fits; 0: none does */
    int32_t context_most_q8_0; /* … with a KV cache as q8_0; 0 also where heads do not allow that */
    int32_t threads;
    uint64_t token_bytes;          /* weights that are read for a token */
    int32_t phases;                /* synchronisations of a token */
    double tokens_per_second;      /* of an answer's beginning; 0: unknown */
    double tokens_per_second_full; /* with a full context; 0: unknown */
} smidge_fit_result;

/* What a program with this model and one session needs, whether it gets that, by the decision that opening a model and a session
 * asks for, and how fast it will decode. `file` may be NULL where options->shape stands for it. OK also where it does not fit.
 * Errors: INVALID (options), UNSUPPORTED and FORMAT (as smidge_file_check), NOMEM. */
SMIDGE_API smidge_status smidge_fit(smidge_file *file, const smidge_fit_options *options,
                                    smidge_fit_result *ret_result, smidge_error *error) SMIDGE_MUST_CHECK;

/* ---- Measuring ---------------------------------------------------------------------------------------- */

/* Puts `prompt_tokens` random tokens through an emptied session, then decodes `tokens` more one by one (either may
 * be 0), and says how long each took. Errors: CONTEXT, INVALID, CANCELLED. */
SMIDGE_API smidge_status smidge_measure(smidge_session *session, int32_t prompt_tokens, int32_t tokens,
                                        uint64_t seed, int64_t *ret_prompt_ns, int64_t *ret_decode_ns,
                                        smidge_error *error) SMIDGE_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
