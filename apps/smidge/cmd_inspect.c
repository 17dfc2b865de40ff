/* smidge inspect: what is in a model file, and what this processor can do. */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "cli.h"
#include "smidge/tools.h"

typedef struct inspect_options {
    bool json;
    bool verify;
    bool cpu;
    bool all;
} inspect_options;

static void close_file(smidge_file **file)
{
    smidge_file_close(*file);
}

/* ---- The processor -------------------------------------------------------------------------------------- */

static int inspect_cpu(bool json)
{
    smidge_cpu_info info = {.size = sizeof info};
    smidge_cpu_describe(&info);
    if (json) {
        json_t *object = json_pack("{s:s, s:i, s:s, s:s}", "processor", info.model, "cores", (int)info.cores,
                                   "path", info.best, "paths", info.paths);
        json_dumpf(object, stdout, JSON_INDENT(2));
        fputc('\n', stdout);
        json_decref(object);
    } else {
        printf("processor  %s\n", info.model[0] != '\0' ? info.model : "unknown");
        printf("cores      %d physical, for this process\n", (int)info.cores);
        printf("path       %s, the best that this processor and system support\n", info.best);
        printf("available  %s (choose with --cpu)\n", info.paths);
    }
    return cli_close_output(EXIT_OK);
}

/* ---- A model -------------------------------------------------------------------------------------------- */

/* What a tensor is for, by its name. */
typedef enum group { ATTENTION, FEED_FORWARD, EMBEDDING, OUTPUT, NORMS, OTHER, GROUPS } group;

static const char *const group_names[GROUPS] = {[ATTENTION] = "attention", [FEED_FORWARD] = "feed-forward",
                                                [EMBEDDING] = "embedding", [OUTPUT] = "output",
                                                [NORMS] = "norms",         [OTHER] = "other"};

static group group_of(const char *name)
{
    if (strstr(name, "norm") != NULL)
        return NORMS;
    if (strstr(name, "attn") != NULL)
        return ATTENTION;
    if (strstr(name, "ffn") != NULL)
        return FEED_FORWARD;
    if (strncmp(name, "token_embd", 10) == 0)
        return EMBEDDING;
    return strncmp(name, "output", 6) == 0 ? OUTPUT : OTHER;
}

/* How many tensors of a group have each type, and their bytes: "Q4_1" 210, 67.2 MiB. */
typedef struct type_sum {
    group group;
    char name[16];
    uint64_t count;
    uint64_t bytes;
} type_sum;

enum { MAX_TYPES = 32 * GROUPS };

/* `grouped`: each group for itself; else all types together. In the order of groups. */
static size_t sum_types(const smidge_file *file, uint64_t tensor_count, bool grouped,
                        type_sum sums[MAX_TYPES])
{
    size_t types = 0;
    for (group wanted = 0; wanted < (grouped ? GROUPS : 1); wanted++) {
        const size_t first = types;
        for (uint64_t i = 0; i < tensor_count; i++) {
            smidge_tensor_info tensor = {.size = sizeof tensor};
            if (smidge_file_tensor(file, i, &tensor, NULL) != SMIDGE_OK ||
                (grouped && group_of(tensor.name) != wanted))
                continue;
            size_t at = first;
            while (at < types && strcmp(sums[at].name, tensor.type) != 0)
                at++;
            if (at == MAX_TYPES)
                continue;
            if (at == types) {
                sums[types++].group = wanted;
                memcpy(sums[at].name, tensor.type, sizeof tensor.type);
            }
            sums[at].count++;
            sums[at].bytes += tensor.bytes;
        }
    }
    return types;
}

/* ---- Adapters ------------------------------------------------------------------------------------------- */

/* The kinds of matrices that an adapter is for: "attn_q, attn_v". */
static void list_targets(const smidge_file *file, uint64_t tensor_count, char ret_text[128])
{
    static const char *const kinds[] = {"attn_q.",   "attn_k.", "attn_v.",   "attn_qkv.", "attn_output.",
                                        "ffn_gate.", "ffn_up.", "ffn_down.", "output.w"};
    size_t length = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool there = false;
        for (uint64_t j = 0; j < tensor_count && !there; j++) {
            smidge_tensor_info tensor = {.size = sizeof tensor};
            if (smidge_file_tensor(file, j, &tensor, NULL) != SMIDGE_OK)
                continue;
            const char *found = strstr(tensor.name, kinds[i]);
            there = found != NULL && (found == tensor.name || found[-1] == '.');
        }
        if (there)
            length += (size_t)snprintf(ret_text + length, 128 - length, "%s%.*s", length > 0 ? ", " : "",
                                       (int)strcspn(kinds[i], "."), kinds[i]);
    }
    if (length == 0)
        snprintf(ret_text, 128, "others");
}

