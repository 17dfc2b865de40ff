/* A reading goes in, a label comes out:  classify_reading MODEL.gguf "temperature 94 C, vibration 7.2 mm/s" */
#include <stdio.h>
#include <string.h>

#include <smidge/smidge.h>

int main(int argc, char **argv)
{
    const char *const names[] = {"NORMAL", "WARNING", "CRITICAL"};
    const char *task =
        "Normal: temperature 60-75 C, vibration 1.0-2.8 mm/s. NORMAL, WARNING or CRITICAL?\nReading: ";
    smidge_model *model = NULL;
    smidge_session *session = NULL;
    smidge_labels *labels = NULL;
    smidge_error error = {0};
    smidge_classify_result result = {.size = sizeof result};
    smidge_classify_options options;
    smidge_classify_options_init(&options);
    options.deadline_ns = smidge_now_ns() + 10 * INT64_C(1000000000);
    if (argc == 3 && smidge_model_open(argv[1], NULL, &model, &error) == SMIDGE_OK &&
        smidge_session_new(model, NULL, &session, &error) == SMIDGE_OK &&
        smidge_labels_new(model, names, 3, &labels, &error) == SMIDGE_OK) {
        const smidge_span prompt[] = {{task, strlen(task), 0},
                                      {argv[2], strlen(argv[2]), 0},
                                      {"\nAnswer:", 8, 0}};
        if (smidge_classify(session, labels, prompt, 3, &options, &result, &error) == SMIDGE_OK)
            printf("%s %.3f\n", names[result.label], result.confidence);
    }
    if (error.code != SMIDGE_OK)
        fprintf(stderr, "%s: %s\n", error.where, error.message);
    smidge_labels_free(labels);
    smidge_session_free(session);
    smidge_model_close(model);
    return result.answer == SMIDGE_ANSWER_OK ? 0 : 1;
}
