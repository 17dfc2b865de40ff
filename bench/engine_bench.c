/* Measures smidge as bench/peers/peer_bench.c measures the peer: the same tests, tokens and lines.
 *
 *     engine_bench MODEL prompts IDS TEXT               writes the prompts' tokens, and the whole process's prompt
 *     engine_bench MODEL facts                          sizes that limits are computed from
 *     engine_bench [--cpu PATH] [--batch N] MODEL THREADS TEST...      tests: speed deep warm batch memory
 *
 * Prints a line `test threads value unit` for each sample. Prefill takes the library's default batch unless --batch is
 * given.
 */
#include <stdlib.h>

#include "bench_plan.h"
#include "engine/engine.h"
#include "engine_bench/made_prompts.h"
#include "smidge/tools.h"

typedef struct bench {
    smidge_model_options options;
    int32_t batch; /* 0: the library's default */
    int32_t vocabulary;
    smidge_model *model;
    smidge_session *session;
    smidge_labels *labels;
    made_prompts prompts;
    smidge_error *error;
} bench;

static smidge_status open_session(bench *run, int32_t context)
{
    smidge_session_options options;
    smidge_session_options_init(&options);
    options.context = context;
    options.batch = run->batch;
    smidge_session_free(run->session);
    run->session = NULL;
    return smidge_session_new(run->model, &options, &run->session, run->error);
}

/* ---- Speed and memory ------------------------------------------------------------------------------------- */

static smidge_status prefill(bench *run, const int32_t *ids, int32_t count)
{
    smg_stop stop = smg_session_stop(run->session, 0);
    int32_t cached;
    smidge_status status = smg_session_prefill(run->session, ids, count,
                                               &(smg_output){.logits = run->session->logits}, &stop, &cached);
    return smg_session_finish(run->session, status, run->error);
}

static smidge_status decode(bench *run, const int32_t *ids, int32_t count)
{
    smg_stop stop = smg_session_stop(run->session, 0);
    smidge_status status = SMIDGE_OK;
    for (int32_t i = 0; i < count && status == SMIDGE_OK; i++)
        status = smg_session_decode(run->session, &ids[i], 1, &stop);
    return smg_session_finish(run->session, status, run->error);
}

static smidge_status time_prefill(bench *run, const char *name, const int32_t *ids, int32_t count)
{
    smidge_session_reset(run->session);
    double started = plan_now();
    SMG_TRY(prefill(run, ids, count));
    plan_sample(name, run->options.threads, count / (plan_now() - started), "t/s");
    return SMIDGE_OK;
}

static smidge_status test_speed(bench *run)
{
    static int32_t ids[PLAN_LONG];
    SMG_TRY(open_session(run, PLAN_LONG + PLAN_SPARE));
    plan_tokens(ids, PLAN_LONG, 1, run->vocabulary);
    SMG_TRY(prefill(run, ids, PLAN_SHORT)); /* brings the weights into memory */
    SMG_TRY(decode(run, ids, 1));
    for (int i = 0; i < PLAN_REPEATS; i++) {
        SMG_TRY(time_prefill(run, "pp64", ids, PLAN_SHORT));
        smidge_session_reset(run->session);
        double started = plan_now();
        double cpu = plan_cpu_time();
        SMG_TRY(decode(run, ids, PLAN_DECODE));
        cpu = plan_cpu_time() - cpu;
        plan_sample("tg32", run->options.threads, PLAN_DECODE / (plan_now() - started), "t/s");
        plan_sample("cpu", run->options.threads, cpu / PLAN_DECODE * 1e3, "ms");
    }
    return time_prefill(run, "pp512", ids, PLAN_LONG);
}

static smidge_status test_deep(bench *run)
{
    static int32_t ids[PLAN_DEEP + PLAN_DECODE];
    SMG_TRY(open_session(run, PLAN_DEEP + PLAN_SPARE));
    plan_tokens(ids, PLAN_DEEP + PLAN_DECODE, 2, run->vocabulary);
    for (int i = 0; i < PLAN_REPEATS; i++) {
        SMG_TRY(prefill(run, ids, PLAN_DEEP)); /* after the first time, only the last token */
        double started = plan_now();
        SMG_TRY(decode(run, ids + PLAN_DEEP, PLAN_DECODE));
        plan_sample("tg32@2048", run->options.threads, PLAN_DECODE / (plan_now() - started), "t/s");
    }
    return SMIDGE_OK;
}

