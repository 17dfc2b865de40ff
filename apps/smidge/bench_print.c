#include "bench_print.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* The rule of thumb for boards: from 10 tokens a second on it answers well, under 5 it is too slow. */
#define FINE_RATE 10.0
#define SLOW_RATE 5.0

/* Models to fall back to, largest first. */
static const struct {
    const char *name;
    double parameters; /* billions */
} smaller_models[] = {
    {"Phi-3 Mini", 3.82},   {"Llama 3.2 3B", 3.21},  {"Gemma 2 2B", 2.61}, {"Qwen2.5 1.5B", 1.54},
    {"Llama 3.2 1B", 1.24}, {"Gemma 3 1B", 1.00},    {"Qwen3 0.6B", 0.60}, {"SmolLM2 360M", 0.36},
    {"Gemma 3 270M", 0.27}, {"SmolLM2 135M", 0.135},
};

bool bench_format_parse(const char *name, bench_format *ret_format)
{
    static const char *const names[] = {[BENCH_MARKDOWN] = "md", [BENCH_JSON] = "json", [BENCH_CSV] = "csv"};
    for (bench_format format = BENCH_MARKDOWN; format <= BENCH_CSV; format++) {
        if (strcmp(name, names[format]) == 0) {
            *ret_format = format;
            return true;
        }
    }
    return false;
}

static const char *model_name(const smidge_model_info *model)
{
    return model->name[0] != '\0' ? model->name : model->architecture;
}

/* ---- The verdict ------------------------------------------------------------------------------------------ */

static const bench_threads *fastest(const bench_report *report)
{
    const bench_threads *best = &report->runs[0];
    for (size_t i = 1; i < report->count; i++) {
        if (report->runs[i].decode.mean > best->decode.mean)
            best = &report->runs[i];
    }
    return best;
}

/* Decode is bound by reading the weights, so speed goes with the inverse of size: the largest that should reach the rate. */
static const char *smaller_model(const smidge_model_info *model, double rate)
{
    double billions = (double)model->parameters / 1e9;
    size_t count = sizeof smaller_models / sizeof *smaller_models;
    for (size_t i = 0; i < count; i++) {
        double parameters = smaller_models[i].parameters;
        if (parameters < 0.9 * billions && rate * billions / parameters >= FINE_RATE)
            return smaller_models[i].name;
    }
    return smaller_models[count - 1].parameters < 0.9 * billions ? smaller_models[count - 1].name : NULL;
}

static void write_verdict(const bench_report *report, char *ret_text, size_t room)
{
    const bench_threads *best = fastest(report);
    double rate = best->decode.mean;
    if (best->decode.tokens == 0) {
        ret_text[0] = '\0';
        return;
    }
    if (rate >= FINE_RATE) {
        snprintf(ret_text, room, "%.1f tokens/s: fine (at least 10 wanted)", rate);
        return;
    }
    const char *smaller = smaller_model(&report->model, rate);
    snprintf(ret_text, room, "%.1f tokens/s: %s; %s%s (see docs/troubleshooting.md, \"Slow\")", rate,
             rate < SLOW_RATE ? "too slow (under 5)" : "usable, below the 10 that are wanted",
             smaller != NULL ? "take a smaller model, such as "
                             : "no smaller model is known; take a smaller type",
             smaller != NULL ? smaller : "");
}

/* ---- Markdown --------------------------------------------------------------------------------------------- */

static void print_speed_row(const bench_report *report, const bench_threads *run, const char *test,
                            const bench_speed *speed)
{
    if (speed->tokens == 0)
        return;
    char size[32];
    char name[16];
    snprintf(name, sizeof name, "%s%" PRId32, test, speed->tokens);
    printf("| %-30.30s | %-10s | %10s | %8.2f M | %7" PRId32 " | %10s | %10.2f ± %.2f |\n",
           model_name(&report->model), report->model.type, cli_bytes((double)report->model.file_bytes, size),
           (double)report->model.parameters / 1e6, run->threads, name, speed->mean, speed->deviation);
}

static void print_latency_row(const bench_threads *run, const char *test, const bench_latency *latency)
{
    if (latency->count > 0)
        printf("| %7" PRId32 " | %10s | %8.2f | %8.2f | %8.2f |\n", run->threads, test, latency->p50,
               latency->p95, latency->p99);
}

