/* Model files looked at from outside: the inspecting half of smidge/tools.h. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "cpu/cpu.h"
#include "engine/describe.h"
#include "engine/engine.h"
#include "engine/options.h"
#include "engine/prompt.h"
#include "format/interleave.h"
#include "format/repack.h"
#include "model/adapter.h"
#include "quant/dequantize.h"
#include "quant/quantize_file.h"
#include "smidge/tools.h"
#include "token/chat_template.h"
#include "token/tokenizer.h"

enum { MAX_TYPE_CHOICES = 64 };

smidge_status smidge_file_open(const char *path, smidge_file **ret_file, smidge_error *error)
{
    smidge_file *file = smg_alloc(sizeof *file);
    if (file == NULL)
        return smg_error_no_memory(error, path, sizeof *file);
    smidge_status status = smg_describe_refusal(smg_gguf_open(path, &file->gguf, error), error);
    if (status != SMIDGE_OK) {
        smg_free(file);
        return status;
    }
    *ret_file = file;
    return SMIDGE_OK;
}

void smidge_file_close(smidge_file *file)
{
    if (file == NULL)
        return;
    smg_tokenizer_free(file->tokenizer);
    smg_gguf_close(&file->gguf);
    smg_free(file);
}

/* ---- Checking ----------------------------------------------------------------------------------------- */

static smidge_status need_tokenizer(smidge_file *file, smidge_error *error)
{
    if (file->tokenizer != NULL)
        return SMIDGE_OK;
    return smg_describe_refusal(smg_tokenizer_new(&file->gguf, NULL, &file->tokenizer, error), error);
}

smidge_status smidge_file_check(smidge_file *file, smidge_error *error)
{
    SMG_CLEANUP(smg_model_done) smg_model model = {0};
    float temperature = 1.0F;
    SMG_TRY(smg_describe_refusal(smg_model_load(&file->gguf, 0, &model, error), error));
    SMG_TRY(smg_adapter_read_temperature(&file->gguf, &temperature, error));
    SMG_TRY(need_tokenizer(file, error));
    return smg_describe_refusal(smg_describe_vocabulary(&model, file->tokenizer, error), error);
}

static bool are_finite(const float *x, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (!isfinite(x[i]))
            return false;
    }
    return true;
}

enum { PIECE = 4096 }; /* a multiple of every block */

/* Rows are decoded a piece at a time, so that no tensor is too long for the buffer. */
static bool row_is_finite(const smg_gguf_tensor *tensor, uint64_t row)
{
    float x[PIECE];
    const uint64_t columns = tensor->shape[0];
    const uint64_t piece_bytes = smg_type_row_bytes(tensor->type, PIECE);
    const uint8_t *data = tensor->data + row * smg_type_row_bytes(tensor->type, columns);
    for (uint64_t at = 0; at < columns; at += PIECE, data += piece_bytes) {
        uint64_t count = columns - at < PIECE ? columns - at : PIECE;
        smg_dequantize_row(tensor->type, data, x, (int64_t)count);
        if (!are_finite(x, count))
            return false;
    }
    return true;
}

/* Of an interleaved tensor. */
static bool group_is_finite(const smg_gguf_tensor *tensor, uint64_t first_row)
{
    float x[SMG_QK_K];
    uint8_t block[sizeof(smg_block_q6_k)]; /* the largest */
    const smg_type plain = smg_type_plain(tensor->type);
    const int64_t columns = (int64_t)tensor->shape[0], elements = smg_type_describe(plain)->block_elements;
    const uint8_t *group = tensor->data + first_row * smg_type_row_bytes(plain, tensor->shape[0]);
    for (int row = 0; row < SMG_GROUP_ROWS; row++) {
        for (int64_t i = 0; i < columns / elements; i++) {
            smg_group_block(plain, columns, group, row, i, block);
            smg_dequantize_row(plain, block, x, elements);
            if (!are_finite(x, (uint64_t)elements))
                return false;
        }
    }
    return true;
}

