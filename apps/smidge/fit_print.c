#include "fit_print.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MIB 1048576.0
/* The rule of thumb for boards, as in smidge bench. */
#define FINE_RATE 10.0
#define SLOW_RATE 5.0

bool fit_is_slow(const smidge_fit_result *result)
{
    return result->tokens_per_second > 0.0 && result->tokens_per_second < SLOW_RATE;
}

static const char *verdict_of_rate(double rate)
{
    return rate >= FINE_RATE ? "fine" : rate >= SLOW_RATE ? "usable" : "too slow (under 5)";
}

/* What the speed was predicted from. */
static void describe_source(const fit_question *question, char text[192])
{
    if (question->options.measured != NULL)
        snprintf(text, 192, "measured here with %d thread%s: %.1f GB/s, %.1f us a synchronisation",
                 (int)question->measured.threads, question->measured.threads == 1 ? "" : "s",
                 question->measured.bandwidth / 1e9, question->measured.phase_ns / 1e3);
    else if (question->has_board && question->board.bandwidth == question->options.bandwidth)
        snprintf(text, 192, "from %.2f GB/s of the %s (%s)", question->options.bandwidth / 1e9,
                 question->board.name, question->board.source);
    else
        snprintf(text, 192, "from the %.2f GB/s given", question->options.bandwidth / 1e9);
}

/* ---- One, in words -------------------------------------------------------------------------------------- */

static void print_memory(const fit_question *question, const smidge_fit_result *result)
{
    printf("context    %d tokens%s, KV cache %s\n", (int)result->context,
           question->default_context ? " (unless -c says otherwise)" : "", question->kv);
    printf("needs      %.1f MiB: weights %.1f, KV cache %.1f, scratch %.1f, vocabulary %.1f, program %.1f\n",
           (double)result->need / MIB, (double)result->weights / MIB, (double)result->kv / MIB,
           (double)result->scratch / MIB, (double)result->vocabulary / MIB, (double)result->program / MIB);
    if (result->allowed == UINT64_MAX)
        printf("may take   unknown: the system says nothing of its memory\n");
    else
        printf("may take   %.1f MiB: %s%s%s\n", (double)result->allowed / MIB, result->limit,
               question->has_board ? ", " : "", question->has_board ? question->board.name : "");
}

static void print_speed(const fit_question *question, const smidge_fit_result *result)
{
    char source[192];
    if (result->tokens_per_second <= 0.0) {
        printf("speed      unknown: give --bandwidth%s\n",
               question->options.measured == NULL && !question->has_board && question->options.ram == 0
                   ? " (there is too little memory to measure it)"
                   : " (GB/s that the board's processor reads)");
        return;
    }
    describe_source(question, source);
    printf("speed      about %.1f tokens/s, %.1f with a full context: %s\n", result->tokens_per_second,
           result->tokens_per_second_full, verdict_of_rate(result->tokens_per_second));
    printf("           %s\n", source);
}

/* Whether weights are so coarse that numbers suffer. */
static bool is_coarse(const char *type)
{
    return strncasecmp(type, "q8", 2) != 0 && strncasecmp(type, "f16", 3) != 0 &&
           strncasecmp(type, "bf16", 4) != 0 && strncasecmp(type, "f32", 3) != 0;
}

static void print_advice(const fit_subject *subject, const smidge_fit_result *result)
{
    if (result->fits) {
        if (result->context_most > result->context)
            printf("room       for up to %d tokens of context\n", (int)result->context_most);
        if (is_coarse(subject->type))
            printf("advice     for tasks with numbers take q8_0, if it fits%s%s%s\n",
                   subject->catalogued ? " (smidge fit " : "", subject->catalogued ? subject->where : "",
                   subject->catalogued ? " --type q8_0)" : "");
        return;
    }
    const char *head = "would fit ";
    if (result->context_most > 0) {
        printf("%s -c %d\n", head, (int)result->context_most);
        head = "or        ";
    }
    if (result->context_most_q8_0 > result->context_most) {
        const int32_t context =
            result->context_most_q8_0 < result->context ? result->context_most_q8_0 : result->context;
        printf("%s -c %d --kv q8_0\n", head, (int)context);
        head = "or        ";
    }
    if (subject->smaller_type != NULL) {
        printf("%s --type %s\n", head, subject->smaller_type);
        head = "or        ";
    }
    if (subject->smaller_model != NULL)
        printf("%s a smaller model: %s\n", head, subject->smaller_model);
    else if (!subject->catalogued)
        printf("%s a smaller model or type (smidge fit lists what does; smidge quantize makes a type)\n",
               head);
    else if (subject->smaller_type == NULL && result->context_most == 0)
        printf("%s nothing that is known: this memory is too little for any model\n", head);
}

static void print_words(const fit_question *question, const fit_subject *subject,
                        const smidge_fit_result *result)
{
    printf("model      %.100s, %s, %.2f M parameters\n", subject->name, subject->type,
           (double)subject->parameters / 1e6);
    print_memory(question, result);
    printf("verdict    %s\n", result->fits ? "fits" : "does not fit");
    print_speed(question, result);
    print_advice(subject, result);
}

