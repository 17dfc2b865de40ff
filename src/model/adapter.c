#include "model/adapter.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "quant/dequantize.h"

#define NAME_ROOM 1100 /* longer names are not taken by the reader */

static const char a_ending[] = ".lora_a", b_ending[] = ".lora_b";

/* ---- Names ---------------------------------------------------------------------------------------------- */

/* Whether a tensor's name is that of a matrix and `ending`; the matrix's name. */
static bool split_name(smg_text name, const char *ending, char ret_base[NAME_ROOM])
{
    const size_t tail = strlen(ending);
    if (name.size <= tail || name.size >= NAME_ROOM || memchr(name.data, '\0', name.size) != NULL ||
        memcmp(name.data + name.size - tail, ending, tail) != 0)
        return false;
    memcpy(ret_base, name.data, name.size - tail);
    ret_base[name.size - tail] = '\0';
    return true;
}

static const smg_gguf_tensor *find_half(const smg_gguf *file, const char *base, const char *ending)
{
    char name[NAME_ROOM + sizeof a_ending];
    snprintf(name, sizeof name, "%s%s", base, ending);
    return smg_gguf_find_tensor(file, name);
}

/* ---- Keys ----------------------------------------------------------------------------------------------- */

static bool is_text(smg_text text, const char *value)
{
    return text.size == strlen(value) && memcmp(text.data, value, text.size) == 0;
}

static bool key_is(const smg_gguf *file, const char *key, const char *value)
{
    smg_text text = {.data = "", .size = 0};
    return smg_gguf_get_text(file, key, &text, NULL, NULL) == SMIDGE_OK && is_text(text, value);
}

static int text_shown(smg_text text)
{
    return (int)(text.size < 64 ? text.size : 64);
}

static smidge_status check_keys(const smg_gguf *file, const smg_gguf *base, smidge_error *error)
{
    smg_text kind = {.data = "", .size = 0}, ours = kind, theirs = kind;
    if (!key_is(file, "general.type", "adapter"))
        return smg_error_set(
            error, SMIDGE_E_INVALID, file->path,
            "is not a LoRA adapter (a folder of PEFT or MLX becomes one by smidge convert; a "
            "model goes behind -m)");
    SMG_TRY(smg_gguf_get_text(file, "adapter.type", &kind, NULL, error));
    if (!is_text(kind, "lora"))
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, file->path,
                             "is an adapter of the type \"%.*s\" (only lora is applied)", text_shown(kind),
                             kind.data);
    if (smg_gguf_find(file, "adapter.alora.invocation_tokens") != NULL)
        return smg_error_set(
            error, SMIDGE_E_UNSUPPORTED, file->path,
            "is an activated LoRA, which begins to work in the middle of a text (train it as "
            "a plain LoRA)");
    SMG_TRY(smg_gguf_get_text(file, "general.architecture", &ours, NULL, error));
    SMG_TRY(smg_gguf_get_text(base, "general.architecture", &theirs, NULL, error));
    if (ours.size != theirs.size || memcmp(ours.data, theirs.data, ours.size) != 0)
        return smg_error_set(error, SMIDGE_E_INVALID, file->path,
                             "was trained on a model of the family \"%.*s\", and %s is \"%.*s\" (give the "
                             "model that it was trained on)",
                             text_shown(ours), ours.data, base->path, text_shown(theirs), theirs.data);
    return SMIDGE_OK;
}

smidge_status smg_adapter_read_temperature(const smg_gguf *file, float *ret_temperature, smidge_error *error)
{
    float temperature = 0.0F;
    bool found = false;
    SMG_TRY(smg_gguf_get_f32(file, SMG_ADAPTER_TEMPERATURE, &temperature, &found, error));
    if (found && !(temperature > 0.0F))
        return smg_error_set(
            error, SMIDGE_E_FORMAT, file->path,
            "has a temperature of %g, which must be above 0 (let smidge eval --calibrate store it again)",
            (double)temperature);
    if (found)
        *ret_temperature = temperature;
    return SMIDGE_OK;
}

