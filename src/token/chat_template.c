#include "token/chat_template_internal.h"

#include <string.h>

#include "base/alloc.h"
#include "token/unicode.h"

#define WHERE "chat template"
#define THINK_END "</think>"
#define THINK_BEGIN "<think>"

/* Written to twice: to count, with spans NULL, and to fill. */
typedef struct writer {
    smidge_span *spans;
    char *text;
    size_t span_count;
    size_t used;
    bool trusted; /* the last span */
} writer;

typedef struct job {
    const smg_chat_template *chat;
    const smg_chat_message *messages;
    size_t count;
    smg_chat_options options;
    smg_text custom; /* SmolLM3: what is left of the system message; on the heap */
    bool thinking;
    bool override; /* SmolLM3: the system message stands alone */
} job;

static void put(writer *out, const char *text, size_t size, bool trusted)
{
    if (size == 0)
        return;
    if (out->span_count == 0 || out->trusted != trusted) {
        if (out->spans != NULL)
            out->spans[out->span_count] = (smidge_span){.text = out->text + out->used, .trusted = trusted};
        out->span_count++;
        out->trusted = trusted;
    }
    if (out->spans != NULL) {
        memcpy(out->text + out->used, text, size);
        out->spans[out->span_count - 1].size += size;
    }
    out->used += size;
}

static void put_content(writer *out, smg_text text)
{
    put(out, text.data, text.size, false);
}

/* The template's own text. A date is the caller's, and so not trusted. */
static void put_own(writer *out, const job *work, const char *text)
{
    while (text != NULL && *text != '\0') {
        size_t plain = strcspn(text, SMG_CHAT_EOS SMG_CHAT_DATE);
        put(out, text, plain, true);
        text += plain;
        if (*text == '\0')
            break;
        if (*text == SMG_CHAT_EOS[0])
            put(out, work->options.eos, strlen(work->options.eos), true);
        else
            put(out, work->options.date, strlen(work->options.date), false);
        text++;
    }
}

/* ---- White space, as Python has it --------------------------------------------------------------------- */

static bool is_space(uint32_t codepoint)
{
    return (smg_char_class(codepoint) & SMG_CHAR_SPACE) || (codepoint >= 0x1C && codepoint <= 0x1F);
}

static smg_text trim_front(smg_text text)
{
    while (text.size > 0) {
        uint32_t codepoint;
        size_t length = smg_utf8_decode(text.data, text.size, &codepoint);
        if (!is_space(codepoint))
            break;
        text.data += length;
        text.size -= length;
    }
    return text;
}

static smg_text trim_back(smg_text text)
{
    while (text.size > 0) {
        size_t length = 1;
        while (length < 4 && length < text.size && ((uint8_t)text.data[text.size - length] & 0xC0) == 0x80)
            length++;
        uint32_t codepoint;
        if (smg_utf8_decode(text.data + text.size - length, length, &codepoint) != length ||
            !is_space(codepoint))
            break;
        text.size -= length;
    }
    return text;
}

static smg_text trim(smg_text text)
{
    return trim_back(trim_front(text));
}

static smg_text skip_newlines(smg_text text)
{
    while (text.size > 0 && text.data[0] == '\n') {
        text.data++;
        text.size--;
    }
    return text;
}