/* ---- Memory --------------------------------------------------------------------------------------------- */

/* What the model needs with 1024 tokens of context, or as many as it was trained for, and with all of those. */
typedef struct memory_needs {
    bool known;
    smidge_fit_result usual;
    smidge_fit_result full;
} memory_needs;

static void find_needs(smidge_file *file, const smidge_file_info *info, memory_needs *needs)
{
    const smidge_fit_options usual = {.size = sizeof usual};
    const smidge_fit_options full = {.size = sizeof full, .context = info->context};
    *needs = (memory_needs){.usual = {.size = sizeof needs->usual}, .full = {.size = sizeof needs->full}};
    needs->known = info->runs && smidge_fit(file, &usual, &needs->usual, NULL) == SMIDGE_OK &&
                   smidge_fit(file, &full, &needs->full, NULL) == SMIDGE_OK;
}

/* ---- In words ------------------------------------------------------------------------------------------- */

static void print_vocabulary(const smidge_file_info *info)
{
    if (info->tokens == 0 && info->tokenizer[0] == '\0') {
        printf("tokenizer     none in this file\n");
        return;
    }
    printf("tokenizer     %s, %" PRIu64 " tokens, %" PRIu64 " of them special", info->tokenizer, info->tokens,
           info->special_tokens);
    if (info->bos >= 0)
        printf(", BOS %" PRId64, info->bos);
    if (info->eos >= 0)
        printf(", EOS %" PRId64, info->eos);
    printf("\nchat          %s\n", info->has_template > 0 ? info->chat_template
                                   : info->has_template < 0
                                       ? "a template that is not recognised (run --chat wants "
                                         "--template; see docs/chat.md)"
                                       : "no template: a base model, or none was kept");
}

static void print_needs(const memory_needs *needs)
{
    char usual[32], full[32];
    if (!needs->known)
        return;
    printf("memory        %s with a context of %d", cli_bytes((double)needs->usual.need, usual),
           (int)needs->usual.context);
    if (needs->full.context != needs->usual.context)
        printf(", %s with all %d", cli_bytes((double)needs->full.need, full), (int)needs->full.context);
    printf(" (smidge fit says whether that fits)\n");
}

static void print_dimensions(const smidge_file_info *info)
{
    printf("layers        %d\n", (int)info->layers);
    printf("width         %d\n", (int)info->width);
    printf("feed-forward  %d\n", (int)info->feed_forward);
    printf("heads         %d of %d, on %d for keys and values\n", (int)info->heads, (int)info->head_size,
           (int)info->kv_heads);
    if (info->window > 0)
        printf("window        %d positions\n", (int)info->window);
    printf("vocabulary    %d tokens\n", (int)info->vocabulary);
    printf("context       %d tokens\n", (int)info->context);
}

static void print_types(const smidge_file *file, uint64_t tensor_count, bool grouped)
{
    type_sum sums[MAX_TYPES] = {0};
    size_t types = sum_types(file, tensor_count, grouped, sums);
    for (size_t i = 0; i < types; i++) {
        char bytes[32];
        const bool first = i == 0 || sums[i].group != sums[i - 1].group;
        printf("%-13s %s %" PRIu64 " tensor%s, %s\n",
               !first    ? ""
               : grouped ? group_names[sums[i].group]
                         : "all tensors",
               sums[i].name, sums[i].count, sums[i].count == 1 ? "" : "s",
               cli_bytes((double)sums[i].bytes, bytes));
    }
}

/* What an adapter does, in place of what makes a model. */
static void print_adapter(const smidge_file *file, const smidge_file_info *info)
{
    char targets[128];
    list_targets(file, info->tensor_count, targets);
    printf("base          %s\n", info->lora_base[0] != '\0' ? info->lora_base : "not named in the file");
    printf("adapts        %" PRIu64 " matrices: %s\n", info->lora_pairs, targets);
    printf("rank          %d\n", (int)info->lora_rank);
    if (info->lora_alpha > 0.0F)
        printf("alpha         %g\n", (double)info->lora_alpha);
    else
        printf("alpha         none\n");
    print_types(file, info->tensor_count, false);
    printf("runs          with its base: smidge run -m BASE --lora FILE, or merged: smidge merge\n");
}

