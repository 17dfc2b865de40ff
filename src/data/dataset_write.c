#include "data/dataset_write.h"

#include <string.h>

#include "base/file.h"

#define PIECE_BYTES ((size_t)256 << 10)

static void put_member(smg_text_builder *builder, const char *name, const char *text)
{
    smg_text_print(builder, "%s\"%s\": ", builder->data[builder->size - 1] == '{' ? "" : ", ", name);
    smg_text_put_json(builder, text);
}

static void put_messages(const smg_example *example, smg_text_builder *builder)
{
    smg_text_print(builder, "\"messages\": [");
    for (int32_t i = 0; i <= example->message_count; i++) {
        const bool answer = i == example->message_count;
        smg_text_print(builder, "%s{\"role\": \"%s\", \"content\": ", i == 0 ? "" : ", ",
                       answer ? "assistant" : example->messages[i].role);
        smg_text_put_json(builder, answer ? example->answer : example->messages[i].content);
        smg_text_put(builder, "}", 1);
    }
    smg_text_put(builder, "]", 1);
}

/* Places are bytes here, and characters there. */
static void put_hints(const smg_example *example, smg_text_builder *builder)
{
    size_t byte = 0, character = 0;
    for (int32_t i = 0; i < example->hint_count; i++) {
        for (; byte < example->hints[i].at; character++) {
            do
                byte++;
            while (((unsigned char)example->prompt[byte] & 0xC0) == 0x80);
        }
        smg_text_print(builder, "%s[%zu, ", i == 0 ? ", \"hints\": [" : ", ", character);
        smg_text_put_json(builder, example->hints[i].text);
        smg_text_put(builder, "]", 1);
    }
    if (example->hint_count > 0)
        smg_text_put(builder, "]", 1);
}

void smg_example_put(const smg_example *example, smg_text_builder *builder)
{
    smg_text_put(builder, "{", 1);
    if (builder->failed)
        return;
    if (example->kind == SMG_EXAMPLE_TEXT)
        put_messages(example, builder);
    else
        put_member(builder, "prompt", example->prompt);
    if (example->kind == SMG_EXAMPLE_LABEL)
        put_member(builder, "label", example->answer);
    if (example->kind == SMG_EXAMPLE_JSON) {
        smg_text_print(builder, ", \"json\": ");
        smg_text_put(builder, example->answer, strlen(example->answer));
    }
    put_hints(example, builder);
    if (example->id != NULL)
        put_member(builder, "id", example->id);
    if (example->group != NULL)
        put_member(builder, "group", example->group);
    smg_text_put(builder, "}\n", 2);
}

static smidge_status write_part(const smg_dataset_part *part, smg_file_writer *writer, smidge_error *error)
{
    SMG_CLEANUP(smg_text_builder_done) smg_text_builder builder = {0};
    for (size_t i = 0; i <= part->set->count; i++) {
        const bool end = i == part->set->count;
        if (!end && (part->sides == NULL || part->sides[i] == part->side))
            smg_example_put(&part->set->examples[i], &builder);
        if (builder.failed)
            return smg_error_no_memory(error, writer->path, builder.size);
        if (!end && builder.size < PIECE_BYTES)
            continue;
        SMG_TRY(smg_file_append(writer, builder.data, builder.size, error));
        builder.size = 0;
    }
    return SMIDGE_OK;
}

typedef struct writers {
    smg_file_writer files[SMG_DATASET_OUTPUTS_MAX];
    size_t count;
} writers;

static void discard_all(writers *all)
{
    for (size_t i = 0; i < all->count; i++)
        smg_file_discard(&all->files[i]);
}

smidge_status smg_dataset_write(const smg_dataset_output *outputs, size_t count, smidge_error *error)
{
    SMG_CLEANUP(discard_all) writers all = {.count = 0};
    if (count > SMG_DATASET_OUTPUTS_MAX)
        return smg_error_set(error, SMIDGE_E_INVALID, "examples", "go to %d files at most (write fewer)",
                             SMG_DATASET_OUTPUTS_MAX);
    for (size_t i = 0; i < count; i++) {
        SMG_TRY(smg_file_create(outputs[i].path, &all.files[i], error));
        all.count++;
        SMG_TRY(write_part(&outputs[i].part, &all.files[i], error));
    }
    for (size_t i = 0; i < count; i++)
        SMG_TRY(smg_file_commit(&all.files[i], error));
    return SMIDGE_OK;
}
