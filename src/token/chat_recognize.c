/* Which of the named templates a Jinja text is. It is brought into a normal form (chat_jinja_form.c), in
 * which the expressions that print each turn can be looked for whole, every space and line end included. A
 * text with the right marks but another expression, a default message of its own or another rule about roles
 * is not taken for something that it only resembles. */
#include "token/chat_template_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define WHERE "chat template"
#define EXPRESSION 512

typedef struct form {
    char *text;
    size_t size;
} form;

static bool has(const form *seen, const char *part)
{
    return memmem(seen->text, seen->size, part, strlen(part)) != NULL;
}

static bool has_all(const form *seen, const char *const *parts)
{
    for (; *parts != NULL; parts++) {
        if (!has(seen, *parts))
            return false;
    }
    return true;
}

/* An output tag as the normal form has it, put together piece by piece. */
typedef struct expression {
    char text[EXPRESSION];
    size_t size;
    bool in_string;
} expression;

static void put(expression *ex, const char *text, size_t size)
{
    if (size < sizeof ex->text - ex->size) {
        memcpy(ex->text + ex->size, text, size);
        ex->size += size;
    }
}

static void add_value(expression *ex, const char *value)
{
    if (ex->in_string)
        put(ex, "'", 1);
    ex->in_string = false;
    if (ex->size > 0)
        put(ex, "+", 1);
    put(ex, value, strlen(value));
}

/* A string with the end token in it where the template's own text has it. */
static void add_string(expression *ex, const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == SMG_CHAT_EOS[0]) {
            add_value(ex, "eos_token");
            continue;
        }
        if (!ex->in_string)
            add_value(ex, "'");
        ex->in_string = true;
        put(ex, text, 1);
    }
}

static bool has_output(const form *seen, expression *ex)
{
    char whole[EXPRESSION + 8];
    if (ex->in_string)
        put(ex, "'", 1);
    int size = snprintf(whole, sizeof whole, "{{%.*s}}", (int)ex->size, ex->text);
    return size > 0 && memmem(seen->text, seen->size, whole, (size_t)size) != NULL;
}

static bool has_text(const form *seen, const char *text)
{
    expression ex = {.size = 0};
    add_string(&ex, text);
    return has_output(seen, &ex);
}

/* {{'prefix'+message['content']+'suffix'}}, with another value between the two if `middle` is not NULL. */
static bool has_turn(const form *seen, const smg_chat_turn *turn, const char *middle, const char *between)
{
    expression ex = {.size = 0};
    add_string(&ex, turn->prefix);
    if (middle != NULL) {
        add_value(&ex, middle);
        add_string(&ex, between);
    }
    add_value(&ex, turn->trim ? "message['content']|trim" : "message['content']");
    add_string(&ex, turn->suffix);
    return has_output(seen, &ex);
}

/* Every role by an expression of its own. */
static bool has_own_turns(const form *seen, const smg_chat_template *row)
{
    for (int role = 0; role < SMG_CHAT_ROLES; role++) {
        const smg_chat_turn *turn = &row->turn[role];
        if ((turn->prefix != NULL || turn->suffix != NULL) && !has_turn(seen, turn, NULL, NULL))
            return false;
    }
    return true;
}

/* All roles by one: {{'before'+message['role']+'after role'+content+'suffix'}}. */
static bool has_common_turn(const form *seen, const smg_chat_template *row, const char *content)
{
    const smg_chat_turn *turn = &row->turn[SMG_CHAT_USER];
    const char *role = strstr(turn->prefix, "user");
    if (role == NULL)
        return false;
    expression ex = {.in_string = true};
    put(&ex, "'", 1);
    put(&ex, turn->prefix, (size_t)(role - turn->prefix));
    add_value(&ex, "message['role']");
    add_string(&ex, role + strlen("user"));
    add_value(&ex, content);
    add_string(&ex, turn->suffix);
    return has_output(seen, &ex);
}

static bool has_turns(const form *seen, const smg_chat_template *row)
{
    return has_own_turns(seen, row) ||
           has_common_turn(seen, row, row->turn[0].trim ? "message['content']|trim" : "message['content']");
}