static smidge_status test_memory(bench *run)
{
    static int32_t ids[PLAN_LONG + PLAN_DECODE];
    SMG_TRY(open_session(run, PLAN_MEMORY_CONTEXT));
    plan_tokens(ids, PLAN_LONG + PLAN_DECODE, 3, run->vocabulary);
    SMG_TRY(prefill(run, ids, PLAN_LONG));
    SMG_TRY(decode(run, ids + PLAN_LONG, PLAN_DECODE));
    plan_sample("memory", run->options.threads, plan_peak_mib(), "MiB");
    return SMIDGE_OK;
}

/* ---- Labels ----------------------------------------------------------------------------------------------- */

static smidge_status ready_labels(bench *run)
{
    static const char *const labels[] = {"NORMAL", "WARNING", "CRITICAL"};
    if (run->labels != NULL)
        return SMIDGE_OK;
    SMG_TRY(made_prompts_write(run->model, &run->prompts, run->error));
    return smidge_labels_new(run->model, labels, 3, &run->labels, run->error);
}

/* The one comparison is fair only if both compute the same tokens. */
static smidge_status check_result(const bench *run, const smidge_classify_result *result)
{
    if (result->prompt_tokens == PLAN_PREFIX + PLAN_FRESH && result->cached_tokens <= PLAN_PREFIX)
        return SMIDGE_OK;
    return smg_error_set(run->error, SMIDGE_E_INVALID, "readings",
                         "%d tokens, %d of them kept: not as planned", result->prompt_tokens,
                         result->cached_tokens);
}

static smidge_status test_warm(bench *run)
{
    SMG_TRY(ready_labels(run));
    SMG_TRY(open_session(run, PLAN_PREFIX + PLAN_FRESH + PLAN_SPARE));
    for (int i = 0; i <= PLAN_WARM_REPEATS; i++) {
        smidge_span spans[2];
        smidge_classify_result result = {.size = sizeof result};
        size_t count = made_prompts_spans(run->prompts.prefix, run->prompts.readings[i], spans);
        double started = plan_now();
        SMG_TRY(smidge_classify(run->session, run->labels, spans, count, NULL, &result, run->error));
        double took = plan_now() - started;
        SMG_TRY(check_result(run, &result));
        if (i == 0) /* computes the prefix */
            continue;
        plan_sample("warm-first", run->options.threads, took * 1e3, "ms");
        plan_sample("warm", run->options.threads, took * 1e3, "ms");
        plan_sample("warm-passes", run->options.threads, result.passes, "passes");
    }
    return SMIDGE_OK;
}

/* Once, from nothing. */
static smidge_status classify_all(bench *run, double *ret_took)
{
    static smidge_span spans[PLAN_READINGS][2];
    smidge_prompt prompts[PLAN_READINGS];
    smidge_classify_result results[PLAN_READINGS];
    for (int i = 0; i < PLAN_READINGS; i++) {
        size_t count = made_prompts_spans(run->prompts.prefix, run->prompts.readings[i], spans[i]);
        prompts[i] = (smidge_prompt){.spans = spans[i], .span_count = count};
        results[i] = (smidge_classify_result){.size = sizeof results[i]};
    }
    smidge_session_reset(run->session);
    double started = plan_now();
    SMG_TRY(smidge_classify_batch(run->session, run->labels, prompts, PLAN_READINGS, NULL, results, NULL,
                                  run->error));
    *ret_took = plan_now() - started;
    for (int i = 0; i < PLAN_READINGS; i++) {
        SMG_TRY(check_result(run, &results[i]));
        if (results[i].answer != SMIDGE_ANSWER_OK)
            return smg_error_set(run->error, SMIDGE_E_INVALID, "readings", "number %d got no label", i + 1);
    }
    return SMIDGE_OK;
}

static smidge_status test_batch(bench *run)
{
    double took;
    SMG_TRY(ready_labels(run));
    SMG_TRY(open_session(run, PLAN_PREFIX + PLAN_READINGS * (PLAN_FRESH + 1) + PLAN_SPARE));
    SMG_TRY(classify_all(run, &took));
    plan_sample("batch-first", run->options.threads, PLAN_READINGS / took, "labels/s");
    plan_sample("batch", run->options.threads, PLAN_READINGS / took, "labels/s");
    return SMIDGE_OK;
}

/* ---- Facts and prompts -------------------------------------------------------------------------------------- */

/* What a decoded token reads of the weights, and what a prefilled one multiplies. A table of embeddings is read only
 * where it is the output matrix too; a prompt computes the output for its last token only. */