static void print_text(const smidge_file *file, const smidge_file_info *info, const memory_needs *needs,
                       const smidge_error *reason)
{
    char bytes[32];
    if (info->kind[0] != '\0' && strcmp(info->kind, "model") != 0)
        printf("kind          %s\n", info->kind);
    printf("architecture  %s\n", info->architecture[0] != '\0' ? info->architecture : "unknown");
    printf("name          %s\n", info->name[0] != '\0' ? info->name : "none");
    printf("type          %s\n", info->type);
    printf("size          %s, %.2f M parameters\n", cli_bytes((double)info->file_bytes, bytes),
           (double)info->parameters / 1e6);
    printf("id            %s\n", info->id);
    printf("format        GGUF version %" PRIu32 ", %" PRIu64 " keys, %" PRIu64 " tensors, alignment %" PRIu32
           "\n",
           info->version, info->key_count, info->tensor_count, info->alignment);
    if (info->temperature != 1.0F)
        printf("temperature   %g\n", (double)info->temperature);
    if (info->lora_pairs > 0) {
        print_adapter(file, info);
        return;
    }
    if (info->runs)
        print_dimensions(info);
    print_vocabulary(info);
    print_types(file, info->tensor_count, true);
    print_types(file, info->tensor_count, false);
    print_needs(needs);
    if (info->runs)
        printf("runs          yes\n");
    else
        printf("runs          no: %s\n", reason->message);
}

static void print_all(const smidge_file *file, const smidge_file_info *info)
{
    printf("\nkeys\n");
    for (uint64_t i = 0; i < info->key_count; i++) {
        smidge_key_info key = {.size = sizeof key};
        if (smidge_file_key(file, i, &key, NULL) == SMIDGE_OK)
            printf("  %-42s %-16s %s\n", key.name, key.type, key.value);
    }
    printf("\ntensors\n");
    for (uint64_t i = 0; i < info->tensor_count; i++) {
        smidge_tensor_info tensor = {.size = sizeof tensor};
        if (smidge_file_tensor(file, i, &tensor, NULL) != SMIDGE_OK)
            continue;
        printf("  %-32s %-7s", tensor.name, tensor.type);
        for (uint32_t d = 0; d < tensor.dims; d++)
            printf("%s%" PRIu64, d == 0 ? " " : " x ", tensor.shape[d]);
        printf("\n");
    }
}

static json_t *json_of_types(const smidge_file *file, uint64_t tensor_count)
{
    type_sum sums[MAX_TYPES] = {0};
    size_t types = sum_types(file, tensor_count, false, sums);
    json_t *object = json_object();
    for (size_t i = 0; i < types; i++)
        json_object_set_new(object, sums[i].name,
                            json_pack("{s:I, s:I}", "tensors", (json_int_t)sums[i].count, "bytes",
                                      (json_int_t)sums[i].bytes));
    return object;
}

/* {"attention": {"Q4_K": {"tensors": 1, "bytes": 2}}} */
static json_t *json_of_groups(const smidge_file *file, uint64_t tensor_count)
{
    type_sum sums[MAX_TYPES] = {0};
    size_t types = sum_types(file, tensor_count, true, sums);
    json_t *object = json_object();
    for (size_t i = 0; i < types; i++) {
        const char *name = group_names[sums[i].group];
        if (json_object_get(object, name) == NULL)
            json_object_set_new(object, name, json_object());
        json_object_set_new(json_object_get(object, name), sums[i].name,
                            json_pack("{s:I, s:I}", "tensors", (json_int_t)sums[i].count, "bytes",
                                      (json_int_t)sums[i].bytes));
    }
    return object;
}

/* Text from a file may be any bytes; JSON is UTF-8. */
static json_t *json_of_text(const char *text)
{
    json_t *string = json_string(text);
    return string != NULL ? string : json_string("(not UTF-8)");
}

static json_t *json_of_id(int64_t id)
{
    return id >= 0 ? json_integer((json_int_t)id) : json_null();
}

static json_t *json_of_need(const memory_needs *needs, const smidge_fit_result *result)
{
    if (!needs->known)
        return json_null();
    return json_pack("{s:i, s:I}", "context", (int)result->context, "bytes", (json_int_t)result->need);
}

/* What can be said of any file. `verified`: NULL where nobody asked. */
static void add_more(json_t *object, const smidge_file *file, const smidge_file_info *info,
                     const memory_needs *needs, json_t *verified)
{
    json_object_update_new(object,
                           json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:I, s:o}",
                                     "kind", info->kind[0] != '\0' ? json_of_text(info->kind) : json_null(),
                                     "groups", json_of_groups(file, info->tensor_count), "tokenizer",
                                     info->tokenizer[0] != '\0' ? json_of_text(info->tokenizer) : json_null(),
                                     "pre_tokenizer",
                                     info->pre[0] != '\0' ? json_of_text(info->pre) : json_null(), "tokens",
                                     (json_int_t)info->tokens, "special_tokens",
                                     (json_int_t)info->special_tokens, "bos", json_of_id(info->bos), "eos",
                                     json_of_id(info->eos), "chat_template",
                                     info->has_template > 0   ? info->chat_template
                                     : info->has_template < 0 ? "not recognised"
                                                              : "none",
                                     "memory", json_of_need(needs, &needs->usual), "memory_full_context",
                                     json_of_need(needs, &needs->full), "verified",
                                     verified != NULL ? verified : json_null(), "alignment",
                                     (json_int_t)info->alignment, "damage", json_null()));
}

