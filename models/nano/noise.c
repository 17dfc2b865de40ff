#include "noise.h"

#include <ctype.h>
#include <string.h>

/* A list's entry of the same probability each. */
#define PICK(random, list) (list)[nano_random_below(random, (int64_t)(sizeof(list) / sizeof *(list)))]

static void add(nano_text *text, const char *more)
{
    nano_text_add(text, more, strlen(more));
}

void nano_noise_word(nano_random *random, const nano_words *words, nano_text *text)
{
    const size_t begin = text->size;
    for (int64_t i = nano_random_between(random, 1, 3); i > 0; i--)
        add(text, nano_list_pick(&words->syllables, random));
    if (text->size > begin && nano_random_chance(random, 20))
        text->data[begin] = (char)toupper((unsigned char)text->data[begin]);
}

const char *nano_noise_pattern(nano_random *random, const nano_words *words, const char *pattern,
                               char room[NANO_LINE_MAX])
{
    static const char *const marks[] = {", ", ": ", "; ", " - ", " -> ", " = ", "\n", "  ", " | ", ". "};
    nano_text text = nano_text_over(room, NANO_LINE_MAX);
    for (; *pattern != '\0'; pattern++) {
        const bool changes = *pattern == ' ' && nano_random_chance(random, 20);
        if (!changes) {
            nano_text_add(&text, pattern, 1);
        } else if (nano_random_chance(random, 40)) {
            add(&text, PICK(random, marks));
        } else {
            add(&text, " ");
            nano_noise_word(random, words, &text);
            add(&text, " ");
        }
    }
    return room;
}

const char *nano_noise_separator(nano_random *random, const nano_words *words, char room[NANO_LINE_MAX])
{
    static const char *const marks[] = {",",  ";", "|", "/", "+", "*",  "&",  "~",   ">", ".", "-",
                                        "--", "#", "_", "!", ":", "\n", "::", "\n*", "•", "–"};
    nano_text text = nano_text_over(room, NANO_LINE_MAX);
    if (nano_random_chance(random, 40))
        add(&text, " ");
    if (nano_random_chance(random, 75))
        add(&text, PICK(random, marks));
    if (text.size == 0 || nano_random_chance(random, 80))
        add(&text, " ");
    if (nano_random_chance(random, 25)) {
        nano_noise_word(random, words, &text);
        add(&text, nano_random_chance(random, 70) ? " " : ": ");
    }
    return room;
}

const char *nano_noise_ask(nano_random *random, const nano_words *words, char room[NANO_LINE_MAX])
{
    static const char *const ends[] = {":", " =", "=", " is", "", "?", " ->", "\n", " -", " :"};
    nano_text text = nano_text_over(room, NANO_LINE_MAX);
    for (int64_t i = nano_random_between(random, 1, 3); i > 0; i--) {
        nano_noise_word(random, words, &text);
        add(&text, i > 1 ? " " : PICK(random, ends));
    }
    return room;
}
