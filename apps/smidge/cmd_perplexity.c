/* smidge perplexity: how well a model foretells a text, and what it lost against another. */
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "measure/perplexity.h"
#include "model_flags.h"

typedef struct perplexity_flags {
    model_flags model;
    const char *text;
    const char *reference;
    smg_chunking chunking;
    bool json;
    bool quiet;
} perplexity_flags;

static void close_model(smidge_model **model)
{
    smidge_model_close(*model);
}

/* ---- While it runs --------------------------------------------------------------------------------------- */

typedef struct running {
    bool shown;
    int64_t started;
} running;

static void show_running(void *context, int32_t done, int32_t total, double perplexity)
{
    running *state = context;
    const double spent = (double)(smidge_now_ns() - state->started) / 1e9;
    state->shown = true;
    fprintf(stderr, "\r[%d/%d] PPL %.4f, %.0f s left   ", (int)done, (int)total, perplexity,
            spent / done * (total - done));
}

/* ---- Text ------------------------------------------------------------------------------------------------ */

static void print_share(const char *what, const smg_estimate *share)
{
    printf("%-12s %8.3f +/- %.3f %%\n", what, 100 * share->value, 100 * share->error);
}

static void print_comparison(const smg_comparison *result)
{
    printf("Reference:      PPL = %.4f +/- %.5f\n", result->reference.value, result->reference.error);
    printf("%-12s %10.6f +/- %.6f\n", "PPL ratio", result->ratio.value, result->ratio.error);
    printf("%-12s %10.6f +/- %.6f\n", "Mean KLD", result->divergence.value, result->divergence.error);
    printf("%-12s %10.6f\n", "Median KLD", result->divergence_median);
    printf("%-12s %10.6f\n", "90.0% KLD", result->divergence_90);
    printf("%-12s %10.6f\n", "99.0% KLD", result->divergence_99);
    printf("%-12s %10.6f\n", "99.9% KLD", result->divergence_999);
    printf("%-12s %10.6f\n", "Maximum KLD", result->divergence_most);
    print_share("Same top p", &result->same_top);
    print_share("Mean dp", &result->change);
    print_share("RMS dp", &result->change_size);
    printf("%-12s %8.3f %%\n", "5.0% dp", 100 * result->change_5);
    printf("%-12s %8.3f %%\n", "1.0% dp", 100 * result->change_1);
    if (result->place_count > 0)
        printf("Largest drops of the right token's probability (dp), and what the model would rather say, if "
               "anything:\n");
    for (int32_t i = 0; i < result->place_count; i++) {
        const smg_place *place = &result->places[i];
        printf("  %5.1f -> %4.1f %%  token %lld: ...%s[%s]", 100 * place->reference_probability,
               100 * place->probability, (long long)place->token, place->before, place->right);
        if (strcmp(place->preferred, place->right) != 0)
            printf("  rather [%s]", place->preferred);
        putchar('\n');
    }
}

static void print_text(const perplexity_flags *flags, const smg_perplexity *result)
{
    printf("Final estimate: PPL = %.4f +/- %.5f (%d chunks, %lld tokens count)\n", result->perplexity.value,
           result->perplexity.error, (int)result->chunks, (long long)result->tokens);
    if (flags->reference != NULL)
        print_comparison(&result->comparison);
}

/* ---- JSON ------------------------------------------------------------------------------------------------ */

static void set_estimate(json_t *object, const char *name, const smg_estimate *estimate)
{
    char error_name[64];
    snprintf(error_name, sizeof error_name, "%s_error", name);
    json_object_set_new(object, name, json_real(estimate->value));
    json_object_set_new(object, error_name, json_real(estimate->error));
}

static json_t *comparison_object(const perplexity_flags *flags, const smg_comparison *result)
{
    json_t *object = json_object(), *places = json_array();
    json_object_set_new(object, "model", json_string(flags->reference));
    set_estimate(object, "perplexity", &result->reference);
    set_estimate(object, "perplexity_ratio", &result->ratio);
    set_estimate(object, "kl_mean", &result->divergence);
    json_object_set_new(object, "kl_median", json_real(result->divergence_median));
    json_object_set_new(object, "kl_90", json_real(result->divergence_90));
    json_object_set_new(object, "kl_99", json_real(result->divergence_99));
    json_object_set_new(object, "kl_999", json_real(result->divergence_999));
    json_object_set_new(object, "kl_max", json_real(result->divergence_most));
    set_estimate(object, "same_top", &result->same_top);
    set_estimate(object, "dp_mean", &result->change);
    set_estimate(object, "dp_rms", &result->change_size);
    json_object_set_new(object, "dp_5", json_real(result->change_5));
    json_object_set_new(object, "dp_1", json_real(result->change_1));
    for (int32_t i = 0; i < result->place_count; i++) {
        const smg_place *place = &result->places[i];
        json_t *each = json_object();
        json_object_set_new(each, "token", json_integer(place->token));
        json_object_set_new(each, "p", json_real(place->probability));
        json_object_set_new(each, "p_reference", json_real(place->reference_probability));
        json_object_set_new(each, "before", json_string(place->before));
        json_object_set_new(each, "right", json_string(place->right));
        json_object_set_new(each, "preferred", json_string(place->preferred));
        json_array_append_new(places, each);
    }
    json_object_set_new(object, "worst", places);
    return object;
}

