#include "schema_flags.h"

#include <stdlib.h>
#include <string.h>

bool schema_wanted(const schema_flags *flags)
{
    return flags->text != NULL || flags->file != NULL;
}

int schema_check(const cli_command *command, const schema_flags *flags)
{
    if (flags->grammar != NULL || flags->grammar_file != NULL)
        return cli_misuse(command, flags->grammar != NULL ? "--grammar" : "--grammar-file",
                          "grammars are not supported: say it as a JSON schema of one flat object with "
                          "--json-schema, or choose among words with smidge classify --labels");
    if (flags->text != NULL && flags->file != NULL)
        return cli_misuse(command, "schema", "is given twice (give --json-schema or --json-schema-file)");
    return -1;
}

int schema_open(const schema_flags *flags, smidge_model *model, smidge_schema **ret_schema)
{
    char *read = NULL;
    const char *text = flags->text;
    size_t size = text != NULL ? strlen(text) : 0;
    if (text == NULL) {
        read = cli_read_file(flags->file, &size);
        if (read == NULL)
            return EXIT_FAILED;
        text = read;
    }
    smidge_error error;
    smidge_status status = smidge_schema_new(model, text, size, ret_schema, &error);
    free(read);
    return status == SMIDGE_OK ? -1 : cli_fail(&error);
}

void schema_report(json_t *result, const smidge_schema *schema, const char *answer, size_t size,
                   const double *confidences)
{
    json_t *object = size > 0 ? json_loadb(answer, size, 0, NULL) : NULL;
    json_t *confidence = json_object();
    const int32_t keys = schema != NULL ? smidge_schema_keys(schema) : 0;
    for (int32_t key = 0; key < keys; key++) {
        const char *name = smidge_schema_key(schema, key);
        if (json_object_get(object, name) != NULL)
            json_object_set_new(confidence, name, json_real(confidences[key]));
    }
    json_object_set_new(result, "answer", object != NULL ? object : json_null());
    json_object_set_new(result, "confidence", confidence);
}
