#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/engine.h"
#include "engine/options.h"
#include "token/chat_template.h"

struct smidge_chat {
    smg_chat_prompt prompt;
};

void smidge_chat_options_init(smidge_chat_options *options)
{
    *options = (smidge_chat_options){.size = sizeof *options};
}

const char *smidge_chat_templates(void)
{
    return smg_chat_names();
}

static void free_template(smg_chat_template **chat)
{
    smg_chat_template_free(*chat);
}

static smidge_status read_file(const char *path, smg_chat_template **ret_template, smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) char *text = NULL;
    size_t size = 0;
    SMG_TRY(smg_file_read(path, SMG_CHAT_MAX_FILE, &text, &size, error));
    return smg_chat_parse_file((smg_text){.data = text, .size = size}, path, ret_template, error);
}

static smidge_status recognize(const smidge_model *model, const smg_chat_template **ret_template,
                               smidge_error *error)
{
    smg_text jinja = {0};
    bool found = false;
    SMG_TRY(smg_gguf_get_text(&model->gguf, "tokenizer.chat_template", &jinja, &found, error));
    if (!found)
        return smg_error_set(
            error, SMIDGE_E_UNSUPPORTED, model->gguf.path,
            "has no chat template: it may be a base model (take its -instruct version, or name one with "
            "--template: %s)",
            smg_chat_names());
    return smg_chat_recognize(jinja, ret_template, error);
}

/* The template to use; *ret_own is one that the caller releases. */
static smidge_status choose(const smidge_model *model, const smidge_chat_options *options,
                            const smg_chat_template **ret_template, smg_chat_template **ret_own,
                            smidge_error *error)
{
    if (options->template_file != NULL) {
        SMG_TRY(read_file(options->template_file, ret_own, error));
        *ret_template = *ret_own;
        return SMIDGE_OK;
    }
    if (options->template_name == NULL) {
        smidge_status status = recognize(model, ret_template, error);
        if (status != SMIDGE_OK)
            smg_error_see(error, SMG_SECTION_TEMPLATES);
        return status;
    }
    *ret_template = smg_chat_find(options->template_name);
    if (*ret_template == NULL)
        return smg_error_set(error, SMIDGE_E_INVALID, "template",
                             "\"%.64s\" is not one of %s (or give a file)", options->template_name,
                             smg_chat_names());
    return SMIDGE_OK;
}

static smidge_status read_role(const smidge_message *message, smg_chat_message *ret_message,
                               smidge_error *error)
{
    static const char *const names[] =
        {[SMG_CHAT_SYSTEM] = "system", [SMG_CHAT_USER] = "user", [SMG_CHAT_ASSISTANT] = "assistant"};
    for (int role = 0; role < SMG_CHAT_ROLES; role++) {
        if (strcmp(message->role, names[role]) == 0) {
            *ret_message =
                (smg_chat_message){.role = (smg_chat_role)role, .text = message->text, .size = message->size};
            return SMIDGE_OK;
        }
    }
    return smg_error_set(error, SMIDGE_E_INVALID, "chat",
                         "\"%.32s\" is not a role (system, user or assistant)", message->role);
}

static smidge_status render(const smidge_model *model, const smidge_message *messages, size_t count,
                            const smidge_chat_options *options, smg_chat_prompt *ret_prompt,
                            smidge_error *error)
{
    SMG_CLEANUP(free_template) smg_chat_template *own = NULL;
    const smg_chat_template *chosen = NULL;
    SMG_TRY(choose(model, options, &chosen, &own, error));
    if (count == 0 || count > SMG_CHAT_MAX_MESSAGES)
        return smg_error_set(error, SMIDGE_E_INVALID, "chat", "%zu messages given (give 1 to %d)", count,
                             SMG_CHAT_MAX_MESSAGES);
    SMG_CLEANUP(smg_free_ptr) smg_chat_message *copies = smg_alloc_array(count, sizeof *copies);
    if (copies == NULL)
        return smg_error_no_memory(error, "chat", count * sizeof *copies);
    for (size_t i = 0; i < count; i++)
        SMG_TRY(read_role(&messages[i], &copies[i], error));
    char eos[64] = "";
    smg_text name = smg_tokenizer_name(model->tokenizer, smg_tokenizer_eos(model->tokenizer));
    if (name.size < sizeof eos)
        memcpy(eos, name.data, name.size);
    const smg_chat_options how = {
        .date = options->date,
        .eos = eos[0] != '\0' ? eos : NULL,
        .add_generation_prompt = true,
        .no_thinking = options->no_thinking != 0,
    };
    return smg_chat_render(chosen, copies, count, &how, ret_prompt, error);
}

smidge_status smidge_chat_new(const smidge_model *model, const smidge_message *messages, size_t count,
                              const smidge_chat_options *options, smidge_chat **ret_chat, smidge_error *error)
{
    smidge_chat_options complete;
    smidge_chat_options_init(&complete);
    SMG_TRY(smg_options_read(&complete, sizeof complete, options, "chat options", error));
    smidge_chat *chat = smg_alloc(sizeof *chat);
    if (chat == NULL)
        return smg_error_no_memory(error, "chat", sizeof *chat);
    smidge_status status = render(model, messages, count, &complete, &chat->prompt, error);
    if (status != SMIDGE_OK) {
        smg_free(chat);
        return status;
    }
    *ret_chat = chat;
    return SMIDGE_OK;
}

const smidge_span *smidge_chat_spans(const smidge_chat *chat, size_t *ret_count)
{
    *ret_count = chat->prompt.count;
    return chat->prompt.spans;
}

void smidge_chat_free(smidge_chat *chat)
{
    if (chat == NULL)
        return;
    smg_chat_prompt_done(&chat->prompt);
    smg_free(chat);
}
