/* Cases of the severity task: sensors, their limits and readings, and the text in which they are put. */
#ifndef NANO_READINGS_H
#define NANO_READINGS_H

#include <stddef.h>

#include "severity.h"
#include "word_lists.h"

#define NANO_SENSORS_MAX 6
#define NANO_NAME_MAX 64
#define NANO_PROMPT_MAX 4096
#define NANO_HINTS_MAX 128

typedef struct nano_sensor {
    char name[NANO_NAME_MAX];
    const char *unit; /* "": none; owned by the words */
    nano_limits limits;
    nano_decimal value;
    nano_distance distance;
} nano_sensor;

/* What a reader knows at a place of the prompt, for training alone: to learn to say it there, beside the label at the end, is
 * to learn to compare. It stands in no text. */
typedef enum nano_hint_kind {
    NANO_HINT_OWNER, /* behind a number: whose it is; the sensor's place, told by its name */
    NANO_HINT_SIZE,  /* behind a number: how large it is */
    NANO_HINT_RECALL, /* before the second number of a sensor: how large the one was that it is compared with */
    NANO_HINT_DISTANCE, /* behind a sensor whose limit and reading are both known: how far out, or within */
    NANO_HINT_SEVERITY, /* behind words that come after the last sensor: the label, whatever is said to ask for it */
    NANO_HINT_KINDS
} nano_hint_kind;

/* Of sizes and distances there are so many, from 0; what is recalled is a size. */
#define NANO_HINT_SIZES 56
#define NANO_HINT_DISTANCES 27

typedef struct nano_hint {
    /* Byte of the prompt: once it was read, this is known; ascending, and at one place the one that knows most comes last. */
    size_t at;
    nano_hint_kind kind;
    int32_t value;
} nano_hint;

typedef enum nano_form {
    NANO_RAW,       /* limits and readings; the model compares */
    NANO_WORKED,    /* the comparison was done before: "above its limit by 12 %" */
    NANO_EXPLAINED, /* both, for training alone: comparing is learned sooner where each comparison is told */
    NANO_FORMS
} nano_form;

typedef struct nano_case {
    nano_form form;
    nano_severity severity;
    bool terse;
    bool plain; /* the sensors and hardly a word around them */
    bool together;
    bool noisy; /* strange words and punctuation in its wordings */
    bool near;  /* made to have a value within 2 % of a limit */
    int32_t count;
    nano_sensor sensors[NANO_SENSORS_MAX];
    int64_t apart; /* the least of the sensors' distances, as in nano_distance */
    int64_t edge;
    int32_t hint_count;
    nano_hint hints[NANO_HINTS_MAX]; /* in the order of the prompt */
    size_t size;
    char prompt[NANO_PROMPT_MAX]; /* what is given to the model; the label follows behind a space */
} nano_case;

typedef struct nano_mix {
    int32_t least, most;        /* sensors */
    int32_t near_percent;       /* cases within 2 % of a limit */
    int32_t shares[NANO_FORMS]; /* weights of the forms */
    /* Raw and explained cases that are drill: short names, no units, hardly a word. */
    int32_t terse_percent;
    /* Of the others, those that have names, units and wordings, but next to nothing around them. */
    int32_t plain_percent;
    int32_t noise_percent; /* that are noisy */
    /* Whose sensors are each anywhere, grossly out or within as often as not: labels are not balanced there. */
    int32_t varied_percent;
    bool together; /* each limit beside its reading, never in two lists */
} nano_mix;

/* Numbers for a case of this severity. The case is `near` only where that is possible: a lone sensor near its limit is not
 * CRITICAL, and gets company where the mix allows it. */
void nano_case_numbers(nano_random *random, const nano_mix *mix, nano_severity severity, nano_case *ret_case);
/* Names, units and the prompt for the numbers that are there. False where the text became too long. */
bool nano_case_text(nano_random *random, const nano_words *words, nano_case *c);
/* Sizes and distances are each told by a character of its own, which is a token in every byte-level vocabulary. */
char nano_hint_letter(const nano_hint *hint);
int32_t nano_hint_of_size(nano_decimal value);
int32_t nano_hint_of_distance(const nano_distance *distance);
/* Both, again until it fits; the severities take turns with `number`, so that they are balanced. */
void nano_case_make(nano_random *random, const nano_words *words, const nano_mix *mix, uint64_t number,
                    nano_case *ret_case);

#endif
