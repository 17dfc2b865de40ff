/* Chat templates against Jinja2: what the models' own templates render, byte for byte, and refuse
 * (make_templates.py). Which of ours renders is decided by recognising the template's text. */
#include "test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/file.h"
#include "token/chat_template.h"

#define MOST_MESSAGES 8
#define MOST_TEXTS 2048
#define LONGEST 16384

enum { RAISES = -1, DROPS = -2 };

typedef struct golden {
    json_t *root;
    const char *date;
    const char *eos;
    const json_t *conversations;
    char *texts[MOST_TEXTS];
    size_t sizes[MOST_TEXTS];
    json_t *index; /* of the fixtures */
} golden;

static golden expected;
static int compared, refused, kept, differing;

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (root == NULL)
        fail_msg("%s: line %d: %s", path, error.line, error.text);
    return root;
}

/* Each text begins with a part of the one before. */
static void read_texts(const json_t *texts)
{
    assert_true(json_array_size(texts) < MOST_TEXTS);
    size_t i;
    json_t *entry;
    json_array_foreach(texts, i, entry)
    {
        const json_t *rest = json_array_get(entry, 1);
        size_t shared = (size_t)json_integer_value(json_array_get(entry, 0));
        size_t size = json_string_length(rest);
        assert_true(shared == 0 || (i > 0 && shared <= expected.sizes[i - 1]));
        expected.texts[i] = malloc(shared + size + 1);
        assert_non_null(expected.texts[i]);
        if (shared > 0)
            memcpy(expected.texts[i], expected.texts[i - 1], shared);
        memcpy(expected.texts[i] + shared, json_string_value(rest), size + 1);
        expected.sizes[i] = shared + size;
    }
}

static int setup(void **state)
{
    (void)state;
    const char *index = smg_test_need_fixture("templates/ollama-template-index.json");
    expected.index = load(index);
    expected.root = load(smg_test_source("tests/golden/templates.json"));
    expected.date = json_string_value(json_object_get(expected.root, "date"));
    expected.eos = json_string_value(json_object_get(expected.root, "eos"));
    expected.conversations = json_object_get(expected.root, "conversations");
    read_texts(json_object_get(expected.root, "texts"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < MOST_TEXTS; i++)
        free(expected.texts[i]);
    json_decref(expected.root);
    json_decref(expected.index);
    return 0;
}

static size_t read_conversation(const json_t *turns, smg_chat_message *ret_messages)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    size_t i;
    json_t *turn;
    json_array_foreach(turns, i, turn)
    {
        assert_true(i < MOST_MESSAGES);
        const char *role = json_string_value(json_array_get(turn, 0));
        int found = 0;
        while (strcmp(roles[found], role) != 0)
            assert_true(++found < SMG_CHAT_ROLES);
        const json_t *text = json_array_get(turn, 1);
        ret_messages[i] =
            (smg_chat_message){(smg_chat_role)found, json_string_value(text), json_string_length(text)};
    }
    return json_array_size(turns);
}

static size_t join(const smg_chat_prompt *prompt, char *ret_text)
{
    size_t size = 0;
    for (size_t i = 0; i < prompt->count; i++) {
        assert_true(prompt->spans[i].size < LONGEST - size);
        memcpy(ret_text + size, prompt->spans[i].text, prompt->spans[i].size);
        size += prompt->spans[i].size;
    }
    ret_text[size] = '\0';
    return size;
}

/* Where the model's template drops a message without a word, ours says no, or renders it. */
static void check_kept(const smg_chat_message *messages, size_t count, const char *text, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (messages[i].size > 0)
            assert_non_null(memmem(text, size, messages[i].text, messages[i].size));
    }
    kept++;
}

/* A system message that is not the first one is refused by some of ours where the model's template makes
 * something out of it that no model was trained with. */
static bool has_late_system(const smg_chat_message *messages, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (messages[i].role == SMG_CHAT_SYSTEM)
            return true;
    }
    return false;
}

static void differs(const char *which, const smg_chat_template *chat, const char *conversation, int way,
                    const char *wanted, const char *rendered)
{
    differing++;
    print_error("%s (%s), conversation %s, way %d:\n---- expected\n%s\n---- rendered\n%s\n", which,
                smg_chat_name(chat), conversation, way, wanted, rendered);
}

static void check_rendering(const char *which, const char *name, const smg_chat_template *chat,
                            const smg_chat_message *messages, size_t count, int way, long place)
{
    static char text[LONGEST];
    smg_chat_options options = {.date = expected.date, .eos = expected.eos};
    options.add_generation_prompt = way != 1;
    options.no_thinking = way == 2;
    smg_chat_prompt prompt = {.count = 0};
    smidge_error error = {.message = ""};
    smidge_status status = smg_chat_render(chat, messages, count, &options, &prompt, &error);
    size_t size = status == SMIDGE_OK ? join(&prompt, text) : 0;
    smg_chat_prompt_done(&prompt);
    if (status != SMIDGE_OK) {
        if (status != SMIDGE_E_INVALID || !(place < 0 || has_late_system(messages, count)))
            differs(which, chat, name, way, "a rendering", error.message);
        refused++;
    } else if (place == DROPS) {
        check_kept(messages, count, text, size);
    } else if (place == RAISES) {
        differs(which, chat, name, way, "a refusal", text);
    } else {
        if (size != expected.sizes[place] || memcmp(text, expected.texts[place], size) != 0)
            differs(which, chat, name, way, expected.texts[place], text);
        compared++;
    }
}

static void check_template(const char *which, smg_text jinja, const json_t *renderings)
{
    const smg_chat_template *chat = NULL;
    smidge_error error = {.message = ""};
    if (smg_chat_recognize(jinja, &chat, &error) != SMIDGE_OK)
        fail_msg("%s: %s", which, error.message);
    size_t i = 0;
    const char *name;
    json_t *turns;
    json_object_foreach((json_t *)(uintptr_t)expected.conversations, name, turns)
    {
        smg_chat_message messages[MOST_MESSAGES];
        size_t count = read_conversation(turns, messages);
        const json_t *places = json_array_get(renderings, i++);
        assert_true(json_array_size(places) >= 2);
        for (size_t way = 0; way < json_array_size(places); way++)
            check_rendering(which, name, chat, messages, count, (int)way,
                            (long)json_integer_value(json_array_get(places, way)));
    }
    assert_int_equal(i, json_array_size(renderings));
}

static void as_jinja_renders(void **state)
{
    (void)state;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(expected.root, "templates"), i, entry)
    {
        const json_t *renderings = json_object_get(entry, "renderings");
        const char *name = json_string_value(json_object_get(entry, "file"));
        char which[128];
        if (name == NULL) {
            json_int_t place = json_integer_value(json_object_get(entry, "index"));
            const json_t *listed = json_array_get(expected.index, (size_t)place);
            const json_t *text = json_object_get(listed, "template");
            snprintf(which, sizeof which, "index %d", (int)place);
            check_template(which, (smg_text){json_string_value(text), json_string_length(text)}, renderings);
            continue;
        }
        snprintf(which, sizeof which, "templates/%s", name);
        char *text = NULL;
        size_t size = 0;
        smidge_error error;
        assert_int_equal(smg_file_read(smg_test_need_fixture(which), 1 << 20, &text, &size, &error),
                         SMIDGE_OK);
        check_template(which, (smg_text){text, size}, renderings);
        smg_free(text);
    }
    assert_int_equal(differing, 0);
    assert_true(compared > 800);
    printf("%d renderings are Jinja's, %d refused, %d with what Jinja drops\n", compared, refused, kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_jinja_renders),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