static smg_text drop_newlines(smg_text text)
{
    while (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    return text;
}

static const char *find_text(smg_text text, const char *part)
{
    return text.size == 0 ? NULL : memmem(text.data, text.size, part, strlen(part));
}

static smg_text before_first(smg_text text, const char *part)
{
    const char *at = find_text(text, part);
    return at == NULL ? text : (smg_text){text.data, (size_t)(at - text.data)};
}

static smg_text after_last(smg_text text, const char *part)
{
    for (const char *at; (at = find_text(text, part)) != NULL;) {
        at += strlen(part);
        text = (smg_text){at, (size_t)(text.data + text.size - at)};
    }
    return text;
}

static smg_text content_of(const job *work, size_t i)
{
    return (smg_text){work->messages[i].text, work->messages[i].size};
}

/* ---- Families of their own ----------------------------------------------------------------------------- */

/* The user message that is being answered: the last one that is no tool's report. */
static size_t last_query(const job *work)
{
    static const char begin[] = "<tool_response>", end[] = "</tool_response>";
    for (size_t i = work->count; i-- > 0;) {
        smg_text text = content_of(work, i);
        bool report = text.size >= sizeof end - 1 && memcmp(text.data, begin, sizeof begin - 1) == 0 &&
                      memcmp(text.data + text.size - (sizeof end - 1), end, sizeof end - 1) == 0;
        if (work->messages[i].role == SMG_CHAT_USER && !report)
            return i;
    }
    return work->count - 1;
}

/* Thoughts are kept only in answers to the last question. */
static void put_qwen3_answer(writer *out, const job *work, size_t i, size_t query)
{
    smg_text text = content_of(work, i);
    smg_text thought = {.size = 0};
    if (find_text(text, THINK_END) != NULL) {
        thought = skip_newlines(after_last(drop_newlines(before_first(text, THINK_END)), THINK_BEGIN));
        text = skip_newlines(after_last(text, THINK_END));
    }
    bool last = work->chat->family == SMG_CHAT_QWEN3 && i + 1 == work->count;
    put_own(out, work, work->chat->turn[SMG_CHAT_ASSISTANT].prefix);
    if (i > query && (last || thought.size > 0)) {
        put_own(out, work, THINK_BEGIN "\n");
        put_content(out, drop_newlines(thought));
        put_own(out, work, "\n" THINK_END "\n\n");
        text = skip_newlines(text);
    }
    put_content(out, text);
    put_own(out, work, work->chat->turn[SMG_CHAT_ASSISTANT].suffix);
}

static size_t remove_all(char *text, size_t size, const char *part)
{
    size_t length = strlen(part);
    size_t kept = 0;
    for (size_t i = 0; i < size;) {
        if (size - i >= length && memcmp(text + i, part, length) == 0)
            i += length;
        else
            text[kept++] = text[i++];
    }
    return kept;
}

/* The words /think, /no_think and /system_override in a system message are switches. */
static smidge_status prepare_smollm3(job *work, char **ret_text, smidge_error *error)
{
    if (work->messages[0].role != SMG_CHAT_SYSTEM)
        return SMIDGE_OK;
    smg_text text = content_of(work, 0);
    if (find_text(text, "/no_think") != NULL)
        work->thinking = false;
    else if (find_text(text, "/think") != NULL)
        work->thinking = true;
    char *edited = smg_alloc(text.size);
    if (edited == NULL)
        return smg_error_no_memory(error, WHERE, text.size);
    *ret_text = edited;
    if (text.size > 0)
        memcpy(edited, text.data, text.size);
    size_t size = remove_all(edited, text.size, "/no_think");
    size = remove_all(edited, size, "/think");
    work->override =
        work->chat->family == SMG_CHAT_SMOLLM3_DATED && find_text(text, "/system_override") != NULL;
    if (work->override) {
        size = trim_back((smg_text){edited, size}).size;
        size = remove_all(edited, size, "/system_override");
    }
    work->custom = trim_back((smg_text){edited, size});
    return SMIDGE_OK;
}

/* "26 Jul 2024" with the month in full. */
static void put_full_date(writer *out, const job *work)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    const char *date = work->options.date;
    size_t size = strlen(date);
    for (size_t i = 0; size == 11 && i < 12; i++) {
        if (memcmp(date + 3, months[i], 3) == 0 && date[2] == ' ' && date[6] == ' ') {
            put(out, date, 3, false);
            put(out, months[i], strlen(months[i]), false);
            put(out, date + 6, 5, false);
            return;
        }
    }
    put(out, date, size, false);
}

static void put_smollm3_head(writer *out, const job *work)
{
    bool dated = work->chat->family == SMG_CHAT_SMOLLM3_DATED;
    const smg_chat_turn *turn = &work->chat->turn[SMG_CHAT_SYSTEM];
    put_own(out, work, turn->prefix);
    if (work->override) {
        put_content(out, work->custom);
        put_own(out, work, turn->suffix);
        return;
    }
    put_own(out, work, "## Metadata\n\nKnowledge Cutoff Date: June 2025\n");
    if (dated) {
        put_own(out, work, "Today Date: ");
        put_full_date(out, work);
        put_own(out, work, "\n");
    }
    put_own(out, work, "Reasoning Mode: ");
    put_own(out, work, work->thinking ? "/think" : "/no_think");
    put_own(out, work, "\n\n## Custom Instructions\n\n");
    if (work->custom.size > 0) {
        put_content(out, work->custom);
    } else {
        put_own(out, work, SMG_SMOLLM3_PERSONA);
        put_own(out, work, work->thinking ? smg_smollm3_thinking : NULL);
    }
    put_own(out, work, "\n\n");
    put_own(out, work, dated ? NULL : turn->suffix);
}

static bool is_smollm3(const smg_chat_template *chat)
{
    return chat->family == SMG_CHAT_SMOLLM3 || chat->family == SMG_CHAT_SMOLLM3_DATED;
}

static void put_smollm3_answer(writer *out, const job *work, size_t i)
{
    const smg_chat_turn *turn = &work->chat->turn[SMG_CHAT_ASSISTANT];
    put_own(out, work, turn->prefix);
    put_own(out, work, work->thinking ? NULL : work->chat->no_thinking);
    put_content(out, skip_newlines(content_of(work, i)));
    put_own(out, work, turn->suffix);
}