static smidge_status read_numbers(smg_adapter *adapter, smidge_error *error)
{
    const smg_gguf *file = adapter->file;
    SMG_TRY(smg_gguf_get_f32(file, "adapter.lora.alpha", &adapter->alpha, NULL, error));
    if (adapter->alpha < 0.0F)
        return smg_error_set(error, SMIDGE_E_FORMAT, file->path,
                             "has an alpha of %g (export the adapter again)", (double)adapter->alpha);
    SMG_TRY(smg_adapter_read_temperature(file, &adapter->temperature, error));
    if (!isfinite(adapter->scale))
        return smg_error_set(error, SMIDGE_E_INVALID, "scale", "of an adapter must be a number");
    return SMIDGE_OK;
}

/* ---- Pairs ---------------------------------------------------------------------------------------------- */

static smidge_status check_half(const smg_gguf *file, const smg_gguf_tensor *half, smidge_error *error)
{
    const smg_type type = half->type;
    if (type != SMG_TYPE_F32 && type != SMG_TYPE_F16 && type != SMG_TYPE_BF16 && type != SMG_TYPE_Q8_0)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, file->path,
                             "tensor %.*s is %s (an adapter is f32, f16, bf16 or q8_0: convert it again)",
                             (int)half->name.size, half->name.data, smg_type_describe(type)->name);
    if (half->dims > 2)
        return smg_error_set(error, SMIDGE_E_FORMAT, file->path,
                             "tensor %.*s has %" PRIu32 " dimensions (export the adapter again)",
                             (int)half->name.size, half->name.data, half->dims);
    return SMIDGE_OK;
}

/* Everything that is to be said of the shapes of a pair. */
static smidge_status check_shapes(const smg_adapter_pair *pair, const char *name, const smg_gguf *file,
                                  const smg_gguf *base, smidge_error *error)
{
    const uint64_t *a = pair->a->shape, *b = pair->b->shape, *w = pair->base->shape;
    if (a[1] > SMG_ADAPTER_MAX_RANK)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, file->path,
                             "adapts %s with the rank %" PRIu64 ", and %d is the most (merge it with the "
                             "program that made it)",
                             name, a[1], SMG_ADAPTER_MAX_RANK);
    if (a[1] != b[0])
        return smg_error_set(error, SMIDGE_E_FORMAT, file->path,
                             "has rank %" PRIu64 " in %s.lora_a and %" PRIu64
                             " in %s.lora_b (export the adapter again)",
                             a[1], name, b[0], name);
    if (a[0] != w[0] || b[1] != w[1])
        return smg_error_set(error, SMIDGE_E_INVALID, file->path,
                             "adapts %s of %" PRIu64 " x %" PRIu64 ", which in %s is %" PRIu64 " x %" PRIu64
                             " (give the model that it was trained on)",
                             name, a[0], b[1], base->path, w[0], w[1]);
    return SMIDGE_OK;
}

static smidge_status read_pair(smg_adapter *adapter, const smg_gguf *base, const smg_gguf_tensor *a,
                               const char *name, smidge_error *error)
{
    const smg_gguf *file = adapter->file;
    smg_adapter_pair pair = {.base = smg_gguf_find_tensor(base, name),
                             .a = a,
                             .b = find_half(file, name, b_ending)};
    if (pair.b == NULL)
        return smg_error_set(error, SMIDGE_E_FORMAT, file->path,
                             "has no tensor %s.lora_b beside its lora_a (export the adapter again)", name);
    if (strcmp(name, "token_embd.weight") == 0)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, file->path,
                             "adapts the embedding, which is not applied (train without embed_tokens)");
    if (pair.base == NULL)
        return smg_error_set(error, SMIDGE_E_INVALID, file->path,
                             "adapts %s, which %s does not have (give the model that it was trained on)",
                             name, base->path);
    if (pair.base->dims != 2)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, file->path,
                             "adapts %s, which is no matrix (train without it)", name);
    SMG_TRY(check_half(file, pair.a, error));
    SMG_TRY(check_half(file, pair.b, error));
    SMG_TRY(check_shapes(&pair, name, file, base, error));
    pair.rank = (int32_t)pair.a->shape[1];
    pair.scale = adapter->scale * (adapter->alpha > 0.0F ? adapter->alpha / (float)pair.rank : 1.0F);
    adapter->pairs[adapter->count++] = pair;
    if (pair.rank > adapter->rank)
        adapter->rank = pair.rank;
    return SMIDGE_OK;
}

