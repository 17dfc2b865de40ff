#include "train/sequences.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "engine/prompt.h"

typedef struct encoding_run {
    smg_sequences *sequences;
    const smidge_model *model;
    const smg_dataset *set;
    const smg_encoding *encoding;
    smg_encoder *encoder;
    int32_t *answer;                    /* ids of the answer at hand */
    char *spelled;                      /* the answer with a space in front */
    int32_t chat_end;                   /* SMG_TOKEN_NONE: not looked for yet */
    bool ended[SMG_DATASET_LABELS_MAX]; /* labels that others begin with */
    smidge_error *error;
} encoding_run;

static void run_done(encoding_run *run)
{
    smg_encoder_free(run->encoder);
    smg_free(run->answer);
    smg_free(run->spelled);
}

static void free_chat(smidge_chat **chat)
{
    smidge_chat_free(*chat);
}

void smg_sequences_done(smg_sequences *sequences)
{
    smg_free(sequences->tokens);
    smg_free(sequences->list);
    smg_free(sequences->hints);
    *sequences = (smg_sequences){.tokens = NULL};
}

/* ---- Growing --------------------------------------------------------------------------------------------- */

static smidge_status grow(void **list, size_t *room, size_t wanted, size_t bytes_each, smidge_error *error)
{
    if (wanted <= *room)
        return SMIDGE_OK;
    size_t larger = *room < 1024 ? 1024 : *room + *room / 2;
    larger = larger < wanted ? wanted : larger;
    void *grown = smg_realloc_array(*list, larger, bytes_each);
    if (grown == NULL)
        return smg_error_no_memory(error, "training data", larger * bytes_each);
    *list = grown;
    *room = larger;
    return SMIDGE_OK;
}

static smidge_status append(smg_sequences *all, const int32_t *tokens, size_t count, smidge_error *error)
{
    void *list = all->tokens;
    smidge_status status =
        grow(&list, &all->token_room, all->token_count + count, sizeof *all->tokens, error);
    all->tokens = list;
    if (status != SMIDGE_OK)
        return status;
    memcpy(all->tokens + all->token_count, tokens, count * sizeof *tokens);
    all->token_count += count;
    return SMIDGE_OK;
}

static smidge_status append_sequence(smg_sequences *all, const smg_sequence *one, smidge_error *error)
{
    void *list = all->list;
    smidge_status status = grow(&list, &all->room, all->count + 1, sizeof *all->list, error);
    all->list = list;
    if (status != SMIDGE_OK)
        return status;
    all->list[all->count++] = *one;
    all->longest = one->length - 1 > all->longest ? one->length - 1 : all->longest;
    return SMIDGE_OK;
}

static smidge_status append_hint(smg_sequences *all, smg_token_hint hint, smidge_error *error)
{
    void *list = all->hints;
    smidge_status status = grow(&list, &all->hint_room, all->hint_count + 1, sizeof *all->hints, error);
    all->hints = list;
    if (status == SMIDGE_OK)
        all->hints[all->hint_count++] = hint;
    return status;
}

/* ---- Chats ----------------------------------------------------------------------------------------------- */

static smidge_status render(const encoding_run *run, const smidge_message *messages, size_t count,
                            smidge_chat **ret_chat)
{
    smidge_chat_options options;
    smidge_chat_options_init(&options);
    /* without a date: what is learned must not depend on the day */
    options.template_name = run->encoding->template_name;
    options.template_file = run->encoding->template_file;
    options.no_thinking = run->encoding->no_thinking;
    return smidge_chat_new(run->model, messages, count, &options, ret_chat, run->error);
}

/* What the template closes an answer with: the first end token behind an answer of one letter. */
static smidge_status find_chat_end(encoding_run *run)
{
    const smidge_message messages[] = {{"user", "A", 1}, {"assistant", "B", 1}, {"user", "C", 1}};
    SMG_CLEANUP(free_chat) smidge_chat *chat = NULL;
    SMG_TRY(render(run, messages, 3, &chat));
    size_t count = 0;
    size_t at = 0;
    const smidge_span *spans = smidge_chat_spans(chat, &count);
    while (at < count && (spans[at].trusted != 0 || memchr(spans[at].text, 'B', spans[at].size) == NULL))
        at++;
    run->chat_end = smg_tokenizer_eos(run->model->tokenizer);
    if (at + 1 >= count)
        return SMIDGE_OK;
    smg_ids ids = {0};
    const smg_span behind = {.text = spans[at + 1].text, .size = spans[at + 1].size, .trusted = true};
    SMG_TRY(smg_tokenizer_encode(run->model->tokenizer, &behind, 1, false, &ids, run->error));
    for (size_t i = 0; i < ids.count; i++) {
        if (smg_tokenizer_is_end(run->model->tokenizer, ids.ids[i])) {
            run->chat_end = ids.ids[i];
            break;
        }
    }
    smg_free(ids.ids);
    return SMIDGE_OK;
}