/* ---- One, as JSON --------------------------------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
    json_t *string = text != NULL && text[0] != '\0' ? json_string(text) : NULL;
    return string != NULL ? string : json_null();
}

static json_t *rate_or_null(double rate)
{
    return rate > 0.0 ? json_real(rate) : json_null();
}

static json_t *json_of(const fit_question *question, const fit_subject *subject,
                       const smidge_fit_result *result)
{
    return json_pack(
        "{s:o, s:o, s:o, s:I, s:i, s:i, s:s, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:s, s:i, s:i, s:I, s:i, s:o, "
        "s:o, s:o, s:o, s:o}",
        "model", text_or_null(subject->name), "file",
        subject->catalogued ? json_null() : text_or_null(subject->where), "type", text_or_null(subject->type),
        "n_params", (json_int_t)subject->parameters, "context", (int)result->context, "context_trained",
        (int)result->context_trained, "kv", question->kv, "fits", (int)result->fits, "reason",
        text_or_null(result->reason), "need_bytes", (json_int_t)result->need, "weights_bytes",
        (json_int_t)result->weights, "kv_bytes", (json_int_t)result->kv, "scratch_bytes",
        (json_int_t)result->scratch, "vocabulary_bytes", (json_int_t)result->vocabulary, "program_bytes",
        (json_int_t)result->program, "allowed_bytes",
        result->allowed > INT64_MAX ? json_null() : json_integer((json_int_t)result->allowed), "limit",
        result->limit, "context_most", (int)result->context_most, "context_most_q8_0",
        (int)result->context_most_q8_0, "token_bytes", (json_int_t)result->token_bytes, "synchronisations",
        (int)result->phases, "tokens_per_second", rate_or_null(result->tokens_per_second),
        "tokens_per_second_full_context", rate_or_null(result->tokens_per_second_full),
        "bandwidth_gigabytes_per_second",
        rate_or_null((question->options.measured != NULL ? question->measured.bandwidth
                                                         : question->options.bandwidth) /
                     1e9),
        "smaller_type", text_or_null(subject->smaller_type), "smaller_model",
        text_or_null(subject->smaller_model));
}

static void print_value(json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(7));
    fputc('\n', stdout);
    json_decref(value);
}

int fit_print_one(const fit_question *question, const fit_subject *subject, const smidge_fit_result *result)
{
    if (question->json)
        print_value(json_of(question, subject, result));
    else
        print_words(question, subject, result);
    if (!result->fits) {
        fflush(stdout);
        cli_complain(subject->where, "%s", result->reason);
    }
    return cli_close_output(result->fits ? EXIT_OK : EXIT_NO_FIT);
}

/* ---- All ------------------------------------------------------------------------------------------------ */

/* What fits first, what is fast enough before what is not, and the larger model before the smaller one. */
static int rank(const fit_row *row)
{
    return !row->result.fits ? 2 : fit_is_slow(&row->result) ? 1 : 0;
}

static int compare(const void *a, const void *b)
{
    const fit_row *x = a, *y = b;
    if (rank(x) != rank(y))
        return rank(x) - rank(y);
    return (x->parameters < y->parameters) - (x->parameters > y->parameters);
}

static void print_rows(const fit_question *question, const fit_row *rows, size_t count)
{
    printf("context %d tokens%s, KV cache %s\n",
           question->options.context > 0 ? (int)question->options.context : 1024,
           question->default_context ? " (unless -c says otherwise)" : "", question->kv);
    if (rows->result.allowed != UINT64_MAX)
        printf("a model may take %.1f MiB: %s\n", (double)rows->result.allowed / MIB, rows->result.limit);
    printf("\n%-20s %-7s %10s %10s  %s\n", "model", "type", "needs MiB", "tokens/s", "verdict");
    for (size_t i = 0; i < count; i++) {
        const smidge_fit_result *result = &rows[i].result;
        char rate[24] = "unknown";
        if (result->tokens_per_second > 0.0)
            snprintf(rate, sizeof rate, "%.1f", result->tokens_per_second);
        printf("%-20s %-7s %10.1f %10s  %s%s\n", rows[i].name, rows[i].type, (double)result->need / MIB, rate,
               result->fits ? "fits" : "does not fit",
               result->fits && fit_is_slow(result) ? ", but slow" : "");
    }
    if (rows->result.tokens_per_second > 0.0) {
        char source[192];
        describe_source(question, source);
        printf("\nspeed: %s\n", source);
    } else {
        printf("\nspeed: unknown: give --bandwidth\n");
    }
    printf(
        "For tasks with numbers take q8_0 rather than a larger model. smidge fit NAME says more, smidge pull NAME "
        "gets one.\n");
}

int fit_print_all(const fit_question *question, fit_row *rows, size_t count)
{
    bool any = false;
    qsort(rows, count, sizeof *rows, compare);
    for (size_t i = 0; i < count; i++)
        any = any || rows[i].result.fits;
    if (question->json) {
        json_t *array = json_array();
        for (size_t i = 0; i < count; i++) {
            const fit_subject subject = {.name = rows[i].name,
                                         .where = rows[i].name,
                                         .type = rows[i].type,
                                         .parameters = rows[i].parameters,
                                         .catalogued = true};
            json_array_append_new(array, json_of(question, &subject, &rows[i].result));
        }
        print_value(array);
    } else {
        print_rows(question, rows, count);
    }
    if (!any) {
        fflush(stdout);
        cli_complain(
            "fit", "no model that is known fits in %.1f MiB (free memory, or give a smaller context with -c)",
            (double)rows->result.allowed / MIB);
    }
    return cli_close_output(any ? EXIT_OK : EXIT_NO_FIT);
}