/* ---- Any conversation ---------------------------------------------------------------------------------- */

static bool folds(const smg_chat_template *chat)
{
    return chat->system == SMG_CHAT_SYSTEM_FIRST_USER || chat->system == SMG_CHAT_SYSTEM_LAST_USER;
}

static bool is_skipped(const job *work, size_t i)
{
    if (work->chat->skip == SMG_CHAT_SKIP_NONE || work->messages[i].role != SMG_CHAT_SYSTEM)
        return false;
    smg_text text = content_of(work, i);
    return (work->chat->skip == SMG_CHAT_SKIP_BLANK ? trim(text) : text).size == 0;
}

/* The message that a system message in front goes into. */
static size_t fold_target(const job *work)
{
    if (work->chat->system == SMG_CHAT_SYSTEM_LAST_USER)
        return work->count - 1;
    for (size_t i = 1; i < work->count; i++) {
        if (work->messages[i].role == SMG_CHAT_USER)
            return i;
    }
    return 0;
}

static void put_folded(writer *out, const job *work, smg_text text)
{
    const smg_chat_template *chat = work->chat;
    put_own(out, work, chat->fold_open);
    put_content(out, content_of(work, 0));
    smg_text kept = trim_back(text);
    if (!chat->fold_trimmed) {
        put_own(out, work, chat->fold_close);
        put_content(out, chat->turn[SMG_CHAT_USER].trim ? trim(text) : text);
    } else if (kept.size > 0) {
        put_own(out, work, chat->fold_close);
        put_content(out, kept);
    } else { /* then the trimming reaches into what stands before */
        smg_text close = {chat->fold_close, strlen(chat->fold_close)};
        put(out, close.data, trim_back(close).size, true);
    }
}

static void put_turn(writer *out, const job *work, size_t i, bool folded)
{
    const smg_chat_turn *turn = &work->chat->turn[work->messages[i].role];
    smg_text text = content_of(work, i);
    put_own(out, work, turn->prefix);
    if (folded)
        put_folded(out, work, text);
    else
        put_content(out, turn->trim ? trim(text) : text);
    put_own(out, work, turn->suffix);
}

/* The system turn of a template that always has one. Returns how many messages it took. */
static size_t put_head(writer *out, const job *work)
{
    const smg_chat_template *chat = work->chat;
    const smg_chat_turn *turn = &chat->turn[SMG_CHAT_SYSTEM];
    bool given = work->messages[0].role == SMG_CHAT_SYSTEM;
    if (is_smollm3(chat)) {
        put_smollm3_head(out, work);
        return given;
    }
    bool folded = given && folds(chat);
    if (folded || is_skipped(work, 0))
        return 1;
    if (chat->head == NULL && (given || chat->default_system == NULL))
        return 0;
    put_own(out, work, turn->prefix);
    put_own(out, work, chat->head);
    if (given)
        put_content(out, turn->trim ? trim(content_of(work, 0)) : content_of(work, 0));
    else
        put_own(out, work, chat->default_system);
    put_own(out, work, turn->suffix);
    return given;
}

static void put_conversation(writer *out, const job *work)
{
    const smg_chat_template *chat = work->chat;
    bool qwen3 = chat->family == SMG_CHAT_QWEN3 || chat->family == SMG_CHAT_QWEN3_INSTRUCT;
    size_t query = qwen3 ? last_query(work) : 0;
    size_t target = folds(chat) && work->messages[0].role == SMG_CHAT_SYSTEM ? fold_target(work) : 0;
    bool again = false;
    for (size_t i = put_head(out, work); i < work->count; i++) {
        smg_chat_role role = work->messages[i].role;
        if (is_skipped(work, i))
            continue;
        if (role == SMG_CHAT_USER) {
            put_own(out, work, again ? chat->turn_again : NULL);
            again = true;
        }
        if (role == SMG_CHAT_ASSISTANT && qwen3)
            put_qwen3_answer(out, work, i, query);
        else if (role == SMG_CHAT_ASSISTANT && is_smollm3(chat))
            put_smollm3_answer(out, work, i);
        else
            put_turn(out, work, i, target > 0 && i == target);
    }
    if (!work->options.add_generation_prompt) {
        if (!chat->ends_answers || work->messages[work->count - 1].role == SMG_CHAT_ASSISTANT)
            put_own(out, work, chat->no_generation);
        return;
    }
    put_own(out, work, chat->generation);
    if (!work->thinking)
        put_own(out, work, chat->no_thinking);
}

/* ---- What may be rendered ------------------------------------------------------------------------------ */

static const char *role_name(smg_chat_role role)
{
    static const char *const names[] = {"system", "user", "assistant"};
    return names[role];
}

