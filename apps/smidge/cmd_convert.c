/* smidge convert: a model's folder from the Hub made one GGUF file. */
#include <string.h>

#include "cli.h"
#include "smidge/tools.h"

typedef struct convert_flags {
    const char *folder;
    const char *out;
    const char *type;
    const char *base;
    int32_t threads;
    bool quiet;
} convert_flags;

typedef struct notes {
    char text[256];
} notes;

static void close_file(smidge_file **file)
{
    smidge_file_close(*file);
}

/* The last one is kept: it goes into the line that says what was made. */
static void keep_note(void *context, const char *text)
{
    notes *kept = context;
    snprintf(kept->text, sizeof kept->text, "%s", text);
}

static int convert(const convert_flags *flags)
{
    __attribute__((cleanup(close_file))) smidge_file *file = NULL;
    smidge_error error;
    notes kept = {.text = ""};
    cli_progress progress = {.what = "convert", .quiet = flags->quiet};
    const smidge_convert_options options = {.size = sizeof options,
                                            .type = flags->type,
                                            .threads = flags->threads,
                                            .base = flags->base,
                                            .progress = cli_show_progress,
                                            .progress_context = &progress,
                                            .note = keep_note,
                                            .note_context = &kept};
    const smidge_status status = smidge_convert(flags->folder, flags->out, &options, &error);
    cli_end_progress(&progress);
    if (status != SMIDGE_OK)
        return cli_fail(&error);
    if (flags->quiet)
        return EXIT_OK;
    if (smidge_file_open(flags->out, &file, &error) != SMIDGE_OK)
        return cli_fail(&error);
    smidge_file_info info = {.size = sizeof info};
    smidge_file_describe(file, &info);
    char bytes[32];
    const bool model = info.tokenizer[0] != '\0';
    printf("%s: %s, %s, %s%s%s%s%s\n", flags->out, info.type, cli_bytes((double)info.file_bytes, bytes),
           info.architecture, model ? ", tokenizer " : " adapter", info.tokenizer,
           kept.text[0] != '\0' ? ", " : "", kept.text);
    return cli_close_output(EXIT_OK);
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    convert_flags options = {0};
    const char *positional[1] = {NULL};
    const cli_flag flags[] = {
        {"-o,--outfile", CLI_TEXT, &options.out, "OUT.gguf", "the file to make"},
        {"--type,--outtype", CLI_TEXT, &options.type, "TYPE",
         "of the weights (default: auto, 16 bits as the source has them)"},
        {"--base", CLI_TEXT, &options.base, "MODEL",
         "of an adapter: folder or GGUF file of the model that it was trained on"},
        {"-t,--threads", CLI_INT, &options.threads, "N", "threads (default: physical cores)"},
        {"-q,--quiet", CLI_FLAG, &options.quiet, NULL, "say nothing but errors"},
    };
    size_t count = 0;
    int status =
        cli_parse(&cli_convert, flags, sizeof flags / sizeof *flags, argc, argv, positional, 1, &count);
    if (status >= 0)
        return status;
    if (count < 1)
        return cli_misuse(&cli_convert, "HF_DIR", "is missing: which folder?");
    if (options.out == NULL)
        return cli_misuse(&cli_convert, "-o", "is missing: which file to make?");
    options.folder = positional[0];
    return convert(&options);
}

const cli_command cli_convert = {
    .name = "convert",
    .usage = "HF_DIR -o OUT.gguf [flags]",
    .summary = "a model's folder from the Hub made one GGUF file",
    .details =
        "HF_DIR has config.json, model.safetensors (or shards and their index) and tokenizer.json or tokenizer.model: Llama, Mistral,\n"
        "SmolLM2, Qwen2, Qwen3, Phi-3, Gemma 1 to 3; or it is a LoRA adapter of PEFT or MLX. TYPE is auto, f32, f16, bf16, or any that\n"
        "smidge quantize knows, such as q4_k_m: then no large file comes between. See docs/convert.md.\n",
    .run = run,
};