/* Roles must take turns, and others are refused. */
static bool alternates(const form *seen)
{
    return has(seen, "raise_exception(") && has(seen, "=='user')!=(") && has(seen, "%2==0)");
}

/* The n-th row of this name. */
static const smg_chat_template *variant(const char *name, size_t n)
{
    for (size_t i = 0; i < smg_chat_table_count; i++) {
        if (strcmp(smg_chat_table[i].name, name) == 0 && n-- == 0)
            return &smg_chat_table[i];
    }
    return NULL;
}

/* ---- ChatML and its family ---------------------------------------------------------------------------- */

static const smg_chat_template *see_qwen3(const form *seen)
{
    static const char *const common[] = {
        "{{'<|im_start|>system\n'+messages[0]['content']+'<|im_end|>\n'}}",
        "{{'<|im_start|>'+message['role']+'\n'+content}}",
        ("{{'<|im_start|>'+message['role']+'\n<think>\n'+reasoning_content.strip('\n')+'\n</think>\n\n'"
         "+content.lstrip('\n')}}"),
        "{%if loop['index0']>ns['last_query_index']%}",
        "{{'<|im_start|>assistant\n'}}",
        NULL,
    };
    const smg_chat_template *chatml = smg_chat_find("chatml");
    if (!has_all(seen, common) ||
        !(has_common_turn(seen, chatml, "message['content']") || has_common_turn(seen, chatml, "content")))
        return NULL;
    if (has(seen,
            "{%if enable_thinking is defined and enable_thinking is false%}{{'<think>\n\n</think>\n\n'}}") &&
        has(seen, "{%if loop['last']or(not loop['last']and reasoning_content)%}"))
        return smg_chat_find("qwen3");
    if (!has(seen, "enable_thinking") && has(seen, "{%if reasoning_content%}"))
        return smg_chat_find("qwen3-instruct");
    return NULL;
}

static const smg_chat_template *see_smollm3(const form *seen)
{
    static const char *const common[] = {
        "enable_thinking=true",
        "{{'<|im_start|>system\n'}}",
        "{{custom_instructions+'\n\n'}}",
        (SMG_SMOLLM3_PERSONA "\n\n'}}"),
        "{{'<|im_start|>'+message['role']+'\n'+content+'<|im_end|>\n'}}",
        "{{'<|im_start|>assistant\n'+content.lstrip('\n')+'<|im_end|>\n'}}",
        "{{'<|im_start|>assistant\n<think>\n\n</think>\n'+content.lstrip('\n')+'<|im_end|>\n'}}",
        "{{'<|im_start|>assistant\n<think>\n\n</think>\n'}}",
        NULL,
    };
    if (!has_all(seen, common) || !has(seen, smg_smollm3_thinking))
        return NULL;
    if (has(seen, "{{'## Metadata\n\nKnowledge Cutoff Date: June 2025\nReasoning Mode: '+reasoning_mode+"
                  "'\n\n## Custom Instructions\n\n'}}") &&
        has(seen, "{%endif%}{{'<|im_end|>\n'}}{%for") && !has(seen, "strftime_now"))
        return smg_chat_find("smollm3");
    if (has(seen,
            "{{'## Metadata\n\nKnowledge Cutoff Date: June 2025\n'}}{%set today=strftime_now('%d %B %Y')%}"
            "{{'Today Date: '+today+'\nReasoning Mode: '+reasoning_mode+"
            "'\n\n## Custom Instructions\n\n'}}") &&
        has(seen, "{{custom_instructions.replace('/system_override','').rstrip()+'<|im_end|>\n'}}") &&
        has(seen, "{{'\n\n<|im_end|>\n'}}"))
        return smg_chat_find("smollm3-dated");
    return NULL;
}

