/* Wordings that nobody wrote: strange words and punctuation where they change no meaning, so that a model learns to go by names, numbers
 * and the words of limits, and not by what else stands there. */
#ifndef NANO_NOISE_H
#define NANO_NOISE_H

#include "nano_random.h"
#include "pattern.h"
#include "word_lists.h"

/* One to three syllables, as a word is written, behind what `text` has. */
void nano_noise_word(nano_random *random, const nano_words *words, nano_text *text);

/* These write into `room` and return it; what would not fit is left as it was. */

/* A pattern whose spaces may have become a word, or a mark and a space. */
const char *nano_noise_pattern(nano_random *random, const nano_words *words, const char *pattern,
                               char room[NANO_LINE_MAX]);
/* What stands between sensors: marks, a word, line breaks; never nothing. */
const char *nano_noise_separator(nano_random *random, const nano_words *words, char room[NANO_LINE_MAX]);
/* What asks for the label: words, and a mark behind them. */
const char *nano_noise_ask(nano_random *random, const nano_words *words, char room[NANO_LINE_MAX]);

#endif