static bool all_finite(const smg_gguf_tensor *tensor)
{
    const bool interleaved = smg_type_is_interleaved(tensor->type);
    const uint64_t rows = tensor->bytes / smg_type_row_bytes(tensor->type, tensor->shape[0]);
    for (uint64_t row = 0; row < rows; row += interleaved ? SMG_GROUP_ROWS : 1) {
        if (!(interleaved ? group_is_finite(tensor, row) : row_is_finite(tensor, row)))
            return false;
    }
    return true;
}

smidge_status smidge_file_verify(smidge_file *file, smidge_error *error)
{
    for (uint64_t i = 0; i < file->gguf.tensor_count; i++) {
        const smg_gguf_tensor *tensor = &file->gguf.tensors[i];
        if (all_finite(tensor))
            continue;
        smg_error_fill(error, SMIDGE_E_FORMAT, file->gguf.path,
                       "tensor %.*s holds something that is not a finite number: the file is damaged "
                       "(download or convert it again)",
                       (int)tensor->name.size, tensor->name.data);
        return smg_describe_refusal(SMIDGE_E_FORMAT, error);
    }
    return SMIDGE_OK;
}

/* ---- Repacking ---------------------------------------------------------------------------------------- */

smidge_status smidge_file_repack(const smidge_file *file, const char *path,
                                 const smidge_repack_options *options, smidge_error *error)
{
    smidge_repack_options chosen = {.size = sizeof chosen};
    SMG_TRY(smg_options_read(&chosen, sizeof chosen, options, "repack options", error));
    const smg_repack repack = {.plain = chosen.plain != 0,
                               .progress = chosen.progress,
                               .context = chosen.progress_context};
    return smg_describe_refusal(smg_repack_write(&file->gguf, path, &repack, error), error);
}

/* ---- Quantizing --------------------------------------------------------------------------------------- */

/* What the options say in words. */
typedef struct quantize_wishes {
    smg_quantize quantize;
    smg_type_choice choices[MAX_TYPE_CHOICES];
    smg_imatrix *imatrix;
} quantize_wishes;

static void wishes_done(quantize_wishes *wishes)
{
    smg_imatrix_close(wishes->imatrix);
}

static smidge_status read_wishes(const smidge_quantize_options *options, quantize_wishes *wishes,
                                 smidge_error *error)
{
    const char *type = options->type != NULL ? options->type : "q4_k_m";
    wishes->quantize = (smg_quantize){.mix = smg_mix_find(type),
                                      .threads = options->threads > 0 ? options->threads : smg_thread_cores(),
                                      .requantize = options->requantize != 0,
                                      .imatrix_name = options->imatrix,
                                      .choices = wishes->choices,
                                      .choice_count = options->tensor_type_count,
                                      .progress = options->progress,
                                      .context = options->progress_context};
    if (wishes->quantize.mix == NULL)
        return smg_error_set(error, SMIDGE_E_INVALID, type, "is not a type (%s are)", smg_mix_names());
    if (options->tensor_type_count > MAX_TYPE_CHOICES)
        return smg_error_set(error, SMIDGE_E_INVALID, "types of tensors",
                             "are %zu, and %d are the most (use patterns)", options->tensor_type_count,
                             MAX_TYPE_CHOICES);
    for (size_t i = 0; i < options->tensor_type_count; i++)
        SMG_TRY(smg_type_choice_parse(options->tensor_types[i], &wishes->choices[i], error));
    if (options->imatrix != NULL)
        SMG_TRY(smg_imatrix_open(options->imatrix, &wishes->imatrix, error));
    wishes->quantize.imatrix = wishes->imatrix;
    return SMIDGE_OK;
}

smidge_status smidge_file_quantize(const smidge_file *file, const char *path,
                                   const smidge_quantize_options *options, smidge_error *error)
{
    smidge_quantize_options chosen = {.size = sizeof chosen};
    SMG_TRY(smg_options_read(&chosen, sizeof chosen, options, "quantize options", error));
    SMG_CLEANUP(wishes_done) quantize_wishes wishes = {0};
    smidge_status status = read_wishes(&chosen, &wishes, error);
    if (status == SMIDGE_OK)
        status = smg_quantize_write(&file->gguf, path, &wishes.quantize, error);
    return smg_describe_refusal(status, error);
}

/* ---- Describing --------------------------------------------------------------------------------------- */

