/* Flags of answers that follow a JSON schema, and what they say of an answer. */
#ifndef SMIDGE_SCHEMA_FLAGS_H
#define SMIDGE_SCHEMA_FLAGS_H

#include <jansson.h>

#include "cli.h"

typedef struct schema_flags {
    const char *text;
    const char *file;
    const char *grammar; /* not supported, but known: text, or a file's name */
    const char *grammar_file;
} schema_flags;

#define SCHEMA_FLAGS(flags)                                                                                  \
    {"-j,--json-schema", CLI_TEXT, &(flags).text, "SCHEMA",                                                  \
     "answer with a flat JSON object of this schema, or not at all (docs/json.md)"},                         \
        {"-jf,--json-schema-file", CLI_TEXT, &(flags).file, "FILE", "the schema from a file"},               \
        {"--grammar", CLI_TEXT, &(flags).grammar, NULL, NULL},                                               \
    {                                                                                                        \
        "--grammar-file", CLI_TEXT, &(flags).grammar_file, NULL, NULL                                        \
    }

bool schema_wanted(const schema_flags *flags);
/* -1 to go on, or the exit status after a usage error. */
int schema_check(const cli_command *command, const schema_flags *flags);
/* Compiles what the flags say; released with smidge_schema_free. Returns -1, or the exit status after a message. */
int schema_open(const schema_flags *flags, smidge_model *model, smidge_schema **ret_schema);
/* Adds "answer", the object or null, and "confidence", of each key that it has, to a result. `schema` may be NULL. */
void schema_report(json_t *result, const smidge_schema *schema, const char *answer, size_t size,
                   const double *confidences);

#endif
