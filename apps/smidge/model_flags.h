/* Flags that every command with a model has, and opening it by them. */
#ifndef SMIDGE_MODEL_FLAGS_H
#define SMIDGE_MODEL_FLAGS_H

#include "cli.h"

typedef struct model_flags {
    const char *path;
    int32_t threads;
    const char *kv;
    const char *cpu;
    uint64_t memory_limit;
    bool force;
    const char *lora;
    const char *lora_scale; /* model_check reads it */
} model_flags;

#define MODEL_FLAGS(flags)                                                                                   \
    {"-m,--model", CLI_TEXT, &(flags).path, "FILE", "the model, a GGUF file"},                               \
        {"-t,--threads", CLI_INT, &(flags).threads, "N",                                                     \
         "threads (default: physical cores minus one, at least one)"},                                       \
        {"--lora", CLI_TEXT, &(flags).lora, "FILE", "a LoRA adapter for the model, a GGUF file"},            \
        {"--lora-scale", CLI_TEXT, &(flags).lora_scale, "S", "how much of the adapter (default 1)"},         \
        {"--kv", CLI_TEXT, &(flags).kv, "TYPE", "KV cache as f16, f32 or q8_0 (default f16)"},               \
        {"--memory-limit", CLI_BYTES, &(flags).memory_limit, "SIZE",                                         \
         "refuse to take more than this, e.g. 900M"},                                                        \
        {"--force", CLI_FLAG, &(flags).force, NULL, "use more than 70 % of RAM, if it is there"},            \
    {                                                                                                        \
        "--cpu", CLI_TEXT, &(flags).cpu, "PATH",                                                             \
            "kernels to use (default auto; smidge inspect --cpu lists them)"                                 \
    }

/* -1 to go on, or the exit status after a usage error. */
int model_check(const cli_command *command, const model_flags *flags);
/* The smidge_kv_type of flags that were checked. */
int32_t model_kv_type(const model_flags *flags);
smidge_status model_open(const model_flags *flags, int64_t deadline_ns, smidge_model **ret_model,
                         smidge_error *error);
smidge_status model_session(const model_flags *flags, smidge_model *model, int32_t context,
                            smidge_session **ret_session, smidge_error *error);

#endif