static void copy_key(const smg_gguf *gguf, const char *name, char *ret_text, size_t room)
{
    smg_text text = {.data = "", .size = 0};
    /* A wrong type leaves it empty: describing never fails. */
    (void)!smg_gguf_get_text(gguf, name, &text, NULL, NULL);
    smg_describe_text(text, ret_text, room);
}

static void describe_tokenizer(const smg_gguf *gguf, char *ret_text, size_t room)
{
    char pre[24];
    copy_key(gguf, "tokenizer.ggml.model", ret_text, room);
    copy_key(gguf, "tokenizer.ggml.pre", pre, sizeof pre);
    if (pre[0] != '\0' && strcmp(ret_text, "gpt2") == 0) {
        size_t length = strlen(ret_text);
        snprintf(ret_text + length, room - length, "/%s", pre);
    }
}

static int64_t load_signed(const uint8_t *bytes, int width)
{
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    uint64_t sign = UINT64_C(1) << (width * 8 - 1);
    return (int64_t)((value ^ sign) - sign);
}

/* Kinds of tokens, as tokenizer.ggml.token_type has them (llama.h: LLAMA_TOKEN_TYPE_*). */
enum { TOKEN_CONTROL = 3, TOKEN_USER_DEFINED = 4 };

static int64_t token_id(const smg_gguf *gguf, const char *name)
{
    const smg_gguf_key *key = smg_gguf_find(gguf, name);
    uint32_t id = 0;
    if (key == NULL || smg_gguf_get_u32(gguf, name, &id, NULL, NULL) != SMIDGE_OK)
        return -1;
    return id;
}

static void describe_vocabulary(const smg_gguf *gguf, smidge_file_info *info)
{
    const smg_gguf_key *tokens = smg_gguf_find(gguf, "tokenizer.ggml.tokens");
    const smg_gguf_key *types = smg_gguf_find(gguf, "tokenizer.ggml.token_type");
    info->tokens = tokens != NULL && tokens->type == SMG_GGUF_ARRAY ? tokens->count : 0;
    info->bos = token_id(gguf, "tokenizer.ggml.bos_token_id");
    info->eos = token_id(gguf, "tokenizer.ggml.eos_token_id");
    copy_key(gguf, "tokenizer.ggml.pre", info->pre, sizeof info->pre);
    if (types == NULL || types->type != SMG_GGUF_ARRAY || types->element_type != SMG_GGUF_I32)
        return;
    for (uint64_t i = 0; i < types->count; i++) {
        const int64_t type = load_signed(types->value + i * 4, 4);
        info->special_tokens += type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED;
    }
}

static void describe_template(const smg_gguf *gguf, smidge_file_info *info)
{
    smg_text jinja = {.data = "", .size = 0};
    const smg_chat_template *found = NULL;
    if (smg_gguf_find(gguf, "tokenizer.chat_template") == NULL)
        return;
    const bool known = smg_gguf_get_text(gguf, "tokenizer.chat_template", &jinja, NULL, NULL) == SMIDGE_OK &&
                       smg_chat_recognize(jinja, &found, NULL) == SMIDGE_OK;
    info->has_template = known ? 1 : -1;
    if (known)
        snprintf(info->chat_template, sizeof info->chat_template, "%s", smg_chat_name(found));
}

static void describe_adapter(const smg_gguf *gguf, smidge_file_info *info)
{
    size_t pairs = 0;
    if (!smg_adapter_describe(gguf, &pairs, &info->lora_rank, &info->lora_alpha))
        return;
    info->lora_pairs = pairs;
    copy_key(gguf, "general.base_model.0.name", info->lora_base, sizeof info->lora_base);
}

