/* Chat templates. The first byte chooses: the text of a Jinja template; a file of the user's; or a
 * conversation, whose next bytes choose template and options, and whose messages are separated by zero bytes
 * and begin with a role. */
#include "token/chat_template.h"

#include <string.h>

#include "base/alloc.h"
#include "token/chat_template_internal.h"

#define MOST_MESSAGES 64
#define MOST_BYTES 8192
#define EOS "</s>"
#define DATE "05 Mar 2025"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void must_say(smidge_status status, const smidge_error *error)
{
    must(error->code == status && (error->message[0] != '\0') == (status != SMIDGE_OK));
}

/* Whatever the template, only what messages say is not trusted, and there is no more of it than was said. */
static void render(const smg_chat_template *chat, const uint8_t *data, size_t size, unsigned flags)
{
    smg_chat_message messages[MOST_MESSAGES];
    size_t count = 0;
    size_t said = sizeof DATE + 6; /* the longest month in full */
    while (size > 0 && count < MOST_MESSAGES) {
        const uint8_t *end = memchr(data, '\0', size);
        size_t length = end == NULL ? size : (size_t)(end - data);
        messages[count] = (smg_chat_message){SMG_CHAT_USER, NULL, 0};
        if (length > 0)
            messages[count] =
                (smg_chat_message){(smg_chat_role)(data[0] & 3), (const char *)data + 1, length - 1};
        said += messages[count++].size;
        length += end != NULL;
        data += length;
        size -= length;
    }
    smg_chat_options options = {.date = flags & 1 ? DATE : NULL, .eos = flags & 2 ? EOS : NULL};
    options.add_generation_prompt = flags & 4;
    options.no_thinking = flags & 8;
    smg_chat_prompt prompt = {.count = 0};
    smidge_error error = {.message = ""};
    smidge_status status = smg_chat_render(chat, messages, count, &options, &prompt, &error);
    must_say(status, &error);
    size_t plain = 0;
    for (size_t i = 0; i < prompt.count; i++) {
        must(prompt.spans[i].size > 0);
        must(i == 0 || prompt.spans[i].trusted != prompt.spans[i - 1].trusted);
        plain += prompt.spans[i].trusted ? 0 : prompt.spans[i].size;
    }
    must(plain <= said);
    smg_chat_prompt_done(&prompt);
}

static void recognize(smg_text text)
{
    const smg_chat_template *chat = NULL;
    smidge_error error = {.message = ""};
    smidge_status status = smg_chat_recognize(text, &chat, &error);
    must_say(status, &error);
    must((chat != NULL) == (status == SMIDGE_OK));
    if (chat != NULL)
        must(smg_chat_find(smg_chat_name(chat)) != NULL);
}

static void parse_file(smg_text text)
{
    static const uint8_t said[] = "\0s\0\1 hi \0\2yo\0\1bye";
    smg_chat_template *chat = NULL;
    smidge_error error = {.message = ""};
    smidge_status status = smg_chat_parse_file(text, "file", &chat, &error);
    must_say(status, &error);
    must((chat != NULL) == (status == SMIDGE_OK));
    if (chat != NULL)
        render(chat, said, sizeof said - 1, 4);
    smg_chat_template_free(chat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > MOST_BYTES)
        return 0;
    uint64_t live = smg_alloc_live_blocks();
    smg_text text = {(const char *)data + 1, size - 1};
    if (data[0] % 3 == 0)
        recognize(text);
    else if (data[0] % 3 == 1)
        parse_file(text);
    else if (size > 3)
        render(&smg_chat_table[data[1] % smg_chat_table_count], data + 3, size - 3, data[2]);
    must(smg_alloc_live_blocks() == live);
    return 0;
}
