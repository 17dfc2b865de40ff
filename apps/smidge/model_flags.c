#include "model_flags.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The KV type that a flag names; -1 if none. */
static int32_t kv_type(const char *name)
{
    static const char *const names[] =
        {[SMIDGE_KV_F16] = "f16", [SMIDGE_KV_F32] = "f32", [SMIDGE_KV_Q8_0] = "q8_0"};
    if (name == NULL)
        return SMIDGE_KV_F16;
    for (int32_t type = 0; type <= SMIDGE_KV_Q8_0; type++) {
        if (strcmp(name, names[type]) == 0)
            return type;
    }
    return -1;
}

/* 0 where it is no number but 0; unless given, 1. */
static float lora_scale(const char *text)
{
    char *end = NULL;
    if (text == NULL)
        return 1.0F;
    const float scale = strtof(text, &end);
    return end == text || *end != '\0' || !isfinite(scale) ? 0.0F : scale;
}

int32_t model_kv_type(const model_flags *flags)
{
    return kv_type(flags->kv);
}

int model_check(const cli_command *command, const model_flags *flags)
{
    if (flags->path == NULL)
        return cli_misuse(command, "-m", "is missing: which model?");
    if (kv_type(flags->kv) < 0)
        return cli_misuse(command, flags->kv, "is not f16, f32 or q8_0");
    if (flags->lora_scale != NULL && flags->lora == NULL)
        return cli_misuse(command, "--lora-scale", "says how much of an adapter: which (--lora FILE)?");
    if (flags->lora_scale != NULL && lora_scale(flags->lora_scale) == 0.0F)
        return cli_misuse(command, flags->lora_scale,
                          "is not how much of an adapter (such as 1 or 0.5, but not 0)");
    return -1;
}

smidge_status model_open(const model_flags *flags, int64_t deadline_ns, smidge_model **ret_model,
                         smidge_error *error)
{
    smidge_model_options options;
    smidge_model_options_init(&options);
    options.threads = flags->threads;
    options.force = flags->force;
    options.memory_limit = flags->memory_limit;
    options.deadline_ns = deadline_ns;
    options.cpu = flags->cpu;
    options.lora_path = flags->lora;
    options.lora_scale = lora_scale(flags->lora_scale);
    return smidge_model_open(flags->path, &options, ret_model, error);
}

smidge_status model_session(const model_flags *flags, smidge_model *model, int32_t context,
                            smidge_session **ret_session, smidge_error *error)
{
    smidge_session_options options;
    smidge_session_options_init(&options);
    options.context = context;
    options.kv_type = kv_type(flags->kv);
    return smidge_session_new(model, &options, ret_session, error);
}
