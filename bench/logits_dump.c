/* Teacher-forced logits of a model along given tokens, for comparing engines: see bench/peers/agree.c for the formats
 * of tokens.bin and of what is written.
 *
 *     logits_dump MODEL tokens.bin -o logits.f32 [-t THREADS] [--kv f16|f32|q8_0] [--cpu PATH] [--lora ADAPTER]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/engine.h"

#define CHUNK 64

typedef struct arguments {
    const char *model;
    const char *tokens;
    const char *output;
    smidge_model_options model_options;
    smidge_session_options session_options;
} arguments;

static int usage(void)
{
    fprintf(
        stderr,
        "usage: logits_dump MODEL tokens.bin -o logits.f32 [-t THREADS] [--kv f16|f32|q8_0] [--cpu PATH]\n"
        "       [--lora ADAPTER]\n");
    return 2;
}

static int parse(int argc, char **argv, arguments *ret)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "-o") == 0)
            ret->output = value;
        else if (strcmp(argv[i], "-t") == 0)
            ret->model_options.threads = atoi(value);
        else if (strcmp(argv[i], "--cpu") == 0)
            ret->model_options.cpu = value;
        else if (strcmp(argv[i], "--lora") == 0)
            ret->model_options.lora_path = value;
        else if (strcmp(argv[i], "--kv") == 0)
            ret->session_options.kv_type = strcmp(value, "f32") == 0    ? SMIDGE_KV_F32
                                           : strcmp(value, "q8_0") == 0 ? SMIDGE_KV_Q8_0
                                                                        : SMIDGE_KV_F16;
        else if (ret->model == NULL)
            ret->model = argv[i];
        else if (ret->tokens == NULL)
            ret->tokens = argv[i];
        else
            return usage();
        if (argv[i][0] == '-')
            i++;
    }
    return ret->model != NULL && ret->tokens != NULL && ret->output != NULL ? 0 : usage();
}

static int fail(const smidge_error *error)
{
    fprintf(stderr, "logits_dump: %s: %s\n", error->where, error->message);
    return 1;
}

/* One sequence from an empty cache; every row's logits. */
static smidge_status dump_sequence(smidge_session *session, const int32_t *ids, int32_t count, FILE *out)
{
    size_t vocabulary = (size_t)session->model->model.shape.vocabulary;
    smidge_session_reset(session);
    for (int32_t at = 0; at < count; at += CHUNK) {
        int32_t rows = count - at < CHUNK ? count - at : CHUNK;
        smg_segment segments[2];
        int32_t segment_count = smg_session_segments(session, segments);
        for (int32_t i = 0; i < rows; i++)
            session->rows[i] = (smg_row){.token = ids[at + i],
                                         .position = at + i,
                                         .segments = segments,
                                         .segment_count = segment_count,
                                         .cache = &session->cache,
                                         .cell = at + i,
                                         .wanted = true};
        SMG_TRY(smg_forward_run(&session->model->model, session->model->pool, session->scratch, session->rows,
                                rows, &(smg_output){.logits = session->logits}, NULL));
        if (fwrite(session->logits, sizeof(float), vocabulary * (size_t)rows, out) !=
            vocabulary * (size_t)rows)
            return SMIDGE_E_IO;
    }
    return SMIDGE_OK;
}

static int32_t read_i32(const uint8_t *bytes)
{
    int32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static int dump_all(smidge_session *session, const smg_file *tokens, FILE *out)
{
    size_t at = 4;
    int32_t sequences = tokens->size >= 4 ? read_i32(tokens->data) : 0;
    for (int32_t i = 0; i < sequences; i++) {
        int32_t count = at + 4 <= tokens->size ? read_i32(tokens->data + at) : 0;
        at += 4;
        if (count < 1 || count > session->options.context || at + (size_t)count * 4 > tokens->size) {
            fprintf(stderr, "logits_dump: sequence %d of %d has a bad length\n", i + 1, sequences);
            return 1;
        }
        int32_t *ids = calloc((size_t)count, sizeof *ids);
        if (ids == NULL)
            return 1;
        memcpy(ids, tokens->data + at, (size_t)count * 4);
        at += (size_t)count * 4;
        smidge_status status = dump_sequence(session, ids, count, out);
        free(ids);
        if (status != SMIDGE_OK) {
            fprintf(stderr, "logits_dump: %s\n", smidge_status_name(status));
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    arguments args = {0};
    smidge_model_options_init(&args.model_options);
    smidge_session_options_init(&args.session_options);
    args.model_options.force = 1;
    args.session_options.context = 512;
    if (parse(argc, argv, &args) != 0)
        return 2;
    smidge_error error;
    smidge_model *model = NULL;
    smidge_session *session = NULL;
    smg_file tokens;
    if (smg_file_open(args.tokens, &tokens, &error) != SMIDGE_OK ||
        smidge_model_open(args.model, &args.model_options, &model, &error) != SMIDGE_OK)
        return fail(&error);
    if (args.session_options.context > model->model.shape.context)
        args.session_options.context = model->model.shape.context;
    if (smg_session_new(model, &args.session_options, CHUNK, &session, &error) != SMIDGE_OK)
        return fail(&error);
    FILE *out = fopen(args.output, "wb");
    if (out == NULL) {
        perror(args.output);
        return 1;
    }
    int status = dump_all(session, &tokens, out);
    if (fclose(out) != 0)
        status = 1;
    smidge_session_free(session);
    smidge_model_close(model);
    smg_file_close(&tokens);
    return status;
}