void smidge_file_describe(smidge_file *file, smidge_file_info *ret_info)
{
    const smg_gguf *gguf = &file->gguf;
    smidge_file_info info = {
        .version = gguf->version,
        .alignment = gguf->alignment,
        .file_bytes = gguf->file.size,
        .key_count = gguf->key_count,
        .tensor_count = gguf->tensor_count,
        .runs = smidge_file_check(file, NULL) == SMIDGE_OK,
        .temperature = 1.0F,
    };
    /* one that is none leaves it as it is: describing does not fail */
    (void)!smg_adapter_read_temperature(gguf, &info.temperature, NULL);
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *tensor = &gguf->tensors[i];
        info.tensor_bytes += tensor->bytes;
        info.parameters += tensor->shape[0] * tensor->shape[1] * tensor->shape[2] * tensor->shape[3];
    }
    copy_key(gguf, "general.architecture", info.architecture, sizeof info.architecture);
    copy_key(gguf, "general.name", info.name, sizeof info.name);
    copy_key(gguf, "general.type", info.kind, sizeof info.kind);
    describe_adapter(gguf, &info);
    describe_vocabulary(gguf, &info);
    describe_template(gguf, &info);
    describe_tokenizer(gguf, info.tokenizer, sizeof info.tokenizer);
    snprintf(info.type, sizeof info.type, "%s", smg_gguf_file_type(gguf));
    snprintf(info.id, sizeof info.id, "%016" PRIx64, smg_model_id(gguf));
    smg_shape shape;
    if (info.runs && smg_shape_read(gguf, &shape, NULL) == SMIDGE_OK) {
        info.layers = shape.layers;
        info.width = shape.width;
        info.feed_forward = shape.feed_forward;
        info.heads = shape.heads;
        info.kv_heads = shape.kv_heads;
        info.head_size = shape.head_size;
        info.vocabulary = shape.vocabulary;
        info.context = shape.context;
        info.window = shape.window;
    }
    smg_result_write(ret_info, &info, sizeof info);
}

smidge_status smidge_file_tensor(const smidge_file *file, uint64_t number, smidge_tensor_info *ret_info,
                                 smidge_error *error)
{
    if (number >= file->gguf.tensor_count)
        return smg_error_set(error, SMIDGE_E_INVALID, file->gguf.path, "has no tensor number %" PRIu64,
                             number);
    const smg_gguf_tensor *tensor = &file->gguf.tensors[number];
    smidge_tensor_info info = {.dims = tensor->dims, .bytes = tensor->bytes, .offset = tensor->offset};
    smg_describe_text(tensor->name, info.name, sizeof info.name);
    snprintf(info.type, sizeof info.type, "%s", smg_type_describe(tensor->type)->name);
    memcpy(info.shape, tensor->shape, sizeof info.shape);
    smg_result_write(ret_info, &info, sizeof info);
    return SMIDGE_OK;
}

/* ---- Keys as text ------------------------------------------------------------------------------------- */

typedef struct writer {
    char *text;
    size_t room;
    size_t used;
    bool cut;
} writer;