static smidge_status count_weights(smidge_file *file, const smidge_file_info *info, double *ret_bytes,
                                   double *ret_products, smidge_error *error)
{
    double embedding = 0.0;
    bool untied = false;
    *ret_bytes = (double)info->tensor_bytes;
    *ret_products = 0.0;
    for (uint64_t i = 0; i < info->tensor_count; i++) {
        smidge_tensor_info tensor = {.size = sizeof tensor};
        SMG_TRY(smidge_file_tensor(file, i, &tensor, error));
        if (strcmp(tensor.name, "token_embd.weight") == 0)
            embedding = (double)tensor.bytes;
        else if (strcmp(tensor.name, "output.weight") == 0)
            untied = true;
        else if (tensor.dims == 2)
            *ret_products += (double)tensor.shape[0] * (double)tensor.shape[1];
    }
    if (untied)
        *ret_bytes -= embedding;
    return SMIDGE_OK;
}

static smidge_status print_facts(const char *path, smidge_error *error)
{
    smidge_file *file = NULL;
    smidge_file_info info = {.size = sizeof info};
    double bytes = 0.0;
    double products = 0.0;
    SMG_TRY(smidge_file_open(path, &file, error));
    smidge_file_describe(file, &info);
    smidge_status status = count_weights(file, &info, &bytes, &products, error);
    smidge_file_close(file);
    plan_sample("file-bytes", 0, (double)info.file_bytes, "B");
    plan_sample("weight-bytes", 0, bytes, "B");
    plan_sample("token-products", 0, products, "MAC");
    plan_sample("kv-token-bytes", 0, 2.0 * 2.0 * info.layers * info.kv_heads * info.head_size, "B");
    return status;
}

static smidge_status write_prompts(bench *run, const char *ids, const char *text)
{
    SMG_TRY(made_prompts_write(run->model, &run->prompts, run->error));
    SMG_TRY(made_prompts_save(run->model, &run->prompts, ids, run->error));
    FILE *file = fopen(text, "w");
    if (file == NULL || fputs(run->prompts.cold, file) < 0 || fclose(file) != 0)
        return smg_error_set(run->error, SMIDGE_E_IO, text, "cannot be written (choose another folder)");
    return SMIDGE_OK;
}

/* ---- The program -------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    smidge_status (*run)(bench *run);
} tests[] = {{"speed", test_speed},
             {"deep", test_deep},
             {"warm", test_warm},
             {"batch", test_batch},
             {"memory", test_memory}};

static smidge_status run_test(bench *run, const char *name)
{
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (strcmp(tests[i].name, name) == 0)
            return tests[i].run(run);
    return smg_error_set(run->error, SMIDGE_E_INVALID, name, "there is no such test");
}

static smidge_status run_all(bench *run, char **arguments, int count)
{
    const char *path = arguments[0];
    if (strcmp(arguments[1], "facts") == 0)
        return print_facts(path, run->error);
    bool prompts = strcmp(arguments[1], "prompts") == 0;
    run->options.threads = prompts ? 1 : atoi(arguments[1]);
    SMG_TRY(smidge_model_open(path, &run->options, &run->model, run->error));
    run->vocabulary = run->model->model.shape.vocabulary;
    if (prompts)
        return write_prompts(run, arguments[2], arguments[3]);
    for (int i = 2; i < count; i++)
        SMG_TRY(run_test(run, arguments[i]));
    return SMIDGE_OK;
}

int main(int argc, char **argv)
{
    static bench run;
    smidge_error error;
    int at = 1;
    smidge_model_options_init(&run.options);
    run.options.force = 1;
    run.error = &error;
    for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
        if (strcmp(argv[at], "--cpu") == 0)
            run.options.cpu = argv[at + 1];
        else if (strcmp(argv[at], "--batch") == 0)
            run.batch = atoi(argv[at + 1]);
        else
            break;
    }
    int left = argc - at;
    if (left < 2 || argv[at][0] == '-' || (strcmp(argv[at + 1], "prompts") == 0 && left != 4) ||
        (left < 3 && strcmp(argv[at + 1], "facts") != 0)) {
        fprintf(stderr, "usage: engine_bench [--cpu PATH] [--batch N] MODEL THREADS TEST...\n"
                        "       engine_bench MODEL facts | prompts IDS TEXT\n");
        return 2;
    }
    smidge_status status = run_all(&run, argv + at, left);
    if (status != SMIDGE_OK)
        fprintf(stderr, "engine_bench: %s: %s\n", error.where, error.message);
    smidge_labels_free(run.labels);
    smidge_session_free(run.session);
    smidge_model_close(run.model);
    return status != SMIDGE_OK;
}
