/* smidge fit: will it run on my board, and how fast? */
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "boards.h"
#include "cli.h"
#include "fetch/catalogue.h"
#include "fit_print.h"
#include "smidge/tools.h"

typedef struct fit_flags {
    const char *model;
    const char *type;
    const char *kv;
    const char *board_name;
    const char *lora;
    uint64_t ram;
    uint64_t memory_limit;
    int32_t context;
    int32_t threads;
    double bandwidth; /* GB/s */
    bool force;
    bool json;
} fit_flags;

static void close_file(smidge_file **file)
{
    smidge_file_close(*file);
}

/* ---- What is asked -------------------------------------------------------------------------------------- */

/* A catalogue entry as the library wants it. */
static smidge_fit_shape shape_of(const smg_catalogue_entry *entry, int type)
{
    return (smidge_fit_shape){.size = sizeof(smidge_fit_shape),
                              .name = entry->name,
                              .architecture = entry->architecture,
                              .type = smg_catalogue_types[type],
                              .file_bytes = entry->bytes[type],
                              .tied = entry->tied,
                              .layers = entry->layers,
                              .width = entry->width,
                              .feed_forward = entry->feed_forward,
                              .heads = entry->heads,
                              .kv_heads = entry->kv_heads,
                              .head_size = entry->head_size,
                              .vocabulary = entry->vocabulary,
                              .context = entry->context,
                              .window = entry->window};
}

static int read_flags(const fit_flags *flags, fit_question *question)
{
    static const struct {
        const char *name;
        int32_t kind;
    } kinds[] = {{"f16", SMIDGE_KV_F16}, {"f32", SMIDGE_KV_F32}, {"q8_0", SMIDGE_KV_Q8_0}};
    smidge_fit_options *options = &question->options;
    *options = (smidge_fit_options){.size = sizeof *options,
                                    .context = flags->context,
                                    .threads = flags->threads,
                                    .force = flags->force,
                                    .memory_limit = flags->memory_limit,
                                    .ram = flags->ram,
                                    .lora_path = flags->lora,
                                    .bandwidth = flags->bandwidth * 1e9};
    options->kv_type = -1;
    question->kv = flags->kv != NULL ? flags->kv : "f16";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        options->kv_type = strcmp(question->kv, kinds[i].name) == 0 ? kinds[i].kind : options->kv_type;
    if (options->kv_type < 0)
        return cli_misuse(&cli_fit, "--kv", "is f16, f32 or q8_0");
    if (flags->context < 0 || flags->threads < 0 || !(flags->bandwidth >= 0.0 && flags->bandwidth < 1e5))
        return cli_misuse(&cli_fit, "-c, -t, --bandwidth", "must not be negative");
    question->default_context = flags->context == 0;
    question->json = flags->json;
    if (flags->board_name == NULL)
        return -1;
    if (!board_find(flags->board_name, &question->board))
        return EXIT_FAILED;
    question->has_board = true;
    if (options->ram == 0)
        options->ram = question->board.ram;
    if (options->ram == 0)
        return cli_misuse(&cli_fit, "--board", "needs --ram, such as 4G: this board comes with several");
    if (options->bandwidth == 0.0)
        options->bandwidth = question->board.bandwidth;
    return -1;
}

/* Where neither a bandwidth nor another machine is given, this one is measured. With --ram alone, it still is: how
 * much memory another board has says nothing of its speed, and so none is predicted. */
static smidge_status measure(const smidge_file *file, fit_question *question, smidge_error *error)
{
    if (question->options.bandwidth > 0.0 || question->has_board || question->options.ram > 0)
        return SMIDGE_OK;
    question->measured = (smidge_machine_speed){.size = sizeof question->measured};
    smidge_status status =
        smidge_machine_measure(file, question->options.threads, &question->measured, error);
    if (status == SMIDGE_OK)
        question->options.measured = &question->measured;
    /* Without memory to measure with, the rest of the answer still counts. */
    return status == SMIDGE_E_NOMEM ? SMIDGE_OK : status;
}

/* ---- One model ------------------------------------------------------------------------------------------ */