/* The row of ChatML whose default system message is this; NULL for any other. */
static const smg_chat_template *with_default(const char *text, size_t size)
{
    for (size_t i = 0; i < smg_chat_table_count; i++) {
        const smg_chat_template *row = &smg_chat_table[i];
        if (row->default_system != NULL && strlen(row->default_system) == size &&
            memcmp(row->default_system, text, size) == 0)
            return row;
    }
    return NULL;
}

/* What it says where there is no system message: *ret_row stays where it says nothing. False if that is text
 * which is not known. */
static bool see_default(const form *seen, const smg_chat_template **ret_row)
{
    static const char *const openings[] = {"<|im_start|>system\n", "system_message='"};
    static const char *const closings[] = {"<|im_end|>\n'", "'"};
    const char *end = seen->text + seen->size;
    for (int way = 0; way < 2; way++) {
        size_t opening = strlen(openings[way]);
        for (const char *at = seen->text; at < end; at++) {
            at = memmem(at, (size_t)(end - at), openings[way], opening);
            if (at == NULL)
                break;
            at += opening;
            if (*at == '\'' || *at == '\0')
                continue;
            const char *close = memmem(at, (size_t)(end - at), closings[way], strlen(closings[way]));
            *ret_row = close == NULL ? NULL : with_default(at, (size_t)(close - at));
            if (*ret_row == NULL)
                return false;
        }
    }
    return true;
}

static const smg_chat_template *see_chatml(const form *seen)
{
    const smg_chat_template *row = smg_chat_find("chatml");
    if (has(seen, "<think>"))
        return has(seen, "## Metadata") ? see_smollm3(seen) : see_qwen3(seen);
    if (!has_turns(seen, row) || !has_text(seen, row->generation) || has(seen, "%2==") ||
        has(seen, "<|im_sep|>"))
        return NULL;
    /* A system message that is cut off must come in again. */
    if (has(seen, "messages[1:]") && !has(seen, "{{'<|im_start|>system\n'+system_message+'<|im_end|>\n'}}") &&
        !has(seen, "{{'<|im_start|>system\n'+messages[0]['content']+'<|im_end|>\n'}}"))
        return NULL;
    if (!see_default(seen, &row))
        return NULL;
    if (!has(seen, "{%elif messages[-1]['role']=='assistant'%}{{eos_token}}"))
        return row;
    return row->default_system == NULL ? variant("chatml", 1) : NULL;
}

/* ---- The others --------------------------------------------------------------------------------------- */

static const smg_chat_template *see_llama3(const form *seen)
{
    const smg_chat_template *plain = smg_chat_find("llama3");
    static const char *const dated[] = {
        "system_message=messages[0]['content']|trim%}",
        "system_message=''%}",
        "{{'<|start_header_id|>system<|end_header_id|>\n\n'}}",
        "{{'Cutting Knowledge Date: December 2023\nToday Date: '+date_string+'\n\n'}}",
        "{{system_message+'<|eot_id|>'}}",
        NULL,
    };
    /* The first ones set the turn aside before they print it. */
    bool turn = has_turns(seen, plain) ||
                has(seen, "{%set content='<|start_header_id|>'+message['role']+'<|end_header_id|>\n\n'+"
                          "message['content']|trim+'<|eot_id|>'%}");
    if (!turn || !has_text(seen, plain->generation) || has(seen, "=='user')!=("))
        return NULL;
    if (has(seen, "system_message") || has(seen, "|>system<|"))
        return has_all(seen, dated) ? smg_chat_find("llama3.1") : NULL;
    return has(seen, "add_generation_prompt") ? plain : variant("llama3", 1);
}

static const smg_chat_template *see_phi3(const form *seen)
{
    if (has(seen, "=='user')!=("))
        return NULL;
    const smg_chat_template *small = smg_chat_find("phi4-mini");
    if (has_turns(seen, small) && has_text(seen, small->generation) && has(seen, "{%else%}{{eos_token}}"))
        return small;
    const smg_chat_template *first = variant("phi3", 3);
    if (has_turn(seen, &first->turn[SMG_CHAT_USER], NULL, NULL) &&
        has_turn(seen, &first->turn[SMG_CHAT_ASSISTANT], NULL, NULL) && !has(seen, "system"))
        return first;
    const smg_chat_template *row = variant("phi3", 0);
    if (!has_turns(seen, row) || !has_text(seen, row->generation) || has(seen, "messages[-1]"))
        return NULL;
    if (!has(seen, "{%else%}{{eos_token}}"))
        return variant("phi3", 2);
    return has(seen, "=='system'and message['content']%}") ? row : variant("phi3", 1);
}