static void print_json(const smidge_file *file, const smidge_file_info *info, const memory_needs *needs,
                       const smidge_error *reason, const smidge_error *damage, bool verified)
{
    json_t *object = json_pack("{s:o, s:o, s:s, s:s, s:I, s:I, s:i, s:I, s:I, s:o, s:b, s:o}", "architecture",
                               json_of_text(info->architecture), "name", json_of_text(info->name), "type",
                               info->type, "id", info->id, "size_bytes", (json_int_t)info->file_bytes,
                               "n_params", (json_int_t)info->parameters, "gguf_version", (int)info->version,
                               "keys", (json_int_t)info->key_count, "tensors", (json_int_t)info->tensor_count,
                               "types", json_of_types(file, info->tensor_count), "runs", info->runs, "reason",
                               info->runs ? json_null() : json_of_text(reason->message));
    if (info->runs)
        json_object_update_new(object, json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "layers",
                                                 (int)info->layers, "width", (int)info->width, "feed_forward",
                                                 (int)info->feed_forward, "heads", (int)info->heads,
                                                 "kv_heads", (int)info->kv_heads, "head_size",
                                                 (int)info->head_size, "vocabulary", (int)info->vocabulary,
                                                 "context", (int)info->context, "window", (int)info->window));
    if (info->temperature != 1.0F)
        json_object_set_new(object, "temperature", json_real((double)info->temperature));
    if (info->lora_pairs > 0) {
        char targets[128];
        list_targets(file, info->tensor_count, targets);
        json_object_set_new(object, "lora",
                            json_pack("{s:I, s:s, s:i, s:f, s:f, s:o}", "matrices",
                                      (json_int_t)info->lora_pairs, "targets", targets, "rank",
                                      (int)info->lora_rank, "alpha", (double)info->lora_alpha, "temperature",
                                      (double)info->temperature, "base",
                                      info->lora_base[0] != '\0' ? json_of_text(info->lora_base)
                                                                 : json_null()));
    }
    add_more(object, file, info, needs, verified ? json_boolean(damage->code == SMIDGE_OK) : NULL);
    if (damage->code != SMIDGE_OK)
        json_object_set_new(object, "damage", json_of_text(damage->message));
    json_dumpf(object, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
    json_decref(object);
}

static int inspect_file(const char *path, const inspect_options *options)
{
    __attribute__((cleanup(close_file))) smidge_file *file = NULL;
    smidge_error error;
    smidge_error reason = {0};
    if (smidge_file_open(path, &file, &error) != SMIDGE_OK)
        return cli_fail(&error);
    smidge_file_info info = {.size = sizeof info};
    smidge_file_describe(file, &info);
    (void)!smidge_file_check(file, &reason); /* info.runs says it too; this says why */
    memory_needs needs;
    find_needs(file, &info, &needs);
    smidge_error damage = {0};
    if (!options->json)
        print_text(file, &info, &needs, &reason);
    if (options->all && !options->json)
        print_all(file, &info);
    fflush(stdout);
    if (options->verify)
        (void)!smidge_file_verify(file, &damage); /* its code says it */
    if (options->json)
        print_json(file, &info, &needs, &reason, &damage, options->verify);
    if (damage.code != SMIDGE_OK) {
        fflush(stdout);
        return cli_close_output(cli_fail(&damage));
    }
    if (options->verify && !options->json)
        printf("verified      every weight is a finite number\n");
    return cli_close_output(EXIT_OK);
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    inspect_options options = {0};
    const cli_flag flags[] = {
        {"--json", CLI_FLAG, &options.json, NULL, "print JSON"},
        {"--verify", CLI_FLAG, &options.verify, NULL, "read every weight and look for damage"},
        {"--all", CLI_FLAG, &options.all, NULL, "list every key and tensor"},
        {"--cpu", CLI_FLAG, &options.cpu, NULL, "instead of a file: what this processor can do"},
    };
    const char *path = NULL;
    size_t count = 0;
    int status = cli_parse(&cli_inspect, flags, sizeof flags / sizeof *flags, argc, argv, &path, 1, &count);
    if (status >= 0)
        return status;
    if (options.cpu && count == 0)
        return inspect_cpu(options.json);
    if (count == 0 || options.cpu)
        return cli_misuse(&cli_inspect, "MODEL", options.cpu ? "and --cpu exclude each other" : "is missing");
    return inspect_file(path, &options);
}

const cli_command cli_inspect = {
    .name = "inspect",
    .usage = "(MODEL | --cpu) [flags]",
    .summary = "say what is in a model file, or what this processor can do",
    .run = run,
};