static void print_markdown(const bench_report *report)
{
    printf("| %-30s | %-10s | %10s | %10s | %7s | %10s | %16s |\n", "model", "type", "size", "params",
           "threads", "test", "t/s");
    printf("| %.30s | %.10s | %.9s: | %.9s: | %.6s: | %.9s: | %.15s: |\n", "------------------------------",
           "----------", "----------", "----------", "-------", "----------", "----------------");
    for (size_t i = 0; i < report->count; i++) {
        print_speed_row(report, &report->runs[i], "pp", &report->runs[i].prefill);
        print_speed_row(report, &report->runs[i], "tg", &report->runs[i].decode);
    }
    if (report->runs[0].cold.count > 0) {
        printf("\n| threads |       test |   p50 ms |   p95 ms |   p99 ms |\n");
        printf("| ------: | ---------: | -------: | -------: | -------: |\n");
    }
    for (size_t i = 0; i < report->count; i++) {
        print_latency_row(&report->runs[i], "label-cold", &report->runs[i].cold);
        print_latency_row(&report->runs[i], "label-warm", &report->runs[i].warm);
    }
    char text[256];
    printf("\npeak memory  %s, kernels %s\n", cli_bytes((double)report->peak_bytes, text), report->model.cpu);
    if (report->count > 1)
        printf("recommended  -t %" PRId32 "\n", fastest(report)->threads);
    write_verdict(report, text, sizeof text);
    if (text[0] != '\0')
        printf("verdict      %s\n", text);
}

/* ---- JSON and CSV ----------------------------------------------------------------------------------------- */

static json_t *json_of_speed(const bench_report *report, const bench_threads *run, const char *test,
                             const bench_speed *speed)
{
    char name[16];
    snprintf(name, sizeof name, "%s%" PRId32, test, speed->tokens);
    json_t *model = json_string(model_name(&report->model));
    return json_pack("{s:o, s:s, s:I, s:I, s:i, s:s, s:f, s:f}", "model",
                     model != NULL ? model : json_string(report->model.architecture), "type",
                     report->model.type, "size_bytes", (json_int_t)report->model.file_bytes, "n_params",
                     (json_int_t)report->model.parameters, "threads", (int)run->threads, "test", name,
                     "tokens_per_second", speed->mean, "stddev", speed->deviation);
}

static json_t *json_of_latency(const bench_threads *run, const char *test, const bench_latency *latency)
{
    return json_pack("{s:s, s:i, s:f, s:f, s:f}", "test", test, "threads", (int)run->threads, "ms_p50",
                     latency->p50, "ms_p95", latency->p95, "ms_p99", latency->p99);
}

json_t *bench_json(const bench_report *report)
{
    json_t *array = json_array();
    char verdict[256];
    write_verdict(report, verdict, sizeof verdict);
    for (size_t i = 0; i < report->count; i++) {
        const bench_threads *run = &report->runs[i];
        if (run->prefill.tokens > 0)
            json_array_append_new(array, json_of_speed(report, run, "pp", &run->prefill));
        if (run->decode.tokens > 0)
            json_array_append_new(array, json_of_speed(report, run, "tg", &run->decode));
        if (run->cold.count > 0) {
            json_array_append_new(array, json_of_latency(run, "label-cold", &run->cold));
            json_array_append_new(array, json_of_latency(run, "label-warm", &run->warm));
        }
    }
    json_array_append_new(array, json_pack("{s:s, s:I, s:s, s:i, s:s}", "test", "summary",
                                           "peak_memory_bytes", (json_int_t)report->peak_bytes, "kernels",
                                           report->model.cpu, "recommended_threads",
                                           (int)fastest(report)->threads, "verdict", verdict));
    return array;
}

static void print_json(const bench_report *report)
{
    json_t *array = bench_json(report);
    json_dumpf(array, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(7));
    fputc('\n', stdout);
    json_decref(array);
}

/* Names come from files: quotes are doubled, as RFC 4180 has it. */
static void print_quoted(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_csv_row(const bench_report *report, const bench_threads *run, const char *test,
                          const bench_speed *speed, const bench_latency *latency)
{
    print_quoted(model_name(&report->model));
    printf(",%s,%" PRIu64 ",%" PRIu64 ",%" PRId32 ",%s", report->model.type, report->model.file_bytes,
           report->model.parameters, run->threads, test);
    if (speed != NULL)
        printf("%" PRId32 ",%.4f,%.4f,,,", speed->tokens, speed->mean, speed->deviation);
    else
        printf(",,,%.4f,%.4f,%.4f", latency->p50, latency->p95, latency->p99);
    printf(",%" PRIu64 "\n", report->peak_bytes);
}

static void print_csv(const bench_report *report)
{
    printf("model,type,size_bytes,n_params,threads,test,tokens_per_second,stddev,ms_p50,ms_p95,ms_p99,"
           "peak_memory_bytes\n");
    for (size_t i = 0; i < report->count; i++) {
        const bench_threads *run = &report->runs[i];
        if (run->prefill.tokens > 0)
            print_csv_row(report, run, "pp", &run->prefill, NULL);
        if (run->decode.tokens > 0)
            print_csv_row(report, run, "tg", &run->decode, NULL);
        if (run->cold.count > 0) {
            print_csv_row(report, run, "label-cold", NULL, &run->cold);
            print_csv_row(report, run, "label-warm", NULL, &run->warm);
        }
    }
}

void bench_print(const bench_report *report, bench_format format)
{
    if (format == BENCH_JSON)
        print_json(report);
    else if (format == BENCH_CSV)
        print_csv(report);
    else
        print_markdown(report);
}