/* ---- One example ----------------------------------------------------------------------------------------- */

static bool ends_with_space(const smidge_span *spans, size_t count)
{
    while (count > 0 && spans[count - 1].size == 0)
        count--;
    if (count == 0)
        return true;
    const char last = spans[count - 1].text[spans[count - 1].size - 1];
    return last == ' ' || last == '\n' || last == '\t' || last == '\r';
}

static smidge_status encode_prompt(const encoding_run *run, const smidge_span *spans, size_t count,
                                   bool *ret_space, size_t *ret_size)
{
    smg_ids ids = {0};
    SMG_TRY(smg_prompt_tokenize(run->model->tokenizer, spans, count, &ids, run->error));
    SMG_CLEANUP(smg_free_ptr) int32_t *list = ids.ids;
    *ret_space = !ends_with_space(spans, count);
    *ret_size = ids.count;
    return append(run->sequences, list, ids.count, run->error);
}

static smidge_status encode_chat(encoding_run *run, const smg_example *example, bool *ret_space,
                                 size_t *ret_size)
{
    const size_t most = (size_t)example->message_count + 2;
    SMG_CLEANUP(smg_free_ptr) smidge_message *messages = smg_alloc_array(most, sizeof *messages);
    SMG_CLEANUP(free_chat) smidge_chat *chat = NULL;
    size_t count = 0;
    if (messages == NULL)
        return smg_error_no_memory(run->error, "training data", most * sizeof *messages);
    const bool has_system = example->message_count > 0 && strcmp(example->messages[0].role, "system") == 0;
    if (run->encoding->system != NULL && !has_system)
        messages[count++] = (smidge_message){"system", run->encoding->system, strlen(run->encoding->system)};
    for (int32_t i = 0; i < example->message_count; i++) {
        const smg_message *one = &example->messages[i];
        messages[count++] = (smidge_message){one->role, one->content, strlen(one->content)};
    }
    if (example->prompt != NULL)
        messages[count++] = (smidge_message){"user", example->prompt, strlen(example->prompt)};
    SMG_TRY(render(run, messages, count, &chat));
    if (run->chat_end == SMG_TOKEN_NONE)
        SMG_TRY(find_chat_end(run));
    size_t span_count = 0;
    const smidge_span *spans = smidge_chat_spans(chat, &span_count);
    return encode_prompt(run, spans, span_count, ret_space, ret_size);
}

typedef struct example_place {
    char text[512];
} example_place;

static const char *place_of(const smg_example *example, example_place *room)
{
    snprintf(room->text, sizeof room->text, "%s:%" PRId64, example->file, example->line);
    return room->text;
}

/* The answer's tokens, and what ends it. */
static smidge_status encode_answer(encoding_run *run, const smg_example *example, bool chat, bool space)
{
    example_place place;
    size_t size = strlen(example->answer);
    const bool label = example->kind == SMG_EXAMPLE_LABEL;
    if (label && space)
        run->spelled[0] = ' ';
    const size_t begin = label && space ? 1 : 0;
    memcpy(run->spelled + begin, example->answer, size);
    size += begin;
    const size_t count = smg_encoder_continue(run->encoder, run->spelled, size, run->answer);
    if (count == 0)
        return smg_error_set(
            run->error, SMIDGE_E_INVALID, place_of(example, &place),
            "the answer cannot be spelled with this model's vocabulary (choose other words)");
    SMG_TRY(append(run->sequences, run->answer, count, run->error));
    const bool ended = !label || run->ended[example->label];
    const int32_t end = chat ? run->chat_end : smg_tokenizer_eos(run->model->tokenizer);
    return ended && end != SMG_TOKEN_NONE ? append(run->sequences, &end, 1, run->error) : SMIDGE_OK;
}

