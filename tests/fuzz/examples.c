/* JSON Lines of any bytes: what is taken is written, and read again as the same. */
#include "data/dataset_build.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "data/dataset_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const smg_dataset_options options;

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static smidge_status read_rows(const char *text, size_t size, smg_dataset *set, smidge_error *error)
{
    smg_dataset_build build = {.set = set, .options = &options, .error = error, .path = "fuzz"};
    const smidge_status status = smg_dataset_prepare(set, error);
    if (status == SMIDGE_OK)
        SMG_TRY(smg_dataset_read_jsonl(&build, text, size));
    return status == SMIDGE_OK ? smg_dataset_judge(&build) : status;
}

static void same(const smg_example *a, const smg_example *b)
{
    must(a->kind == b->kind && a->label == b->label && a->message_count == b->message_count);
    must(strcmp(a->answer, b->answer) == 0);
    must((a->prompt == NULL) == (b->prompt == NULL) &&
         (a->prompt == NULL || strcmp(a->prompt, b->prompt) == 0));
    must(a->hint_count == b->hint_count);
    for (int32_t i = 0; i < a->hint_count; i++)
        must(a->hints[i].at == b->hints[i].at && strcmp(a->hints[i].text, b->hints[i].text) == 0);
    for (int32_t i = 0; i < a->message_count; i++)
        must(strcmp(a->messages[i].content, b->messages[i].content) == 0);
}

static void write_and_read(const smg_dataset *set)
{
    smg_text_builder builder = {0};
    smg_dataset back = {0};
    smidge_error error;
    for (size_t i = 0; i < set->count; i++)
        smg_example_put(&set->examples[i], &builder);
    must(read_rows(builder.data == NULL ? "" : builder.data, builder.size, &back, &error) == SMIDGE_OK);
    must(back.count == set->count && back.label_count == set->label_count);
    for (size_t i = 0; i < set->count; i++)
        same(&set->examples[i], &back.examples[i]);
    smg_dataset_done(&back);
    smg_text_builder_done(&builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t live = smg_alloc_live_blocks();
    smg_dataset set = {0};
    smg_examination found = {0};
    smidge_error error = {.code = SMIDGE_OK};
    const smidge_status status = read_rows((const char *)data, size, &set, &error);
    must(status == SMIDGE_OK || error.message[0] != '\0');
    if (status == SMIDGE_OK) {
        must(smg_examine(&set, &found, &error) == SMIDGE_OK);
        must(found.labels + found.jsons + found.texts == set.count &&
             found.duplicates + found.conflicts <= set.count);
        smg_examination_done(&found);
        write_and_read(&set);
    }
    smg_dataset_done(&set);
    must(smg_alloc_live_blocks() == live);
    return 0;
}
