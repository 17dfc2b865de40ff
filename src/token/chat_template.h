/* Chat templates: the text around the messages of a conversation that a model was trained with.
 *
 * A model file carries its template as a program (Jinja). It is never run. What it does is recognised from
 * its text, and a template of our own with the same effect, known by name, is rendered instead. A template
 * that is not recognised is refused; then the user names one, or writes one in a file (smg_chat_parse_file).
 *
 * BOS is not part of what is rendered: the tokenizer adds it. (Llama 2 alone has further ones, before its
 * later turns; they are rendered.)
 *
 * Trust: what the template writes is trusted, so that "<|im_end|>" becomes a token; what messages say is not,
 * whatever it spells.
 *
 * Sources: the tokenizer_config.json of the models named in chat_template_table.c; Jinja's documentation for
 * white space control, with trim_blocks and lstrip_blocks on as transformers has them. */
#ifndef SMG_TOKEN_CHAT_TEMPLATE_H
#define SMG_TOKEN_CHAT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "format/gguf.h"

#define SMG_CHAT_MAX_BYTES (16u << 20) /* of all messages together: what the tokenizer takes */
#define SMG_CHAT_MAX_MESSAGES 65536
#define SMG_CHAT_MAX_JINJA (128u << 10)
#define SMG_CHAT_MAX_FILE (64u << 10)

/* Immutable; those of the table live for ever. */
typedef struct smg_chat_template smg_chat_template;

typedef enum smg_chat_role {
    SMG_CHAT_SYSTEM = 0,
    SMG_CHAT_USER,
    SMG_CHAT_ASSISTANT,
    SMG_CHAT_ROLES
} smg_chat_role;

typedef struct smg_chat_message {
    smg_chat_role role;
    const char *text;
    size_t size;
} smg_chat_message;

typedef struct smg_chat_options {
    const char *date; /* "26 Jul 2024", for templates that tell the model the day; NULL: that very day */
    const char *eos;  /* the vocabulary's end token, for templates that name it; NULL: the family's own */
    bool add_generation_prompt; /* end where the model's answer begins */
    bool no_thinking;           /* ask models that can think first not to; nothing to the others */
} smg_chat_options;

/* Spans for smidge_generate and its like. Everything lies in one block that points to nothing outside. */
typedef struct smg_chat_prompt {
    smidge_span *spans; /* neighbours differ in trust */
    size_t count;
} smg_chat_prompt;

/* The template with the effect of this Jinja text (tokenizer.chat_template). SMIDGE_E_UNSUPPORTED (not known:
 * the message says what it looks like), SMIDGE_E_NOMEM. */
smidge_status smg_chat_recognize(smg_text jinja, const smg_chat_template **ret_template, smidge_error *error)
    SMG_MUST_CHECK;

/* By name, NULL if there is none. "mistral" and such, without a version, are the newest of the family. */
const smg_chat_template *smg_chat_find(const char *name);
/* "chatml, qwen2.5, ...": for messages. */
const char *smg_chat_names(void);
const char *smg_chat_name(const smg_chat_template *chat);

/* A template of the user's own, from the text of a file:
 *
 *     # what stands before and after each message; \n, \t, \" and \\ as in C; no BOS
 *     system-prefix: "<|im_start|>system\n"
 *     system-suffix: "<|im_end|>\n"
 *     user-prefix: "<|im_start|>user\n"
 *     user-suffix: "<|im_end|>\n"
 *     assistant-prefix: "<|im_start|>assistant\n"
 *     assistant-suffix: "<|im_end|>\n"
 *     generation-prompt: "<|im_start|>assistant\n"
 *     default-system: "You answer in one word."
 *     trim: no
 *
 * user-prefix must be there; what is left out is empty, but generation-prompt is then assistant-prefix.
 * Without system-prefix and system-suffix a system message goes in front of the first user message, with an
 * empty line between. default-system is the system message of a conversation that has none. `trim: yes` takes
 * white space from both ends of each message.
 *
 * `name` is for messages. Released with smg_chat_template_free, which takes NULL.
 * SMIDGE_E_INVALID (with the line), SMIDGE_E_NOMEM. */
smidge_status smg_chat_parse_file(smg_text text, const char *name, smg_chat_template **ret_template,
                                  smidge_error *error) SMG_MUST_CHECK;
void smg_chat_template_free(smg_chat_template *chat);

/* Renders a conversation. Nothing said is left out silently: where the model's own template refuses a message
 * or an order of roles, this refuses and says which message; where it drops one, this refuses or renders it.
 * `options` may be NULL: no date, no generation prompt. Released with smg_chat_prompt_done.
 * SMIDGE_E_INVALID (no message, an order or a role that the template does not have, too long),
 * SMIDGE_E_NOMEM. */
smidge_status smg_chat_render(const smg_chat_template *chat, const smg_chat_message *messages, size_t count,
                              const smg_chat_options *options, smg_chat_prompt *ret_prompt,
                              smidge_error *error) SMG_MUST_CHECK;
/* Takes NULL and what was zeroed. */
void smg_chat_prompt_done(smg_chat_prompt *prompt);

#endif