/* A hint's first token; one that names a special token is that. SMG_TOKEN_NONE where the vocabulary cannot spell it. */
static smidge_status hint_token(const encoding_run *run, const char *text, int32_t *ret_token)
{
    const smg_tokenizer *tokenizer = run->model->tokenizer;
    const size_t size = strlen(text);
    *ret_token = SMG_TOKEN_NONE;
    if (size > 2 && text[0] == '<' && text[size - 1] == '>') {
        smg_ids ids = {0};
        const smg_span span = {.text = text, .size = size, .trusted = true};
        SMG_TRY(smg_tokenizer_encode(tokenizer, &span, 1, false, &ids, run->error));
        if (ids.count > 0 && smg_tokenizer_is_control(tokenizer, ids.ids[ids.count - 1]))
            *ret_token = ids.ids[ids.count - 1];
        smg_free(ids.ids);
    }
    if (*ret_token == SMG_TOKEN_NONE && size > 0 &&
        smg_encoder_continue(run->encoder, text, size, run->answer) > 0)
        *ret_token = run->answer[0];
    return SMIDGE_OK;
}

/* The prompt's tokens spell it byte for byte, behind what is put in front of it: BOS, and a space in some vocabularies. */
static smidge_status encode_hints(encoding_run *run, const smg_example *example, const int32_t *tokens,
                                  size_t count)
{
    const smg_tokenizer *tokenizer = run->model->tokenizer;
    const size_t shift = smg_tokenizer_adds_space(tokenizer) ? 1 : 0;
    size_t end = 0; /* bytes up to and with token `at` */
    size_t at = 0;
    example_place place;
    for (int32_t i = 0; i < example->hint_count; i++) {
        const smg_hint *hint = &example->hints[i];
        int32_t token = SMG_TOKEN_NONE;
        while (at < count && end <= hint->at + shift)
            end += smg_tokenizer_bytes(tokenizer, tokens[at++]).size;
        SMG_TRY(hint_token(run, hint->text, &token));
        if (token == SMG_TOKEN_NONE)
            return smg_error_set(
                run->error, SMIDGE_E_INVALID, place_of(example, &place),
                "a hint cannot be spelled with this model's vocabulary (choose other words)");
        if (at > 0)
            SMG_TRY(append_hint(run->sequences, (smg_token_hint){.at = (int32_t)at - 1, .token = token},
                                run->error));
    }
    return SMIDGE_OK;
}

static smidge_status encode(encoding_run *run, const smg_example *example, size_t *skipped)
{
    example_place place;
    smg_sequences *all = run->sequences;
    const size_t first = all->token_count, first_hint = all->hint_count;
    const bool chat = run->encoding->chat || example->prompt == NULL;
    bool space = false;
    size_t prompt = 0;
    if (chat) {
        SMG_TRY(encode_chat(run, example, &space, &prompt));
    } else {
        const smidge_span span = {.text = example->prompt, .size = strlen(example->prompt)};
        SMG_TRY(encode_prompt(run, &span, 1, &space, &prompt));
        if (run->encoding->hints)
            SMG_TRY(encode_hints(run, example, all->tokens + first, prompt));
    }
    SMG_TRY(encode_answer(run, example, chat, space));
    const size_t length = all->token_count - first;
    if (length - 1 > (size_t)run->encoding->longest) {
        all->token_count = first;
        all->hint_count = first_hint;
        if (!run->encoding->skip_long)
            return smg_error_set(run->error, SMIDGE_E_INVALID, place_of(example, &place),
                                 "the example has %zu tokens, more than %" PRId32
                                 " (raise --sequence, shorten it, or leave such out: --skip-long)",
                                 length - 1, run->encoding->longest);
        (*skipped)++;
        return SMIDGE_OK;
    }
    const smg_sequence one = {.first = first,
                              .length = (int32_t)length,
                              .answer = run->encoding->all ? 1 : (int32_t)prompt,
                              .first_hint = first_hint,
                              .hint_count = (int32_t)(all->hint_count - first_hint)};
    return append_sequence(all, &one, run->error);
}

/* ---- All ------------------------------------------------------------------------------------------------- */

