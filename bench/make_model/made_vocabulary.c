#include "made_vocabulary.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "token/tokenizer_internal.h"
#include "token/unicode.h"

#define KEY(name) "tokenizer.ggml." name
#define LETTERS 26U
#define MAX_LETTERS 6
#define NAME_ROOM 128
#define BPE_SPACE "\xC4\xA0" /* the letter for the byte 0x20 */

/* ---- Pieces --------------------------------------------------------------------------------------------- */

/* Words of so many letters, with a space in front or not. All of two and three letters are tokens before any longer
 * one is, so any longer word may be cut wherever neither part has more than three. */
typedef struct word_class {
    bool space;
    int letters;
    int32_t count;
} word_class;

enum { CLASSES = 7, LONG_CLASSES = 5 /* where those begin that may hold fewer words than there are */ };

typedef struct made_word {
    bool space;
    int letters;
    char text[MAX_LETTERS];
} made_word;

static const word_class all_short[LONG_CLASSES] = {{false, 2, 676},
                                                   {true, 1, 26},
                                                   {true, 2, 676},
                                                   {false, 3, 17576},
                                                   {true, 3, 17576}};

static bool may_cut(const word_class *class, int at)
{
    return at <= 3 && class->letters - at <= 3;
}

static int count_cuts(const word_class *class)
{
    int cuts = 0;
    for (int at = class->space ? 0 : 1; at < class->letters; at++)
        cuts += may_cut(class, at);
    return cuts;
}

/* Shares `pieces` words out among the classes so that there are at least `merges` ways to cut them. */
static void plan_classes(int32_t pieces, int32_t merges, word_class ret_classes[CLASSES])
{
    int32_t left = pieces;
    int32_t cuts = 0;
    for (int i = 0; i < LONG_CLASSES; i++) {
        ret_classes[i] = all_short[i];
        ret_classes[i].count = left < all_short[i].count ? left : all_short[i].count;
        left -= ret_classes[i].count;
        cuts += ret_classes[i].count * count_cuts(&ret_classes[i]);
    }
    word_class four = {.space = false, .letters = 4};
    word_class six = {.space = true, .letters = 6};
    int32_t wanted = merges - cuts - left * count_cuts(&six);
    int more = count_cuts(&four) - count_cuts(&six);
    four.count = merges == 0 ? left / 2 : wanted <= 0 ? 0 : (wanted + more - 1) / more;
    four.count = four.count < left ? four.count : left;
    six.count = left - four.count;
    ret_classes[LONG_CLASSES] = four;
    ret_classes[LONG_CLASSES + 1] = six;
}

/* Word number `number` of its class; different numbers give different words, in no order that a text has. */
static made_word make_word(const word_class *class, int32_t number)
{
    const uint64_t stride = 2654435761; /* shares no factor with 26, so it visits all */
    uint64_t words = 1;
    for (int i = 0; i < class->letters; i++)
        words *= LETTERS;
    uint64_t code = ((uint64_t)number * stride + 7) % words;
    made_word made = {.space = class->space, .letters = class->letters};
    for (int i = 0; i < class->letters; i++, code /= LETTERS)
        made.text[i] = (char)('a' + code % LETTERS);
    return made;
}

/* Letters from .. to - 1, behind the space if the word has one and `from` is 0; returns the bytes. */
static size_t spell_part(const made_word *word, const char *space, int from, int to, char *ret_text)
{
    size_t size = 0;
    if (word->space && from == 0) {
        size = strlen(space);
        memcpy(ret_text, space, size);
    }
    memcpy(ret_text + size, word->text + from, (size_t)(to - from));
    return size + (size_t)(to - from);
}

/* ---- Tokens --------------------------------------------------------------------------------------------- */

typedef struct maker {
    const model_vocabulary *vocabulary;
    smg_gguf_writer *writer;
    smidge_error *error;
    const char *space; /* as pieces spell it */
    word_class classes[CLASSES];
} maker;

static bool is_bpe(const maker *make)
{
    return strcmp(make->vocabulary->model, "gpt2") == 0;
}

