#include "engine/json_answer.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

/* Bytes that must follow, looked at together. */
#define FORCED_BYTES 256

/* ---- Schemas -------------------------------------------------------------------------------------------- */

/* The model's filter, sorted by whoever needs it first. */
static smidge_status find_filter(smidge_model *model, smidge_error *error)
{
    pthread_mutex_lock(&model->lock);
    smidge_status status = SMIDGE_OK;
    if (model->filter == NULL)
        status = smg_token_filter_new(model->tokenizer, &model->filter, error);
    pthread_mutex_unlock(&model->lock);
    return status;
}

smidge_status smidge_schema_new(smidge_model *model, const char *text, size_t size,
                                smidge_schema **ret_schema, smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) smidge_schema *schema = smg_alloc(sizeof *schema);
    if (schema == NULL)
        return smg_error_no_memory(error, "schema", sizeof *schema);
    SMG_TRY(smg_json_shape_compile(text, size, &schema->shape, error));
    smidge_status status = find_filter(model, error);
    if (status != SMIDGE_OK) {
        smg_json_shape_free(schema->shape);
        return status;
    }
    schema->model = model;
    schema->filter = model->filter;
    *ret_schema = schema;
    schema = NULL;
    return SMIDGE_OK;
}

void smidge_schema_free(smidge_schema *schema)
{
    if (schema == NULL)
        return;
    smg_json_shape_free(schema->shape);
    smg_free(schema);
}

int32_t smidge_schema_max_tokens(const smidge_schema *schema)
{
    return (int32_t)smg_json_max_bytes(schema->shape);
}

int32_t smidge_schema_keys(const smidge_schema *schema)
{
    return smg_json_key_count(schema->shape);
}

const char *smidge_schema_key(const smidge_schema *schema, int32_t key)
{
    return smg_json_key_name(schema->shape, key).data;
}

/* ---- Appending ------------------------------------------------------------------------------------------- */

static smg_text bytes_of(const smg_json_answer *answer, int32_t id)
{
    return smg_tokenizer_bytes(answer->schema->model->tokenizer, id);
}

/* A token that the automaton allows. */
static void append(smg_json_answer *answer, int32_t id)
{
    const smg_json_shape *shape = answer->schema->shape;
    smg_text bytes = bytes_of(answer, id);
    for (size_t i = 0; i < bytes.size; i++) {
        int32_t begun = smg_json_begun(shape, &answer->state);
        (void)smg_json_advance(shape, &answer->state, bytes.data + i, 1);
        int32_t now = smg_json_begun(shape, &answer->state);
        if (now != begun && answer->confidences != NULL)
            answer->confidences[now] = 1.0;
    }
    memcpy(answer->text + answer->size, bytes.data, bytes.size);
    answer->size += (int32_t)bytes.size;
    answer->tokens[answer->count++] = id;
}

/* Of the allowed tokens, leaves `last` and those that are longer; returns how many. */
static size_t keep_longer(smg_json_answer *answer, int32_t last)
{
    size_t words = smg_token_filter_words(answer->schema->filter);
    size_t least = bytes_of(answer, last).size;
    size_t kept = 0;
    for (size_t word = 0; word < words; word++) {
        for (uint64_t bits = answer->allowed[word]; bits != 0; bits &= bits - 1) {
            int bit = __builtin_ctzll(bits);
            int32_t id = (int32_t)(word * 64) + bit;
            if (id == last || bytes_of(answer, id).size > least)
                kept++;
            else
                answer->allowed[word] &= ~(UINT64_C(1) << bit);
        }
    }
    return kept;
}

/* Appends tokens that have no alternative, and finds out what may come behind them. True when there may be more to
 * append. */