static smidge_status check_system(const job *work, size_t i, smidge_error *error)
{
    const smg_chat_template *chat = work->chat;
    if (chat->system == SMG_CHAT_SYSTEM_REFUSED)
        return smg_error_set(
            error, SMIDGE_E_INVALID, WHERE,
            "message %zu is a system message, which %s does not have (put its text into the first "
            "user message)",
            i + 1, chat->name);
    if (i > 0 && chat->system != SMG_CHAT_SYSTEM_ANYWHERE)
        return smg_error_set(
            error, SMIDGE_E_INVALID, WHERE,
            "message %zu is a system message, which %s has only as the first one (move it there)", i + 1,
            chat->name);
    if (!folds(chat))
        return SMIDGE_OK;
    size_t target = fold_target(work);
    if (target > 0 && work->messages[target].role == SMG_CHAT_USER)
        return SMIDGE_OK;
    return smg_error_set(
        error, SMIDGE_E_INVALID, WHERE,
        "message 1 is a system message, which %s puts into the %s, and that is not a user message "
        "(add one)",
        chat->name, chat->system == SMG_CHAT_SYSTEM_LAST_USER ? "last message" : "first question");
}

static smidge_status check_order(const job *work, smidge_error *error)
{
    bool user_next = true;
    for (size_t i = 0; i < work->count; i++) {
        smg_chat_role role = work->messages[i].role;
        if (is_skipped(work, i))
            continue;
        if (role == SMG_CHAT_SYSTEM) {
            SMG_TRY(check_system(work, i, error));
            continue;
        }
        if (work->chat->alternate && user_next != (role == SMG_CHAT_USER))
            return smg_error_set(
                error, SMIDGE_E_INVALID, WHERE,
                "message %zu is from the %s, but %s wants user and assistant in turn, the user "
                "first (join messages that follow each other)",
                i + 1, role_name(role), work->chat->name);
        user_next = role != SMG_CHAT_USER;
    }
    return SMIDGE_OK;
}

static smidge_status check_size(const job *work, smidge_error *error)
{
    if (work->count == 0)
        return smg_error_set(error, SMIDGE_E_INVALID, WHERE, "there is no message (give at least one)");
    if (work->count > SMG_CHAT_MAX_MESSAGES)
        return smg_error_set(error, SMIDGE_E_INVALID, WHERE,
                             "there are %zu messages (at most %d are taken: leave out old ones)", work->count,
                             SMG_CHAT_MAX_MESSAGES);
    size_t total = 0;
    for (size_t i = 0; i < work->count; i++) {
        if ((unsigned)work->messages[i].role >= SMG_CHAT_ROLES)
            return smg_error_set(error, SMIDGE_E_INVALID, WHERE,
                                 "message %zu has the role %d (system, user and assistant are 0, 1 and 2)",
                                 i + 1, (int)work->messages[i].role);
        if (work->messages[i].size > SMG_CHAT_MAX_BYTES - total)
            return smg_error_set(error, SMIDGE_E_INVALID, WHERE,
                                 "with message %zu there are more than %u MiB of text (shorten it)", i + 1,
                                 SMG_CHAT_MAX_BYTES >> 20);
        total += work->messages[i].size;
    }
    return SMIDGE_OK;
}

smidge_status smg_chat_render(const smg_chat_template *chat, const smg_chat_message *messages, size_t count,
                              const smg_chat_options *options, smg_chat_prompt *ret_prompt,
                              smidge_error *error)
{
    job work = {.chat = chat, .messages = messages, .count = count};
    if (options != NULL)
        work.options = *options;
    if (work.options.date == NULL)
        work.options.date = "26 Jul 2024";
    if (work.options.eos == NULL)
        work.options.eos = chat->eos == NULL ? "" : chat->eos;
    work.thinking = !work.options.no_thinking;
    SMG_TRY(check_size(&work, error));
    SMG_TRY(check_order(&work, error));
    SMG_CLEANUP(smg_free_ptr) char *edited = NULL;
    if (is_smollm3(chat))
        SMG_TRY(prepare_smollm3(&work, &edited, error));

    writer counted = {.spans = NULL};
    put_conversation(&counted, &work);
    size_t spans_bytes = counted.span_count * sizeof(smidge_span);
    char *block = smg_alloc(spans_bytes + counted.used);
    if (block == NULL)
        return smg_error_no_memory(error, WHERE, spans_bytes + counted.used);
    writer out = {.text = block + spans_bytes};
    out.spans = (smidge_span *)(void *)block;
    put_conversation(&out, &work);
    *ret_prompt = (smg_chat_prompt){.spans = out.spans, .count = out.span_count};
    return SMIDGE_OK;
}

void smg_chat_prompt_done(smg_chat_prompt *prompt)
{
    if (prompt == NULL)
        return;
    smg_free(prompt->spans);
    *prompt = (smg_chat_prompt){.spans = NULL};
}