static int fit_file(const char *path, fit_question *question)
{
    __attribute__((cleanup(close_file))) smidge_file *file = NULL;
    smidge_error error;
    smidge_file_info info = {.size = sizeof info};
    smidge_fit_result result = {.size = sizeof result};
    if (smidge_file_open(path, &file, &error) != SMIDGE_OK || smidge_file_check(file, &error) != SMIDGE_OK)
        return cli_fail(&error);
    smidge_file_describe(file, &info);
    if (measure(file, question, &error) != SMIDGE_OK ||
        smidge_fit(file, &question->options, &result, &error) != SMIDGE_OK)
        return cli_fail(&error);
    const fit_subject subject = {.name = info.name[0] != '\0' ? info.name : info.architecture,
                                 .where = path,
                                 .type = info.type,
                                 .parameters = info.parameters};
    return fit_print_one(question, &subject, &result);
}

/* The finest type of an entry, coarser than `type`, that fits; -1: none. */
static int coarser_that_fits(const smg_catalogue_entry *entry, int type, const fit_question *question)
{
    for (int other = type - 1; other >= 0; other--) {
        const smidge_fit_shape shape = shape_of(entry, other);
        smidge_fit_options options = question->options;
        smidge_fit_result result = {.size = sizeof result};
        options.shape = &shape;
        if (smidge_fit(NULL, &options, &result, NULL) == SMIDGE_OK && result.fits)
            return other;
    }
    return -1;
}

/* The largest model of the catalogue that is smaller and fits in q4_k_m; NULL: none. */
static const smg_catalogue_entry *smaller_that_fits(uint64_t parameters, const fit_question *question)
{
    const smg_catalogue_entry *best = NULL;
    for (size_t i = 0; i < smg_catalogue_count(); i++) {
        const smg_catalogue_entry *entry = smg_catalogue_at(i);
        const smidge_fit_shape shape = shape_of(entry, 0);
        smidge_fit_options options = question->options;
        smidge_fit_result result = {.size = sizeof result};
        options.shape = &shape;
        if (options.context > entry->context)
            options.context = entry->context;
        if (entry->parameters < parameters && (best == NULL || entry->parameters > best->parameters) &&
            smidge_fit(NULL, &options, &result, NULL) == SMIDGE_OK && result.fits)
            best = entry;
    }
    return best;
}

static int fit_entry(const smg_catalogue_entry *entry, const char *type_name, fit_question *question)
{
    smidge_error error;
    smidge_fit_result result = {.size = sizeof result};
    const int type = smg_catalogue_type(type_name);
    if (type < 0)
        return cli_misuse(&cli_fit, type_name, "is not q4_k_m, q5_k_m, q6_k or q8_0");
    const smidge_fit_shape shape = shape_of(entry, type);
    if (measure(NULL, question, &error) != SMIDGE_OK)
        return cli_fail(&error);
    smidge_fit_options options = question->options;
    options.shape = &shape;
    if (smidge_fit(NULL, &options, &result, &error) != SMIDGE_OK)
        return cli_fail(&error);
    fit_subject subject = {.name = entry->title,
                           .where = entry->name,
                           .type = shape.type,
                           .parameters = entry->parameters,
                           .licence = entry->licence,
                           .catalogued = true};
    if (!result.fits) {
        const int other = coarser_that_fits(entry, type, question);
        subject.smaller_type = other >= 0 ? smg_catalogue_types[other] : NULL;
    }
    if (!result.fits) {
        const smg_catalogue_entry *smaller = smaller_that_fits(entry->parameters, question);
        subject.smaller_model = smaller != NULL ? smaller->name : NULL;
    }
    return fit_print_one(question, &subject, &result);
}

/* ---- All models ----------------------------------------------------------------------------------------- */

/* Of an entry the finest type that fits and is not slow; else the fastest that fits; else the smallest. */
static smidge_status best_of(const smg_catalogue_entry *entry, const fit_question *question, fit_row *row,
                             smidge_error *error)
{
    for (int type = SMG_CATALOGUE_TYPES - 1; type >= 0; type--) {
        const smidge_fit_shape shape = shape_of(entry, type);
        smidge_fit_options options = question->options;
        options.shape = &shape;
        if (options.context > entry->context)
            options.context = entry->context;
        *row = (fit_row){.name = entry->name,
                         .type = shape.type,
                         .parameters = entry->parameters,
                         .result = {.size = sizeof row->result}};
        const smidge_status status = smidge_fit(NULL, &options, &row->result, error);
        if (status != SMIDGE_OK || (row->result.fits && !fit_is_slow(&row->result)))
            return status;
    }
    return SMIDGE_OK;
}