static smidge_status read_pairs(smg_adapter *adapter, const smg_gguf *base, smidge_error *error)
{
    const smg_gguf *file = adapter->file;
    char name[NAME_ROOM];
    adapter->pairs = smg_alloc_array((size_t)file->tensor_count / 2 + 1, sizeof *adapter->pairs);
    if (adapter->pairs == NULL)
        return smg_error_no_memory(error, file->path, (size_t)file->tensor_count * sizeof *adapter->pairs);
    for (uint64_t i = 0; i < file->tensor_count; i++) {
        const smg_gguf_tensor *tensor = &file->tensors[i];
        if (split_name(tensor->name, b_ending, name) && find_half(file, name, a_ending) != NULL)
            continue; /* comes with its partner */
        if (!split_name(tensor->name, a_ending, name))
            return smg_error_set(error, SMIDGE_E_UNSUPPORTED, file->path,
                                 "tensor %.*s is none of a LoRA pair (merge the adapter into its base with "
                                 "the program that trained it)",
                                 (int)(tensor->name.size < 128 ? tensor->name.size : 128), tensor->name.data);
        SMG_TRY(read_pair(adapter, base, tensor, name, error));
    }
    if (adapter->count == 0)
        return smg_error_set(error, SMIDGE_E_FORMAT, file->path, "adapts nothing (export it again)");
    return SMIDGE_OK;
}

smidge_status smg_adapter_read(const smg_gguf *file, const smg_gguf *base, float scale,
                               smg_adapter *ret_adapter, smidge_error *error)
{
    SMG_CLEANUP(smg_adapter_done)
    smg_adapter adapter = {.file = file, .scale = scale};
    SMG_TRY(check_keys(file, base, error));
    SMG_TRY(read_numbers(&adapter, error));
    SMG_TRY(read_pairs(&adapter, base, error));
    *ret_adapter = adapter;
    adapter = (smg_adapter){0};
    return SMIDGE_OK;
}

/* ---- Onto the weights ----------------------------------------------------------------------------------- */

/* Matrices whose products have the same input. */
enum { GROUP_MOST = 3 };

typedef struct group {
    smg_matrix *matrices[GROUP_MOST]; /* NULL behind the last */
} group;

/* Group `number` of a model; false behind the last. */
static bool group_of(const smg_model *model, int32_t number, group *ret_group)
{
    enum { LAYER_GROUPS = 4 };
    const smg_weights *weights = &model->weights;
    const int32_t layers = model->shape.layers;
    if (number > layers * LAYER_GROUPS)
        return false;
    if (number == layers * LAYER_GROUPS) {
        *ret_group = (group){{(smg_matrix *)(uintptr_t)&weights->output}};
        return true;
    }
    smg_layer *layer = &weights->layers[number / LAYER_GROUPS];
    const group groups[LAYER_GROUPS] = {{{&layer->q, &layer->k, &layer->v}},
                                        {{&layer->o}},
                                        {{&layer->gate, &layer->up}},
                                        {{&layer->down}}};
    *ret_group = groups[number % LAYER_GROUPS];
    return true;
}

/* The pair of the tensor that holds a matrix, which may be a part of it; `count` where there is none. */
static size_t pair_of(const smg_adapter *adapter, const smg_matrix *matrix)
{
    const uintptr_t at = (uintptr_t)matrix->data;
    for (size_t i = 0; i < adapter->count; i++) {
        const uintptr_t start = (uintptr_t)adapter->pairs[i].base->data;
        if (at >= start && at - start < adapter->pairs[i].base->bytes)
            return i;
    }
    return adapter->count;
}

