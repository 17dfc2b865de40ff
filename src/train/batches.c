#include "train/batches.h"

#include "base/alloc.h"
#include "train/random.h"

/* ---- The order ------------------------------------------------------------------------------------------- */

/* Fisher and Yates; the remainder's bias is below 2^-32. */
static void shuffle(smg_stream *stream)
{
    const size_t count = stream->set->count;
    uint64_t state = stream->seed;
    state = smg_random_next(&state) + (uint64_t)stream->epoch * UINT64_C(0xD1342543DE82EF95);
    for (size_t i = 0; i < count; i++)
        stream->order[i] = (int32_t)i;
    for (size_t i = count; i > 1; i--) {
        const size_t j = (size_t)(smg_random_next(&state) % i);
        const int32_t swap = stream->order[i - 1];
        stream->order[i - 1] = stream->order[j];
        stream->order[j] = swap;
    }
}

smidge_status smg_stream_init(smg_stream *stream, const smg_sequences *set, uint64_t seed,
                              smidge_error *error)
{
    *stream = (smg_stream){.set = set, .seed = seed};
    stream->order = smg_alloc_array(set->count, sizeof *stream->order);
    if (stream->order == NULL)
        return smg_error_no_memory(error, "training data", set->count * sizeof *stream->order);
    shuffle(stream);
    return SMIDGE_OK;
}

void smg_stream_done(smg_stream *stream)
{
    smg_free(stream->order);
    stream->order = NULL;
}

bool smg_stream_seek(smg_stream *stream, int64_t epoch, int64_t position)
{
    if (epoch < 0 || position < 0 || (uint64_t)position >= stream->set->count)
        return false;
    stream->epoch = epoch;
    stream->position = position;
    shuffle(stream);
    return true;
}

/* ---- Steps ----------------------------------------------------------------------------------------------- */

size_t smg_batch_room(const smg_batch_size *size)
{
    return (size_t)(size->examples > 0 ? size->examples : size->tokens > 0 ? size->tokens : 1);
}

static int32_t tokens_of(const smg_sequences *set, int32_t item)
{
    return set->list[item].length - 1;
}

size_t smg_stream_take(smg_stream *stream, const smg_batch_size *size, int64_t end, int32_t *ret_items)
{
    const smg_sequences *set = stream->set;
    const size_t room = smg_batch_room(size);
    int64_t done = stream->epoch * (int64_t)set->count + stream->position;
    int64_t tokens = 0;
    size_t taken = 0;
    while (taken < room && done < end) {
        const int32_t item = stream->order[stream->position];
        tokens += tokens_of(set, item);
        if (size->examples == 0 && taken > 0 && tokens > size->tokens)
            break;
        ret_items[taken++] = item;
        done++;
        if (++stream->position == (int64_t)set->count) {
            stream->position = 0;
            stream->epoch++;
            shuffle(stream);
        }
    }
    return taken;
}

smidge_status smg_stream_steps(const smg_stream *stream, const smg_batch_size *size, int64_t end,
                               int64_t *ret_steps, smidge_error *error)
{
    if (size->examples > 0) {
        *ret_steps = (end + size->examples - 1) / size->examples;
        return SMIDGE_OK;
    }
    smg_stream copy = {.set = NULL};
    SMG_CLEANUP(smg_free_ptr) int32_t *items = smg_alloc_array(smg_batch_room(size), sizeof *items);
    if (items == NULL)
        return smg_error_no_memory(error, "training data", smg_batch_room(size) * sizeof *items);
    SMG_TRY(smg_stream_init(&copy, stream->set, stream->seed, error));
    int64_t steps = 0;
    while (smg_stream_take(&copy, size, end, items) > 0)
        steps++;
    smg_stream_done(&copy);
    *ret_steps = steps;
    return SMIDGE_OK;
}

/* ---- Packing --------------------------------------------------------------------------------------------- */

smidge_status smg_packer_init(smg_packer *packer, int32_t most, smg_loss_weights weight, smidge_error *error)
{
    *packer = (smg_packer){.most = most, .weight = weight};
    packer->weights = smg_alloc_array((size_t)most, sizeof *packer->weights);
    packer->tokens = smg_alloc_array((size_t)most, sizeof *packer->tokens);
    packer->targets = smg_alloc_array((size_t)most, sizeof *packer->targets);
    packer->starts = smg_alloc_array((size_t)most, sizeof *packer->starts);
    if (packer->tokens != NULL && packer->targets != NULL && packer->starts != NULL &&
        packer->weights != NULL)
        return SMIDGE_OK;
    return smg_error_no_memory(error, "training data", (size_t)most * 4 * sizeof *packer->tokens);
}

void smg_packer_done(smg_packer *packer)
{
    smg_free(packer->tokens);
    smg_free(packer->targets);
    smg_free(packer->starts);
    smg_free(packer->weights);
    *packer = (smg_packer){.most = 0};
}

/* Where the answer begins, it goes before a hint. */
static bool counts(const smg_sequence *one, const smg_token_hint *hint)
{
    return hint->at + 1 < one->answer && hint->at + 1 < one->length;
}

static void put_hints(smg_packer *packer, const smg_sequences *set, const smg_sequence *one, int32_t first)
{
    for (int32_t i = 0; i < one->hint_count; i++) {
        const smg_token_hint *hint = &set->hints[one->first_hint + (size_t)i];
        if (!counts(one, hint))
            continue;
        packer->targets[first + hint->at] = hint->token;
        packer->weights[first + hint->at] = packer->weight.hint;
    }
}

size_t smg_packer_fill(smg_packer *packer, const smg_sequences *set, const int32_t *items, size_t count,
                       bool answers, smg_train_batch *ret_batch)
{
    const bool prompts = packer->weight.prompt > 0.0F && !answers;
    int32_t used = 0;
    size_t packed = 0;
    for (; packed < count; packed++) {
        const smg_sequence *one = &set->list[items[packed]];
        if (one->length - 1 > packer->most - used)
            break;
        const int32_t *tokens = set->tokens + one->first;
        packer->starts[packed] = used;
        for (int32_t i = 0; i + 1 < one->length; i++) {
            packer->tokens[used + i] = tokens[i];
            const bool answer = i + 1 >= one->answer;
            packer->targets[used + i] = answer || prompts ? tokens[i + 1] : -1;
            packer->weights[used + i] = answer ? 1.0F : packer->weight.prompt;
        }
        if (!answers)
            put_hints(packer, set, one, used);
        used += one->length - 1;
    }
    *ret_batch = (smg_train_batch){.tokens = packer->tokens,
                                   .targets = packer->targets,
                                   .weights = packer->weights,
                                   .count = used,
                                   .starts = packer->starts,
                                   .sequences = (int32_t)packed};
    return packed;
}

double smg_packer_scored(const smg_packer *packer, const smg_sequences *set, const int32_t *items,
                         size_t count)
{
    int64_t answers = 0, hints = 0, prompts = 0;
    for (size_t i = 0; i < count; i++) {
        const smg_sequence *one = &set->list[items[i]];
        answers += one->length - one->answer;
        prompts += one->answer - 1;
        int32_t last = -1; /* the later of two at one place counts */
        for (int32_t h = 0; h < one->hint_count; h++) {
            const smg_token_hint *hint = &set->hints[one->first_hint + (size_t)h];
            const bool new = counts(one, hint) && hint->at != last;
            hints += new;
            prompts -= new;
            last = hint->at;
        }
    }
    return (double)answers + (double)hints * (double)packer->weight.hint +
           (double)prompts * (double)packer->weight.prompt;
}
