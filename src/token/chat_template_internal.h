/* What a chat template is made of. */
#ifndef SMG_TOKEN_CHAT_TEMPLATE_INTERNAL_H
#define SMG_TOKEN_CHAT_TEMPLATE_INTERNAL_H

#include "token/chat_template.h"

/* In a template's own text these stand for what the options say. */
#define SMG_CHAT_EOS "\1"
#define SMG_CHAT_DATE "\2"

typedef struct smg_chat_turn {
    const char *prefix; /* NULL: nothing; so everywhere here */
    const char *suffix;
    bool trim;
} smg_chat_turn;

/* Where system messages may stand, and what becomes of them. */
typedef enum smg_chat_system {
    SMG_CHAT_SYSTEM_ANYWHERE = 0,
    SMG_CHAT_SYSTEM_FIRST,      /* only as the first message */
    SMG_CHAT_SYSTEM_FIRST_USER, /* only as the first, and goes into the first user message */
    SMG_CHAT_SYSTEM_LAST_USER,  /* only as the first, and goes into the last message, a user's */
    SMG_CHAT_SYSTEM_REFUSED
} smg_chat_system;

typedef enum smg_chat_skip { SMG_CHAT_SKIP_NONE = 0, SMG_CHAT_SKIP_EMPTY, SMG_CHAT_SKIP_BLANK } smg_chat_skip;

/* Families whose turns depend on what was said. */
typedef enum smg_chat_family {
    SMG_CHAT_PLAIN = 0,
    SMG_CHAT_MISTRAL, /* plain, but recognised by its rows */
    SMG_CHAT_QWEN3,
    SMG_CHAT_QWEN3_INSTRUCT, /* thinks no more, but keeps what others thought */
    SMG_CHAT_SMOLLM3,
    SMG_CHAT_SMOLLM3_DATED
} smg_chat_family;

struct smg_chat_template {
    const char *name;
    const char *alias;
    smg_chat_family family;
    smg_chat_turn turn[SMG_CHAT_ROLES];
    smg_chat_system system;
    bool alternate;        /* user, assistant, user ... after the system message */
    smg_chat_skip skip;    /* system messages that are as if they were not there */
    bool fold_trimmed;     /* system and user message are joined before, not after, trimming */
    const char *fold_open; /* around a system message inside a user's */
    const char *fold_close;
    const char *head;           /* begins the system turn, which then is always there */
    const char *default_system; /* the same, but only where there is no system message */
    const char *turn_again;     /* in front of user messages but the first */
    const char *generation;     /* the generation prompt */
    const char *no_generation;  /* where none was asked for */
    bool ends_answers;          /* that only behind an answer */
    const char *no_thinking;    /* ends the generation prompt */
    const char *eos;
};

/* Rows with the same name are variants of one template; the first is the one found by that name. */
extern const smg_chat_template smg_chat_table[];
extern const size_t smg_chat_table_count;

#define SMG_SMOLLM3_PERSONA "You are a helpful AI assistant named SmolLM, trained by Hugging Face."
extern const char smg_smollm3_thinking[]; /* follows the persona */

/* A Jinja text in a normal form, so that what means the same looks the same: see chat_jinja_form.c. Released
 * with smg_free; a zero byte follows. Errors: NOMEM. */
smidge_status smg_chat_jinja_form(smg_text jinja, char **ret_form, size_t *ret_size, smidge_error *error)
    SMG_MUST_CHECK;

#endif