/* A half's rows as floats, or as they are where they are halves already. */
static void read_half_row(const smg_gguf_tensor *half, int64_t row, void *ret_row)
{
    const size_t bytes = (size_t)smg_type_row_bytes(half->type, half->shape[0]);
    const uint8_t *data = half->data + (size_t)row * bytes;
    if (half->type == SMG_TYPE_F16)
        memcpy(ret_row, data, bytes);
    else
        smg_dequantize_row(half->type, data, ret_row, (int64_t)half->shape[0]);
}

/* B with its columns one after the other: a product then adds columns to neighbouring outputs, with no sum across a register. */
static void turn(const smg_adapter_pair *pair, uint8_t *ret_columns)
{
    float row[SMG_ADAPTER_MAX_RANK];
    const size_t rows = (size_t)pair->b->shape[1], rank = (size_t)pair->rank;
    const bool halves = pair->b->type == SMG_TYPE_F16;
    for (size_t r = 0; r < rows; r++) {
        read_half_row(pair->b, (int64_t)r, row);
        for (size_t i = 0; i < rank; i++) {
            if (halves)
                memcpy(ret_columns + 2 * (i * rows + r), (const uint8_t *)row + 2 * i, 2);
            else
                memcpy(ret_columns + 4 * (i * rows + r), &row[i], 4);
        }
    }
}

/* What all matrices of a pair have in common. */
static smg_lora prepare(const smg_adapter_pair *pair, smg_arena *arena)
{
    const size_t rows = (size_t)pair->b->shape[1], rank = (size_t)pair->rank;
    const size_t columns = (size_t)pair->a->shape[0];
    const bool halves = pair->b->type == SMG_TYPE_F16, blocks = pair->a->type == SMG_TYPE_Q8_0;
    const size_t element = halves ? 2 : sizeof(float);
    smg_lora lora = {.a = pair->a->data,
                     .a_type = blocks ? SMG_TYPE_F32 : pair->a->type,
                     .b_kind = halves ? SMG_KV_F16 : SMG_KV_F32,
                     .b_stride = rows * element,
                     .rank = pair->rank,
                     .scale = pair->scale};
    uint8_t *b = smg_arena_take(arena, rank * rows * element);
    float *a = blocks ? smg_arena_take(arena, rank * columns * sizeof *a) : NULL;
    lora.a_stride = (size_t)smg_type_row_bytes(lora.a_type, columns);
    lora.b = b;
    if (b == NULL)
        return lora; /* only counted */
    turn(pair, b);
    for (size_t i = 0; blocks && i < rank; i++)
        read_half_row(pair->a, (int64_t)i, a + i * columns);
    if (blocks)
        lora.a = (const uint8_t *)a;
    return lora;
}

/* The matrices of a group, side by side in a row of A x. */
static void attach_group(const smg_adapter *adapter, const smg_lora *whole, const group *of, bool *used,
                         smg_weights *weights, smg_lora **next)
{
    int32_t place = 0;
    size_t before = adapter->count;
    for (int i = 0; i < GROUP_MOST && of->matrices[i] != NULL; i++) {
        smg_matrix *matrix = of->matrices[i];
        const size_t number = pair_of(adapter, matrix);
        if (number == adapter->count)
            continue;
        const smg_gguf_tensor *base = adapter->pairs[number].base;
        const size_t first = (size_t)(matrix->data - base->data) / matrix->stride;
        smg_lora *lora = (*next)++;
        *lora = whole[number];
        lora->b += first * (lora->b_kind == SMG_KV_F16 ? 2 : sizeof(float));
        lora->again = number == before;
        lora->place = lora->again ? place - lora->rank : place;
        place = lora->place + lora->rank;
        before = number;
        used[number] = true;
        matrix->lora = lora;
    }
    if (place > weights->lora_ranks)
        weights->lora_ranks = place;
}