static bool force(smg_json_answer *answer)
{
    const smidge_schema *schema = answer->schema;
    char bytes[FORCED_BYTES];
    int32_t ids[FORCED_BYTES];
    size_t size = smg_json_forced(schema->shape, &answer->state, bytes, sizeof bytes);
    size_t count = smg_encoder_continue(answer->encoder, bytes, size, ids);
    smg_json_state end = answer->state;
    (void)smg_json_advance(schema->shape, &end, bytes, size);
    bool complete = count > 0 && smg_json_accepts(schema->shape, &end);
    size_t sure = complete || count == 0 ? count : count - 1;
    for (size_t i = 0; i < sure; i++)
        append(answer, ids[i]);
    answer->forced += (int32_t)sure;
    if (complete)
        return false;
    (void)smg_token_filter_json(schema->filter, schema->shape, &answer->state, answer->allowed);
    if (count == 0 || keep_longer(answer, ids[count - 1]) > 1)
        return false;
    append(answer, ids[count - 1]);
    answer->forced++;
    return true;
}

smidge_status smg_json_answer_init(smg_json_answer *answer, const smidge_schema *schema, double *confidences,
                                   smidge_error *error)
{
    size_t most = smg_json_max_bytes(schema->shape);
    *answer = (smg_json_answer){.schema = schema, .confidences = confidences};
    smg_json_start(schema->shape, &answer->state);
    answer->allowed = smg_alloc_array(smg_token_filter_words(schema->filter), sizeof *answer->allowed);
    answer->tokens = smg_alloc_array(most, sizeof *answer->tokens);
    answer->text = smg_alloc(most);
    if (answer->allowed == NULL || answer->tokens == NULL || answer->text == NULL)
        return smg_error_no_memory(error, "schema", most * (1 + sizeof *answer->tokens));
    SMG_TRY(smg_encoder_new(schema->model->tokenizer, FORCED_BYTES, &answer->encoder, error));
    for (int32_t i = 0; confidences != NULL && i < smg_json_key_count(schema->shape); i++)
        confidences[i] = -1.0;
    while (force(answer)) {}
    return SMIDGE_OK;
}

void smg_json_answer_done(smg_json_answer *answer)
{
    smg_encoder_free(answer->encoder);
    smg_free(answer->allowed);
    smg_free(answer->tokens);
    smg_free(answer->text);
}

/* ---- Choosing -------------------------------------------------------------------------------------------- */

bool smg_json_answer_complete(const smg_json_answer *answer)
{
    return smg_json_accepts(answer->schema->shape, &answer->state);
}

/* What the model gives to this token, of all that is allowed. */
static double share_of(const smg_json_answer *answer, const float *logits, int32_t chosen)
{
    size_t words = smg_token_filter_words(answer->schema->filter);
    double sum = 0.0;
    for (size_t word = 0; word < words; word++) {
        for (uint64_t bits = answer->allowed[word]; bits != 0; bits &= bits - 1) {
            size_t id = word * 64 + (size_t)__builtin_ctzll(bits);
            sum += exp((double)logits[id] - (double)logits[chosen]);
        }
    }
    return 1.0 / sum;
}

bool smg_json_answer_step(smg_json_answer *answer, smg_sampler *sampler, float *logits,
                          smg_candidate *candidates)
{
    const smidge_schema *schema = answer->schema;
    sampler->allowed = answer->allowed;
    int32_t id =
        smg_sampler_choose(sampler, logits, schema->model->model.shape.vocabulary, NULL, 0, candidates);
    if (id < 0)
        return false;
    double share = share_of(answer, logits, id);
    int32_t key = smg_json_key(schema->shape, &answer->state);
    int32_t before = smg_json_begun(schema->shape, &answer->state);
    append(answer, id);
    int32_t begun = smg_json_begun(schema->shape, &answer->state);
    if (key < 0 && begun != before)
        key = begun; /* a token that leads into a value chooses about it, too */
    if (key >= 0 && answer->confidences != NULL)
        answer->confidences[key] *= share;
    while (force(answer)) {}
    return true;
}