/* Byte-level BPE counts the printable bytes first; SPM spells them <0x00>. */
static size_t spell_byte(const maker *make, int32_t number, char *ret_name)
{
    if (!is_bpe(make))
        return (size_t)snprintf(ret_name, NAME_ROOM, "<0x%02X>", (unsigned)number);
    int32_t printable = 0;
    for (uint32_t byte = 0; byte < 256; byte++)
        printable += smg_byte_alphabet_letter((uint8_t)byte) == byte;
    int32_t at = 0;
    for (uint32_t byte = 0; byte < 256; byte++) {
        if (smg_byte_alphabet_letter((uint8_t)byte) == byte && at++ == number)
            return smg_utf8_encode(byte, ret_name);
    }
    return smg_utf8_encode(256 + (uint32_t)(number - printable), ret_name);
}

static size_t spell_piece(const maker *make, int32_t number, char *ret_name)
{
    const word_class *class = make->classes;
    for (; number >= class->count; class ++)
        number -= class->count;
    made_word made = make_word(class, number);
    return spell_part(&made, make->space, 0, made.letters, ret_name);
}

static size_t repeat(const char *text, int32_t times, char *ret_name)
{
    size_t size = strlen(text);
    for (int32_t i = 0; i < times; i++)
        memcpy(ret_name + size * (size_t)i, text, size);
    return size * (size_t)times;
}

/* Token number `number` of a section; returns the bytes of its name. */
static size_t spell_token(const maker *make, const vocabulary_section *section, int32_t number,
                          char ret_name[NAME_ROOM])
{
    switch (section->kind) {
    case SECTION_NAMES:
        return (size_t)snprintf(ret_name, NAME_ROOM, "%s", section->names[number]);
    case SECTION_NUMBERED: {
        const char *format = section->names[0];
        const char *place = strstr(format, "%d");
        return (size_t)snprintf(ret_name, NAME_ROOM, "%.*s%d%s", (int)(place - format), format,
                                (int)(section->first + number), place + 2);
    }
    case SECTION_RUNS:
        return repeat(section->names[0], section->first + number, ret_name);
    case SECTION_BYTES:
        return spell_byte(make, number, ret_name);
    case SECTION_PIECES:
        return spell_piece(make, number, ret_name);
    default:
        break;
    }
    if (number == 0)
        return (size_t)snprintf(ret_name, NAME_ROOM, "%s", make->space);
    ret_name[0] = (char)(' ' + number);
    return 1;
}

static smidge_status write_tokens(const maker *make)
{
    char name[NAME_ROOM];
    SMG_TRY(smg_gguf_write_texts(make->writer, KEY("tokens"), (uint64_t)vocabulary_size(make->vocabulary),
                                 make->error));
    for (int i = 0; i < MAX_SECTIONS; i++) {
        const vocabulary_section *section = &make->vocabulary->sections[i];
        for (int32_t number = 0; number < section->count; number++) {
            size_t size = spell_token(make, section, number, name);
            SMG_TRY(smg_gguf_write_next_text(make->writer, (smg_text){name, size}, make->error));
        }
    }
    return SMIDGE_OK;
}

static bool is_scored(const vocabulary_section *section)
{
    return section->kind == SECTION_PIECES || section->kind == SECTION_LETTERS;
}

/* Pieces are merged in the order of their ids; a single character is never a merge. */
static smidge_status write_scores(const maker *make)
{
    int32_t size = vocabulary_size(make->vocabulary);
    SMG_CLEANUP(smg_free_ptr) float *scores = smg_alloc_array((size_t)size, sizeof *scores);
    if (scores == NULL)
        return smg_error_no_memory(make->error, "scores", (size_t)size * sizeof *scores);
    int32_t id = 0;
    int32_t rank = 0;
    for (int i = 0; i < MAX_SECTIONS; i++) {
        const vocabulary_section *section = &make->vocabulary->sections[i];
        for (int32_t number = 0; number < section->count; number++)
            scores[id++] = is_scored(section)               ? -(float)rank++
                           : section->kind == SECTION_BYTES ? 0.0F
                                                            : make->vocabulary->special_score;
    }
    return smg_gguf_write_array(make->writer, KEY("scores"), SMG_GGUF_F32, scores, (uint64_t)size,
                                make->error);
}

static smidge_status write_types(const maker *make)
{
    int32_t size = vocabulary_size(make->vocabulary);
    SMG_CLEANUP(smg_free_ptr) int32_t *types = smg_alloc_array((size_t)size, sizeof *types);
    if (types == NULL)
        return smg_error_no_memory(make->error, "types", (size_t)size * sizeof *types);
    int32_t id = 0;
    for (int i = 0; i < MAX_SECTIONS; i++) {
        for (int32_t number = 0; number < make->vocabulary->sections[i].count; number++)
            types[id++] = make->vocabulary->sections[i].type;
    }
    return smg_gguf_write_array(make->writer, KEY("token_type"), SMG_GGUF_I32, types, (uint64_t)size,
                                make->error);
}