static smidge_status begin(encoding_run *run)
{
    const smg_dataset *set = run->set;
    size_t longest = 1;
    for (size_t i = 0; i < set->count; i++) {
        const size_t size = strlen(set->examples[i].answer);
        longest = size > longest ? size : longest;
        for (int32_t h = 0; h < set->examples[i].hint_count; h++) {
            const size_t hint = strlen(set->examples[i].hints[h].text);
            longest = hint > longest ? hint : longest;
        }
    }
    for (int32_t i = 0; i < set->label_count; i++) {
        const size_t size = strlen(set->labels[i]);
        for (int32_t j = 0; j < set->label_count; j++)
            run->ended[i] = run->ended[i] || (j != i && strncmp(set->labels[i], set->labels[j], size) == 0);
    }
    run->answer = smg_alloc_array(longest + 1, sizeof *run->answer);
    run->spelled = smg_alloc(longest + 1);
    if (run->answer == NULL || run->spelled == NULL)
        return smg_error_no_memory(run->error, "training data", longest);
    return smg_encoder_new(run->model->tokenizer, longest + 1, &run->encoder, run->error);
}

smidge_status smg_sequences_add(smg_sequences *sequences, const smidge_model *model, const smg_dataset *set,
                                const bool *chosen, bool wanted, const smg_encoding *encoding,
                                size_t *ret_skipped, smidge_error *error)
{
    SMG_CLEANUP(run_done)
    encoding_run run = {.sequences = sequences,
                        .model = model,
                        .set = set,
                        .encoding = encoding,
                        .chat_end = SMG_TOKEN_NONE,
                        .error = error};
    size_t skipped = 0;
    SMG_TRY(begin(&run));
    for (size_t i = 0; i < set->count; i++) {
        if (chosen == NULL || chosen[i] == wanted)
            SMG_TRY(encode(&run, &set->examples[i], &skipped));
    }
    *ret_skipped = skipped;
    return SMIDGE_OK;
}

uint64_t smg_sequences_hash(const smg_sequences *sequences, uint64_t hash)
{
    XXH64_hash_t sum = XXH64(sequences->tokens, sequences->token_count * sizeof *sequences->tokens, hash);
    for (size_t i = 0; i < sequences->count; i++) {
        const int32_t ends[] = {sequences->list[i].length, sequences->list[i].answer};
        sum = XXH64(ends, sizeof ends, sum);
    }
    if (sequences->hint_count > 0)
        sum = XXH64(sequences->hints, sequences->hint_count * sizeof *sequences->hints, sum);
    return sum;
}

/* ---- Splitting ------------------------------------------------------------------------------------------- */

/* A number that an example, or its group, has whatever stands beside it. */
static uint64_t draw(const smg_example *example, size_t place, uint64_t seed)
{
    if (example->group != NULL)
        return XXH64(example->group, strlen(example->group), seed);
    const uint64_t number = place;
    return XXH64(&number, sizeof number, seed);
}

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

smidge_status smg_dataset_split(const smg_dataset *set, double share, uint64_t seed, bool *ret_marked,
                                smidge_error *error)
{
    if (set->count < 2)
        return smg_error_set(error, SMIDGE_E_INVALID, "--valid-share",
                             "one example cannot be split (give more, or --valid-share 0)");
    SMG_CLEANUP(smg_free_ptr) uint64_t *numbers = smg_alloc_array(set->count, sizeof *numbers);
    if (numbers == NULL)
        return smg_error_no_memory(error, "training data", set->count * sizeof *numbers);
    for (size_t i = 0; i < set->count; i++)
        numbers[i] = draw(&set->examples[i], i, seed);
    qsort(numbers, set->count, sizeof *numbers, compare_numbers);
    size_t wanted = (size_t)(share * (double)set->count + 0.5);
    wanted = wanted < 1 ? 1 : wanted;
    const uint64_t cut = numbers[wanted < set->count ? wanted - 1 : set->count - 1];
    size_t marked = 0;
    for (size_t i = 0; i < set->count; i++) {
        ret_marked[i] = draw(&set->examples[i], i, seed) <= cut;
        marked += ret_marked[i];
    }
    if (marked == set->count)
        return smg_error_set(
            error, SMIDGE_E_INVALID, "--valid-share",
            "%.3g of these examples, whole groups of them, are all (take less, or give --valid)", share);
    return SMIDGE_OK;
}
