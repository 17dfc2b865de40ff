/* What an adapter costs: the same model with and without it, in one process, by turns of some milliseconds, so that what else the
 * machine does meets both alike.
 *
 *     adapter_cost MODEL ADAPTER [THREADS [ROUNDS]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "smidge/smidge.h"
#include "smidge/tools.h"

enum { MOST_ROUNDS = 1000, TOKENS = 8, PROMPT = 64 };

typedef struct side {
    smidge_model *model;
    smidge_session *session;
    smidge_labels *labels;
    smidge_prefix *prefix;
} side;

/* Milliseconds. */
typedef struct sample {
    double decode, prefill, label;
} sample;

static const char prefix_text[] =
    "You watch a pump. Say whether its reading is NORMAL, HIGH or LOW.\nlimits: pressure 1.0 to 3.0 bar\n"
    "reading: ";
static const char *const labels[] = {"NORMAL", "HIGH", "LOW"};

static void must(smidge_status status, const smidge_error *error)
{
    if (status == SMIDGE_OK)
        return;
    fprintf(stderr, "adapter_cost: %s: %s\n", error->where, error->message);
    exit(1);
}

static side open_side(const char *path, const char *lora, int32_t threads)
{
    side opened = {0};
    smidge_error error;
    smidge_model_options options;
    smidge_model_options_init(&options);
    options.threads = threads;
    options.lora_path = lora;
    const smidge_span span = {prefix_text, sizeof prefix_text - 1, 0};
    must(smidge_model_open(path, &options, &opened.model, &error), &error);
    must(smidge_session_new(opened.model, NULL, &opened.session, &error), &error);
    must(smidge_labels_new(opened.model, labels, 3, &opened.labels, &error), &error);
    must(smidge_prefix_new(opened.session, &span, 1, 0, &opened.prefix, &error), &error);
    return opened;
}

static void close_side(side *opened)
{
    smidge_labels_free(opened->labels);
    smidge_session_free(opened->session);
    smidge_prefix_free(opened->prefix);
    smidge_model_close(opened->model);
}

/* Readings that all differ, so that nothing of one helps the next. */
static double label_once(side *at, int round)
{
    char reading[64];
    smidge_error error;
    const int size = snprintf(reading, sizeof reading, "pressure %d.%d bar. Answer:", round % 7, round % 10);
    const smidge_span spans[] = {{prefix_text, sizeof prefix_text - 1, 0}, {reading, (size_t)size, 0}};
    smidge_classify_result result = {.size = sizeof result};
    smidge_session_reset(at->session);
    must(smidge_session_set_prefix(at->session, at->prefix, &error), &error);
    const int64_t start = smidge_now_ns();
    must(smidge_classify(at->session, at->labels, spans, 2, NULL, &result, &error), &error);
    return (double)(smidge_now_ns() - start) / 1e6;
}

static sample measure(side *at, int round)
{
    int64_t prompt = 0, decode = 0;
    smidge_error error;
    must(smidge_measure(at->session, PROMPT, TOKENS, 1, &prompt, &decode, &error), &error);
    return (sample){.decode = (double)decode / 1e6 / TOKENS,
                    .prefill = (double)prompt / 1e6,
                    .label = label_once(at, round)};
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return values[count / 2];
}

static double part_of(const sample *from, int part)
{
    return part == 0 ? from->decode : part == 1 ? from->prefill : from->label;
}

int main(int argc, char **argv)
{
    static sample samples[2][MOST_ROUNDS];
    static double values[3][MOST_ROUNDS];
    static const char *const names[] = {"ms a token, decoding", "ms for 64 tokens, prefill",
                                        "ms to a label, prefix kept"};
    const int32_t threads = argc > 3 ? atoi(argv[3]) : 2;
    const int wanted = argc > 4 ? atoi(argv[4]) : 60;
    if (argc < 3 || threads < 1 || wanted < 1 || wanted > MOST_ROUNDS) {
        fprintf(stderr, "usage: adapter_cost MODEL ADAPTER [THREADS [ROUNDS, at most %d]]\n", MOST_ROUNDS);
        return 2;
    }
    side sides[2] = {open_side(argv[1], NULL, threads), open_side(argv[1], argv[2], threads)};
    for (int i = 0; i < 2; i++)
        measure(&sides[i], 0); /* brings everything into memory */
    for (int round = 0; round < wanted; round++) {
        for (int i = 0; i < 2; i++) {
            const int which = (i + round) % 2;
            samples[which][round] = measure(&sides[which], round);
        }
    }
    printf(
        "| medians of %d turns, %d threads | without | with | ratio, median of pairs |\n|---|---|---|---|\n",
        wanted, (int)threads);
    for (int part = 0; part < 3; part++) {
        for (int round = 0; round < wanted; round++) {
            values[0][round] = part_of(&samples[0][round], part);
            values[1][round] = part_of(&samples[1][round], part);
            values[2][round] = values[1][round] / values[0][round];
        }
        printf("| %s | %.2f | %.2f | %.3f |\n", names[part], median(values[0], wanted),
               median(values[1], wanted), median(values[2], wanted));
    }
    for (int i = 0; i < 2; i++)
        close_side(&sides[i]);
    return 0;
}