/* ---- Merges --------------------------------------------------------------------------------------------- */

/* One merge for each word, and more of the first ones', up to the number that the true list has. */
static smidge_status write_word_merges(const maker *make, const word_class *class, const made_word *word,
                                       int32_t *spare)
{
    bool first = true;
    for (int at = class->space ? 0 : 1; at < class->letters; at++) {
        if (!may_cut(class, at) || (!first && *spare == 0))
            continue;
        char text[2 * NAME_ROOM];
        size_t size = 0;
        if (at == 0) { /* the space alone */
            size = strlen(make->space);
            memcpy(text, make->space, size);
            text[size++] = ' ';
            memcpy(text + size, word->text, (size_t)word->letters);
            size += (size_t)word->letters;
        } else {
            size = spell_part(word, make->space, 0, at, text);
            text[size++] = ' ';
            size += spell_part(word, make->space, at, word->letters, text + size);
        }
        SMG_TRY(smg_gguf_write_next_text(make->writer, (smg_text){text, size}, make->error));
        *spare -= !first;
        first = false;
    }
    return SMIDGE_OK;
}

static smidge_status write_merges(const maker *make)
{
    int32_t pieces = 0;
    for (int i = 0; i < CLASSES; i++)
        pieces += make->classes[i].count;
    int32_t spare = make->vocabulary->merges - pieces;
    SMG_TRY(
        smg_gguf_write_texts(make->writer, KEY("merges"), (uint64_t)make->vocabulary->merges, make->error));
    for (int i = 0; i < CLASSES; i++) {
        for (int32_t number = 0; number < make->classes[i].count; number++) {
            made_word made = make_word(&make->classes[i], number);
            SMG_TRY(write_word_merges(make, &make->classes[i], &made, &spare));
        }
    }
    return SMIDGE_OK;
}

/* ---- The rest ------------------------------------------------------------------------------------------- */

static smidge_status write_ids(const maker *make)
{
    const model_vocabulary *vocabulary = make->vocabulary;
    const struct {
        const char *name;
        int32_t value;
    } ids[] =
        {
            {KEY("bos_token_id"), vocabulary->bos},
            {KEY("eos_token_id"), vocabulary->eos},
            {KEY("unknown_token_id"), vocabulary->unknown},
            {KEY("padding_token_id"), vocabulary->padding},
        },
      switches[] = {
          {KEY("add_bos_token"), vocabulary->add_bos},
          {KEY("add_eos_token"), vocabulary->add_eos},
          {KEY("add_space_prefix"), vocabulary->add_space},
      };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (ids[i].value != NO_TOKEN)
            SMG_TRY(smg_gguf_write_u32(make->writer, ids[i].name, (uint32_t)ids[i].value, make->error));
    }
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        if (switches[i].value != NO_TOKEN)
            SMG_TRY(smg_gguf_write_bool(make->writer, switches[i].name, switches[i].value != 0, make->error));
    }
    return SMIDGE_OK;
}

static smidge_status write_name(const maker *make, const char *key, const char *name)
{
    return smg_gguf_write_text(make->writer, key, (smg_text){name, strlen(name)}, make->error);
}

smidge_status made_vocabulary_write(const model_vocabulary *vocabulary, smg_gguf_writer *writer,
                                    smidge_error *error)
{
    maker make = {.vocabulary = vocabulary, .writer = writer, .error = error};
    make.space = is_bpe(&make) ? BPE_SPACE : SMG_SPM_SPACE;
    for (int i = 0; i < MAX_SECTIONS; i++) {
        if (vocabulary->sections[i].kind == SECTION_PIECES && vocabulary->sections[i].count > 0)
            plan_classes(vocabulary->sections[i].count, vocabulary->merges, make.classes);
    }
    SMG_TRY(write_name(&make, KEY("model"), vocabulary->model));
    if (vocabulary->pre != NULL)
        SMG_TRY(write_name(&make, KEY("pre"), vocabulary->pre));
    SMG_TRY(write_tokens(&make));
    SMG_TRY(write_types(&make));
    SMG_TRY(is_bpe(&make) ? write_merges(&make) : write_scores(&make));
    return write_ids(&make);
}
