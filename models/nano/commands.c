#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/json_text.h"
#include "noise.h"
#include "pattern.h"

#define FILE_MAX (64u << 20)
#define HOME "iot_"
#define TEXT_MAX 1024

/* ---- Reading ---- */

/* Offsets in the data count code points. */
static size_t byte_of(const char *text, json_int_t place)
{
    size_t at = 0;
    for (json_int_t i = 0; i < place && text[at] != '\0'; i++) {
        at++;
        while (((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
    }
    return at;
}

static bool take_slot(json_t *row, const char *text, nano_slot *ret)
{
    const char *name;
    const char *value;
    json_int_t start;
    json_int_t end;
    if (json_unpack(row, "{s:s, s:s, s:I, s:I}", "name", &name, "value", &value, "start", &start, "end",
                    &end) != 0)
        return false;
    *ret = (nano_slot){name, byte_of(text, start), byte_of(text, end)};
    return start >= 0 && ret->start < ret->end && strlen(value) == ret->end - ret->start &&
           memcmp(text + ret->start, value, strlen(value)) == 0;
}

static bool take_command(json_t *row, nano_command *ret, const char **ret_split)
{
    json_t *slots;
    if (json_unpack(row, "{s:s, s:s, s:s, s:s, s:o}", "id", &ret->id, "text", &ret->text, "intent",
                    &ret->intent, "split", ret_split, "slots", &slots) != 0)
        return false;
    if (strncmp(ret->intent, HOME, strlen(HOME)) != 0) {
        ret->intent = "none";
        return strlen(ret->text) < TEXT_MAX;
    }
    ret->slot_count = (int32_t)json_array_size(slots);
    if (ret->slot_count > NANO_SLOTS_MAX || strlen(ret->text) >= TEXT_MAX)
        return false;
    for (int32_t i = 0; i < ret->slot_count; i++) {
        if (!take_slot(json_array_get(slots, (size_t)i), ret->text, &ret->slots[i]) ||
            (i > 0 && ret->slots[i].start < ret->slots[i - 1].end))
            return false;
    }
    return true;
}

static smidge_status take_row(nano_commands *commands, const char *split, json_t *row, const char *path,
                              size_t line, smidge_error *error)
{
    const char *its_split;
    nano_command command = {0};
    if (json_array_append_new(commands->rows, row) != 0)
        return smg_error_no_memory(error, path, sizeof *row);
    if (!take_command(row, &command, &its_split))
        return smg_error_set(
            error, SMIDGE_E_FORMAT, path,
            "line %zu is not a command with id, text, intent, split and slots (use hwu-home.jsonl)", line);
    if (strcmp(its_split, split) != 0)
        return SMIDGE_OK;
    nano_command *list = smg_realloc_array(commands->list, commands->count + 1, sizeof *list);
    if (list == NULL)
        return smg_error_no_memory(error, path, (commands->count + 1) * sizeof *list);
    commands->list = list;
    list[commands->count++] = command;
    return SMIDGE_OK;
}

static smidge_status read_rows(const char *path, const char *split, char *text, nano_commands *commands,
                               smidge_error *error)
{
    size_t line = 1;
    for (char *at = text, *next; at != NULL && *at != '\0'; at = next, line++) {
        json_t *row;
        next = strchr(at, '\n');
        if (next != NULL)
            *next++ = '\0';
        SMG_TRY(smg_json_parse(at, strlen(at), path, &row, error));
        SMG_TRY(take_row(commands, split, row, path, line, error));
    }
    return SMIDGE_OK;
}

static smidge_status sort_out(nano_commands *commands, const char *path, smidge_error *error)
{
    commands->orders = smg_alloc_array(commands->count, sizeof *commands->orders);
    if (commands->orders == NULL)
        return smg_error_no_memory(error, path, commands->count * sizeof *commands->orders);
    size_t others = commands->count;
    for (size_t i = 0; i < commands->count; i++) {
        if (strcmp(commands->list[i].intent, "none") == 0)
            commands->orders[--others] = i;
        else
            commands->orders[commands->order_count++] = i;
    }
    if (commands->order_count == 0 || commands->order_count == commands->count)
        return smg_error_set(error, SMIDGE_E_INVALID, path,
                             "has no commands for the home, or nothing else (use hwu-home.jsonl)");
    return SMIDGE_OK;
}

static smidge_status read_commands(const char *path, const char *split, nano_commands *commands,
                                   smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) char *text = NULL;
    size_t size;
    SMG_TRY(smg_file_read(path, FILE_MAX, &text, &size, error));
    commands->rows = json_array();
    if (commands->rows == NULL)
        return smg_error_no_memory(error, path, sizeof(json_t));
    SMG_TRY(read_rows(path, split, text, commands, error));
    return sort_out(commands, path, error);
}

smidge_status nano_commands_read(const char *path, const char *split, nano_commands *ret_commands,
                                 smidge_error *error)
{
    nano_commands commands = {0};
    const smidge_status status = read_commands(path, split, &commands, error);
    if (status != SMIDGE_OK)
        nano_commands_done(&commands);
    else
        *ret_commands = commands;
    return status;
}

void nano_commands_done(nano_commands *commands)
{
    json_decref(commands->rows);
    smg_free(commands->list);
    smg_free(commands->orders);
    *commands = (nano_commands){0};
}

/* ---- Writing ---- */

typedef struct filled {
    char text[TEXT_MAX];
    nano_command command; /* its text and slots are those above */
} filled;

/* A slot that is named twice has both values, in the order of the text. */
static bool add_slot(json_t *json, const filled *from, const nano_slot *slot)
{
    const char *value = from->text + slot->start;
    const int size = (int)(slot->end - slot->start);
    const char *before = json_string_value(json_object_get(json, slot->name));
    if (before == NULL)
        return json_object_set_new(json, slot->name, json_stringn(value, (size_t)size)) == 0;
    char both[2 * TEXT_MAX];
    snprintf(both, sizeof both, "%s, %.*s", before, size, value);
    return json_object_set_new(json, slot->name, json_string(both)) == 0;
}

/* Keys in one order, which is that of the schema. */
static json_t *answer_of(const filled *from)
{
    static const char *const names[] = {"device_type",   "house_place", "color_type", "coffee_type",
                                        "change_amount", "time",        "date"};
    json_t *json = json_pack("{s:s}", "intent", from->command.intent);
    for (size_t name = 0; json != NULL && name < sizeof names / sizeof *names; name++) {
        for (int32_t i = 0; i < from->command.slot_count; i++) {
            const nano_slot *slot = &from->command.slots[i];
            if (strcmp(slot->name, names[name]) == 0 && !add_slot(json, from, slot)) {
                json_decref(json);
                return NULL;
            }
        }
    }
    return json;
}

static json_t *row_of(const filled *from, const nano_words *words, nano_random *random)
{
    char prompt[2 * TEXT_MAX];
    const nano_field fields[] = {{"c", from->text}, {NULL, NULL}};
    nano_text text = nano_text_over(prompt, sizeof prompt);
    nano_text_expand(&text, nano_list_pick(&words->commands, random), fields);
    return json_pack("{s:s, s:o, s:s}", "prompt", prompt, "json", answer_of(from), "id", from->command.id);
}

static filled as_it_is(const nano_command *command)
{
    filled ret = {.command = *command};
    snprintf(ret.text, sizeof ret.text, "%s", command->text);
    return ret;
}

json_t *nano_command_row(const nano_commands *commands, const nano_words *words, nano_random *random,
                         size_t at)
{
    const filled command = as_it_is(&commands->list[at]);
    return row_of(&command, words, random);
}

/* The text of a slot with this name in some command; NULL where none was found soon. */
static const nano_command *draw_value(const nano_commands *commands, nano_random *random,
                                      const nano_command *asker, const char *name, const nano_slot **ret_slot)
{
    /* what is done to a coffee maker is not done to a vacuum cleaner */
    const bool same_intent = strcmp(name, "device_type") == 0;
    for (int tries = 0; tries < 200; tries++) {
        const size_t at = commands->orders[nano_random_below(random, (int64_t)commands->order_count)];
        const nano_command *command = &commands->list[at];
        if (same_intent && strcmp(command->intent, asker->intent) != 0)
            continue;
        for (int32_t i = 0; i < command->slot_count; i++) {
            if (strcmp(command->slots[i].name, name) == 0) {
                *ret_slot = &command->slots[i];
                return command;
            }
        }
    }
    return NULL;
}

/* A value from the list of them; NULL where it has none for this slot. */
static const char *listed_value(const nano_words *words, nano_random *random, const char *name)
{
    const size_t size = strlen(name);
    for (int tries = 0; tries < 500; tries++) {
        const char *line = nano_list_pick(&words->slots, random);
        if (strncmp(line, name, size) == 0 && line[size] == ' ')
            return line + size + 1;
    }
    return NULL;
}

/* What the slot has here: that of the command, of another one, of the list, or a word that nobody has seen: a value is
 * found by what stands around it. A device keeps its own words behind such a word, as they tell which command it is. */
static void add_value(const nano_commands *commands, const nano_words *words, nano_random *random,
                      const nano_command *command, const nano_slot *slot, nano_text *text)
{
    const bool device = strcmp(slot->name, "device_type") == 0;
    const int64_t chance = nano_random_below(random, 100);
    const nano_slot *other = slot;
    const nano_command *from = chance >= 40 && (chance < 60 || device)
                                   ? draw_value(commands, random, command, slot->name, &other)
                                   : NULL;
    const char *value = (from == NULL ? command : from)->text;
    const char *listed = chance >= 60 && chance < 90 ? listed_value(words, random, slot->name) : NULL;
    if (chance >= 90) {
        nano_noise_word(random, words, text);
        if (!device)
            return;
        nano_text_add(text, " ", 1);
    }
    if (listed != NULL)
        nano_text_add(text, listed, strlen(listed));
    else
        nano_text_add(text, value + other->start, other->end - other->start);
}

static filled with_other_values(const nano_commands *commands, const nano_words *words, nano_random *random,
                                const nano_command *command)
{
    filled ret = {.command = *command};
    nano_text text = nano_text_over(ret.text, sizeof ret.text);
    size_t done = 0;
    for (int32_t i = 0; i < command->slot_count; i++) {
        const nano_slot *slot = &command->slots[i];
        nano_text_add(&text, command->text + done, slot->start - done);
        ret.command.slots[i].start = text.size;
        add_value(commands, words, random, command, slot, &text);
        ret.command.slots[i].end = text.size;
        done = slot->end;
    }
    nano_text_add(&text, command->text + done, strlen(command->text + done));
    return text.full ? as_it_is(command) : ret;
}

json_t *nano_command_vary(const nano_commands *commands, const nano_words *words, nano_random *random)
{
    const bool home = nano_random_chance(random, 67);
    const size_t first = home ? 0 : commands->order_count;
    const size_t count = home ? commands->order_count : commands->count - commands->order_count;
    const size_t at = commands->orders[first + (size_t)nano_random_below(random, (int64_t)count)];
    const nano_command *command = &commands->list[at];
    const filled varied = nano_random_chance(random, 65) ? with_other_values(commands, words, random, command)
                                                         : as_it_is(command);
    return row_of(&varied, words, random);
}