static smidge_status refuse_unused(const smg_adapter *adapter, smidge_error *error, size_t number)
{
    const smg_text name = adapter->pairs[number].base->name;
    return smg_error_set(error, SMIDGE_E_UNSUPPORTED, adapter->file->path,
                         "adapts %.*s, which takes part in no product (train without it)", (int)name.size,
                         name.data);
}

static void detach(smg_model *model)
{
    group of;
    for (int32_t i = 0; group_of(model, i, &of); i++) {
        for (int j = 0; j < GROUP_MOST && of.matrices[j] != NULL; j++)
            of.matrices[j]->lora = NULL;
    }
    model->weights.lora_ranks = 0;
}

/* A fused tensor's pair goes to up to GROUP_MOST matrices. */
static smg_lora *take_all(const smg_adapter *adapter, smg_arena *arena)
{
    smg_lora *loras = smg_arena_take(arena, adapter->count * (1 + GROUP_MOST) * sizeof *loras);
    for (size_t i = 0; i < adapter->count; i++) {
        const smg_lora lora = prepare(&adapter->pairs[i], arena);
        if (loras != NULL)
            loras[i] = lora;
    }
    return loras;
}

smidge_status smg_adapter_attach(smg_adapter *adapter, smg_model *model, smidge_error *error)
{
    smg_arena counting = {0};
    take_all(adapter, &counting);
    bool *used = smg_arena_take(&counting, adapter->count * sizeof *used);
    SMG_TRY(smg_arena_init(&adapter->held, counting.used, adapter->file->path, error));
    smg_lora *whole = take_all(adapter, &adapter->held);
    used = smg_arena_take(&adapter->held, adapter->count * sizeof *used);
    smg_lora *next = whole + adapter->count;
    group of;
    for (int32_t i = 0; group_of(model, i, &of); i++)
        attach_group(adapter, whole, &of, used, &model->weights, &next);
    for (size_t i = 0; i < adapter->count; i++) {
        if (!used[i]) {
            detach(model);
            return refuse_unused(adapter, error, i);
        }
    }
    return SMIDGE_OK;
}

void smg_adapter_done(smg_adapter *adapter)
{
    smg_free(adapter->pairs);
    smg_arena_done(&adapter->held);
    *adapter = (smg_adapter){0};
}

/* ---- Describing ----------------------------------------------------------------------------------------- */

uint64_t smg_adapter_bytes(const smg_adapter *adapter)
{
    return adapter->file != NULL ? adapter->file->file.size + adapter->held.size : 0;
}

uint64_t smg_adapter_id(const smg_adapter *adapter, uint64_t model)
{
    if (adapter->file == NULL)
        return model;
    uint64_t id = XXH3_64bits_withSeed(&adapter->scale, sizeof adapter->scale, model);
    const uint64_t file = smg_model_id(adapter->file);
    return XXH3_64bits_withSeed(&file, sizeof file, id);
}

bool smg_adapter_describe(const smg_gguf *file, size_t *ret_pairs, int32_t *ret_rank, float *ret_alpha)
{
    if (!key_is(file, "general.type", "adapter") || !key_is(file, "adapter.type", "lora"))
        return false;
    size_t pairs = 0;
    uint64_t rank = 0;
    char name[NAME_ROOM];
    for (uint64_t i = 0; i < file->tensor_count; i++) {
        const smg_gguf_tensor *a = &file->tensors[i];
        if (!split_name(a->name, a_ending, name) || find_half(file, name, b_ending) == NULL)
            continue;
        pairs++;
        if (a->shape[1] > rank && a->shape[1] <= INT32_MAX)
            rank = a->shape[1];
    }
    *ret_pairs = pairs;
    *ret_rank = (int32_t)rank;
    *ret_alpha = 0.0F;
    /* a wrong type leaves it as it is: describing does not fail */
    (void)!smg_gguf_get_f32(file, "adapter.lora.alpha", ret_alpha, NULL, NULL);
    return true;
}