static const smg_chat_template *see_zephyr(const form *seen)
{
    const smg_chat_template *row = smg_chat_find("zephyr");
    return has_turns(seen, row) && has_text(seen, row->generation) && !has(seen, "=='user')!=(") ? row : NULL;
}

static const smg_chat_template *see_gemma(const form *seen)
{
    static const char *const second[] = {
        "{{'<start_of_turn>'+role+'\n'+message['content']|trim+'<end_of_turn>\n'}}",
        "{%if messages[0]['role']=='system'%}{{raise_exception(",
        NULL,
    };
    static const char *const third[] = {
        "first_user_prefix=messages[0]['content']+'\n\n'%}",
        "{{'<start_of_turn>'+role+'\n'+(first_user_prefix if loop['first']else'')}}",
        "{{message['content']|trim}}",
        "{{'<end_of_turn>\n'}}",
        NULL,
    };
    if (!alternates(seen) || !has_text(seen, "<start_of_turn>model\n"))
        return NULL;
    if (has_all(seen, second))
        return smg_chat_find("gemma");
    return has_all(seen, third) ? smg_chat_find("gemma3") : NULL;
}

static bool is_mistral_row(const form *seen, const smg_chat_template *row)
{
    const smg_chat_turn *user = &row->turn[SMG_CHAT_USER];
    if (row->alternate ? !alternates(seen) : has(seen, "raise_exception("))
        return false;
    if (!has_turn(seen, user, NULL, NULL) || !has_turn(seen, &row->turn[SMG_CHAT_ASSISTANT], NULL, NULL))
        return false;
    if (row->system == SMG_CHAT_SYSTEM_REFUSED)
        return !has(seen, "system");
    bool first = row->system == SMG_CHAT_SYSTEM_FIRST_USER;
    return has_turn(seen, user, "system_message", row->fold_close) &&
           (has(seen, first ? "{%if loop['first']and system_message is defined%}"
                            : "{%if loop['last']and system_message is defined%}") ||
            has(seen, first ? "{%if system_message is defined and loop['first']%}"
                            : "{%if system_message is defined and loop['last']%}"));
}

static const smg_chat_template *see_instructions(const form *seen)
{
    if (has(seen, "[SYSTEM_PROMPT]"))
        return NULL;
    if (has(seen, "<<SYS>>")) {
        static const char *const second[] = {
            "{%set content='<<SYS>>\n'+system_message+'\n<</SYS>>\n\n'+message['content']%}",
            "{%set content=message['content']%}",
            "{{bos_token+'[INST] '+content|trim+' [/INST]'}}",
            "{{' '+content|trim+' '+eos_token}}",
            "system_message=messages[0]['content']%}",
            "system_message=false%}",
            NULL,
        };
        /* Another default than none counts only where nobody can switch it on. */
        bool plain = !has(seen, "system_message='") || has(seen, "{%elif USE_DEFAULT_PROMPT==true and");
        return plain && alternates(seen) && has_all(seen, second) ? smg_chat_find("llama2") : NULL;
    }
    for (size_t i = 0; i < smg_chat_table_count; i++) {
        if (smg_chat_table[i].family == SMG_CHAT_MISTRAL && is_mistral_row(seen, &smg_chat_table[i]))
            return &smg_chat_table[i];
    }
    return NULL;
}