static void write_format(writer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void write_format(writer *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(out->text + out->used, out->room - out->used, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    out->cut = out->cut || (size_t)length >= out->room - out->used;
    out->used = out->cut ? out->room - 1 : out->used + (size_t)length;
}

/* One line, whatever the file holds. */
static void write_string(writer *out, smg_text text)
{
    for (size_t i = 0; i < text.size && !out->cut; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '\n')
            write_format(out, "\\n");
        else if (byte < 0x20 || byte == 0x7f)
            write_format(out, "\\x%02x", byte);
        else
            write_format(out, "%c", byte);
    }
}

static void write_scalar(writer *out, smg_gguf_type type, const uint8_t *bytes)
{
    float single = 0.0F;
    double wide = 0.0;
    switch (type) {
    case SMG_GGUF_U8:
    case SMG_GGUF_BOOL:
        if (type == SMG_GGUF_BOOL)
            write_format(out, "%s", bytes[0] != 0 ? "true" : "false");
        else
            write_format(out, "%u", bytes[0]);
        break;
    case SMG_GGUF_I8:
        write_format(out, "%" PRId64, load_signed(bytes, 1));
        break;
    case SMG_GGUF_U16:
        write_format(out, "%" PRIu64, (uint64_t)load_signed(bytes, 2) & UINT16_MAX);
        break;
    case SMG_GGUF_I16:
        write_format(out, "%" PRId64, load_signed(bytes, 2));
        break;
    case SMG_GGUF_U32:
        write_format(out, "%" PRIu64, (uint64_t)load_signed(bytes, 4) & UINT32_MAX);
        break;
    case SMG_GGUF_I32:
        write_format(out, "%" PRId64, load_signed(bytes, 4));
        break;
    case SMG_GGUF_U64:
        write_format(out, "%" PRIu64, (uint64_t)load_signed(bytes, 8));
        break;
    case SMG_GGUF_I64:
        write_format(out, "%" PRId64, load_signed(bytes, 8));
        break;
    case SMG_GGUF_F32:
        memcpy(&single, bytes, sizeof single);
        write_format(out, "%.7g", (double)single);
        break;
    case SMG_GGUF_F64:
        memcpy(&wide, bytes, sizeof wide);
        write_format(out, "%.15g", wide);
        break;
    default:
        break;
    }
}

static void write_array(writer *out, const smg_gguf_key *key)
{
    enum { SHOWN = 6 };
    write_format(out, "%" PRIu64 ": [", key->count);
    uint64_t position = 0;
    size_t width = key->count == 0 ? 0 : (size_t)(key->value_bytes / key->count);
    for (uint64_t i = 0; i < key->count && i < SHOWN; i++) {
        write_format(out, "%s", i > 0 ? ", " : "");
        smg_text text;
        if (key->element_type != SMG_GGUF_STRING)
            write_scalar(out, key->element_type, key->value + i * width);
        else if (smg_gguf_next_text(key, &position, &text))
            write_string(out, text);
    }
    write_format(out, "%s]", key->count > SHOWN ? ", ..." : "");
}

smidge_status smidge_file_key(const smidge_file *file, uint64_t number, smidge_key_info *ret_info,
                              smidge_error *error)
{
    if (number >= file->gguf.key_count)
        return smg_error_set(error, SMIDGE_E_INVALID, file->gguf.path, "has no key number %" PRIu64, number);
    const smg_gguf_key *key = &file->gguf.keys[number];
    smidge_key_info info = {0};
    smg_describe_text(key->name, info.name, sizeof info.name);
    writer out = {.text = info.value, .room = sizeof info.value};
    if (key->type == SMG_GGUF_ARRAY) {
        snprintf(info.type, sizeof info.type, "array of %s", smg_gguf_type_name(key->element_type));
        write_array(&out, key);
    } else {
        snprintf(info.type, sizeof info.type, "%s", smg_gguf_type_name(key->type));
        if (key->type == SMG_GGUF_STRING)
            write_string(&out, (smg_text){.data = (const char *)key->value + 8,
                                          .size = (size_t)key->value_bytes - 8});
        else
            write_scalar(&out, key->type, key->value);
    }
    if (out.cut)
        memcpy(info.value + sizeof info.value - 4, "...", 4);
    smg_result_write(ret_info, &info, sizeof info);
    return SMIDGE_OK;
}

/* ---- Tokens ------------------------------------------------------------------------------------------- */

smidge_status smidge_file_tokenize(smidge_file *file, const smidge_span *spans, size_t span_count,
                                   int32_t *ret_ids, size_t room, size_t *ret_count, smidge_error *error)
{
    SMG_TRY(need_tokenizer(file, error));
    return smg_prompt_fill(file->tokenizer, spans, span_count, ret_ids, room, ret_count, error);
}

const char *smidge_file_token(smidge_file *file, int32_t id, size_t *ret_size)
{
    smg_text name = {.data = "", .size = 0};
    if (need_tokenizer(file, NULL) == SMIDGE_OK)
        name = smg_tokenizer_name(file->tokenizer, id);
    *ret_size = name.size;
    return name.data;
}

/* ---- The processor ------------------------------------------------------------------------------------ */

void smidge_cpu_describe(smidge_cpu_info *ret_info)
{
    smidge_cpu_info info = {.cores = smg_thread_cores()};
    smg_cpu_model_name(info.model, sizeof info.model);
    snprintf(info.best, sizeof info.best, "%s", smg_cpu_path_name(smg_cpu_mask()));
    uint32_t masks[8];
    int steps = smg_cpu_steps(masks);
    writer out = {.text = info.paths, .room = sizeof info.paths};
    for (int i = 0; i < steps; i++)
        write_format(&out, "%s%s", i > 0 ? " " : "", smg_cpu_path_name(masks[i]));
    smg_result_write(ret_info, &info, sizeof info);
}