static void print_json(const perplexity_flags *flags, const smg_perplexity *result)
{
    json_t *object = json_object();
    json_object_set_new(object, "model", json_string(flags->model.path));
    json_object_set_new(object, "file", json_string(flags->text));
    json_object_set_new(object, "chunks", json_integer(result->chunks));
    json_object_set_new(object, "tokens", json_integer(result->tokens));
    set_estimate(object, "perplexity", &result->perplexity);
    if (flags->reference != NULL)
        json_object_set_new(object, "reference", comparison_object(flags, &result->comparison));
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
}

/* ---- The command ----------------------------------------------------------------------------------------- */

static smidge_status measure(const perplexity_flags *flags, smg_perplexity *ret_result, smidge_error *error)
{
    __attribute__((cleanup(close_model))) smidge_model *model = NULL;
    __attribute__((cleanup(close_model))) smidge_model *reference = NULL;
    running state = {.started = smidge_now_ns()};
    smg_perplexity_options options = {.chunking = flags->chunking,
                                      .kv_type = model_kv_type(&flags->model),
                                      .cancel = interrupt_flag(),
                                      .progress_context = &state};
    if (!flags->quiet && isatty(STDERR_FILENO))
        options.progress = show_running;
    smidge_status status = model_open(&flags->model, 0, &model, error);
    if (flags->reference != NULL && status == SMIDGE_OK) {
        model_flags other = flags->model;
        other.path = flags->reference;
        status = model_open(&other, 0, &reference, error);
    }
    if (status == SMIDGE_OK)
        status = smg_perplexity_measure(model, reference, flags->text, &options, ret_result, error);
    if (state.shown)
        fprintf(stderr, "\r%60s\r", "");
    return status;
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    perplexity_flags options = {0};
    const cli_flag flags[] = {
        MODEL_FLAGS(options.model),
        {"-f,--file", CLI_TEXT, &options.text, "FILE", "the text to foretell (-: standard input)"},
        {"--compare", CLI_TEXT, &options.reference, "MODEL2",
         "say what was lost against this model, such as the same one in more bits"},
        {"-c,--ctx-size", CLI_INT, &options.chunking.context, "N", "tokens of a chunk (default 512)"},
        {"--stride,--ppl-stride", CLI_INT, &options.chunking.stride, "N",
         "chunks overlap and begin N tokens apart (default: they do not overlap)"},
        {"--chunks", CLI_INT, &options.chunking.most, "N", "chunks at most, 0 for all (default 0)"},
        {"--json", CLI_FLAG, &options.json, NULL, "print one JSON object"},
        {"-q,--quiet", CLI_FLAG, &options.quiet, NULL, "show no running values"},
    };
    size_t count;
    int status = cli_parse(&cli_perplexity, flags, sizeof flags / sizeof *flags, argc, argv, NULL, 0, &count);
    if (status >= 0)
        return status;
    if (options.text == NULL)
        return cli_misuse(&cli_perplexity, "-f", "is missing: perplexity on which text?");
    status = model_check(&cli_perplexity, &options.model);
    if (status >= 0)
        return status;
    smg_perplexity result;
    smidge_error error;
    smidge_status outcome = measure(&options, &result, &error);
    if (outcome == SMIDGE_E_CANCELLED) {
        cli_complain("perplexity", "was stopped by a signal (fewer --chunks take less time)");
        return EXIT_FAILED;
    }
    if (outcome != SMIDGE_OK)
        return cli_fail(&error);
    if (options.json)
        print_json(&options, &result);
    else
        print_text(&options, &result);
    return cli_close_output(EXIT_OK);
}

const cli_command cli_perplexity = {
    .name = "perplexity",
    .usage = "-m MODEL -f TEXT [--compare MODEL2] [flags]",
    .summary = "measure how well a model foretells a text, and what fewer bits cost on it",
    .details =
        "Lower is better: a perplexity of 8 is as unsure as choosing among 8 tokens. The text is cut into chunks and the second\n"
        "half of each counts, as in llama-perplexity. With --compare the KL divergence says how far the model departs from\n"
        "MODEL2, and dp how much less it gives to the right token. docs/quality.md says how to read it.\n",
    .run = run,
};