/* Prints white space on its own, at an end or between the turns. Between the parts of a tool call it may. */
static bool has_stray_space(const form *seen)
{
    const char *end = seen->text + seen->size;
    bool tools = has(seen, "tool");
    for (const char *at = seen->text; (at = memmem(at, (size_t)(end - at), "{{'", 3)) != NULL;) {
        bool first = at == seen->text;
        at += 3;
        size_t blank = strspn(at, " \t\n");
        bool stray = strncmp(at + blank, "'}}", 3) == 0 || (first && blank > 0);
        if (stray && (first || !tools || at + blank + 3 == end))
            return true;
    }
    return false;
}

/* ---- What it looks like ------------------------------------------------------------------------------- */

typedef struct mark {
    const char *text;
    const char *looks; /* "it looks like ..." */
    const smg_chat_template *(*see)(const form *seen);
} mark;

static const mark marks[] = {
    {"<|im_sep|>", "Phi-4's", NULL},
    {"<end_of_utterance>", "SmolVLM's", NULL},
    {"<|im_start|>", "a variant of ChatML", see_chatml},
    {"<|start_header_id|>", "a variant of Llama 3's", see_llama3},
    {"<start_of_turn>", "a variant of Gemma's", see_gemma},
    {"<|turn>", "Gemma 4's", NULL},
    {"[SYSTEM_PROMPT]", "Mistral's v7", NULL},
    {"[INST]", "a variant of Mistral's or Llama 2's", see_instructions},
    {"<|header_start|>", "Llama 4's", NULL},
    {"<|start_of_role|>", "Granite's", NULL},
    {"<|channel|>", "gpt-oss's", NULL},
    {"[gMASK]", "ChatGLM's", NULL},
    {"<|end|>", "a variant of Phi-3's", see_phi3},
    {"<|assistant|>", "a variant of Zephyr's", see_zephyr},
    {"<|user|>", "a variant of Zephyr's", see_zephyr},
    {"<\xEF\xBD\x9C"
     "User\xEF\xBD\x9C>",
     "DeepSeek's", NULL},
    {"<|START_OF_TURN_TOKEN|>", "Command R's", NULL},
    {"GPT4 Correct", "OpenChat's", NULL},
    {"[|assistant|]", "EXAONE's", NULL},
    {"### Instruction", "Alpaca's", NULL},
    {"USER:", "Vicuna's", NULL},
    {"Falcon:", "Falcon's", NULL},
};

static smidge_status refuse(smg_text jinja, const mark *found, smidge_error *error)
{
    char seen[64];
    if (found == NULL) {
        int plain = 0;
        while (plain < 40 && (size_t)plain < jinja.size && jinja.data[plain] >= ' ' &&
               jinja.data[plain] < 0x7F)
            plain++;
        snprintf(seen, sizeof seen, "it begins with \"%.*s\"", plain, plain > 0 ? jinja.data : "");
    } else {
        snprintf(seen, sizeof seen, "it looks like %s", found->looks);
    }
    return smg_error_set(
        error, SMIDGE_E_UNSUPPORTED, WHERE,
        "the model's own is not one that is known: %s (choose one with --template NAME: %s; or "
        "write one with --template FILE)",
        seen, smg_chat_names());
}

smidge_status smg_chat_recognize(smg_text jinja, const smg_chat_template **ret_template, smidge_error *error)
{
    if (jinja.size > SMG_CHAT_MAX_JINJA)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, WHERE,
                             "the model's own has %zu bytes, more than any that is known (choose one with "
                             "--template NAME: %s; or write one with --template FILE)",
                             jinja.size, smg_chat_names());
    SMG_CLEANUP(smg_free_ptr) char *text = NULL;
    form seen = {.size = 0};
    SMG_TRY(smg_chat_jinja_form(jinja, &text, &seen.size, error));
    seen.text = text;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (!has(&seen, marks[i].text))
            continue;
        /* All that is known prints text from within tags only. */
        bool other = marks[i].see == NULL || has(&seen, "{{\"") || has_stray_space(&seen);
        const smg_chat_template *known = other ? NULL : marks[i].see(&seen);
        if (known == NULL)
            return refuse(jinja, &marks[i], error);
        *ret_template = known;
        return SMIDGE_OK;
    }
    return refuse(jinja, NULL, error);
}