static int fit_all(fit_question *question)
{
    fit_row rows[64];
    smidge_error error;
    size_t count = 0;
    if (measure(NULL, question, &error) != SMIDGE_OK)
        return cli_fail(&error);
    for (size_t i = 0; i < smg_catalogue_count() && count < sizeof rows / sizeof *rows; i++) {
        if (best_of(smg_catalogue_at(i), question, &rows[count++], &error) != SMIDGE_OK)
            return cli_fail(&error);
    }
    return fit_print_all(question, rows, count);
}

/* ---- The command ---------------------------------------------------------------------------------------- */

static bool is_file(const char *name)
{
    struct stat info;
    return strchr(name, '/') != NULL || stat(name, &info) == 0;
}

static int fit(const fit_flags *flags)
{
    fit_question question = {.kv = NULL};
    const int status = read_flags(flags, &question);
    if (status >= 0)
        return status;
    const smg_catalogue_entry *entry = flags->model != NULL ? smg_catalogue_find(flags->model) : NULL;
    const bool named = flags->model == NULL || (entry != NULL && !is_file(flags->model));
    if (named && flags->lora != NULL)
        return cli_misuse(&cli_fit, "--lora", "wants the file of its model: which MODEL?");
    if (flags->model == NULL)
        return fit_all(&question);
    if (named)
        return fit_entry(entry, flags->type, &question);
    const size_t length = strlen(flags->model);
    if (!is_file(flags->model) && (length < 5 || strcasecmp(flags->model + length - 5, ".gguf") != 0)) {
        cli_complain(flags->model, "is neither a file nor a model that is known (smidge fit lists those)");
        return EXIT_FAILED;
    }
    return fit_file(flags->model, &question);
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    fit_flags options = {.type = "q4_k_m"};
    const cli_flag flags[] = {
        {"--ram", CLI_BYTES, &options.ram, "SIZE",
         "RAM of the board, e.g. 4G (default: this machine, as it is now)"},
        {"-c,--context,--ctx-size", CLI_INT, &options.context, "N", "tokens of context (default 1024)"},
        {"--kv", CLI_TEXT, &options.kv, "TYPE", "KV cache as f16, f32 or q8_0 (default f16)"},
        {"--type", CLI_TEXT, &options.type, "TYPE",
         "of a NAME: q4_k_m, q5_k_m, q6_k or q8_0 (default q4_k_m)"},
        {"--bandwidth", CLI_DOUBLE, &options.bandwidth, "GB/s",
         "what the board's processor reads (default: measured here)"},
        {"--board", CLI_TEXT, &options.board_name, "NAME",
         "pi4, pi5, orin-nano, or a report.json of smidge bench --report"},
        {"-t,--threads", CLI_INT, &options.threads, "N",
         "threads (default: physical cores minus one, at least one)"},
        {"--memory-limit", CLI_BYTES, &options.memory_limit, "SIZE",
         "refuse to take more than this, e.g. 900M"},
        {"--lora", CLI_TEXT, &options.lora, "FILE", "with this LoRA adapter, a GGUF file"},
        {"--force", CLI_FLAG, &options.force, NULL, "use more than 70 % of RAM, if it is there"},
        {"--json", CLI_FLAG, &options.json, NULL, "print JSON"},
    };
    size_t count = 0;
    const int status =
        cli_parse(&cli_fit, flags, sizeof flags / sizeof *flags, argc, argv, &options.model, 1, &count);
    return status >= 0 ? status : fit(&options);
}

const cli_command cli_fit = {
    .name = "fit",
    .usage = "[MODEL | NAME] [flags]",
    .summary = "say whether a model fits in memory, and how fast it will be",
    .details =
        "MODEL is a GGUF file, NAME a model that smidge pull knows; without either, all of these are listed, best first.\n"
        "Nothing is loaded and no network is used. G is GiB. Of another board, given by --ram, only the rule counts that a\n"
        "model may take 70 % of RAM; here, so do the memory that is free now and the limits of control groups.\n",
    .run = run,
};
