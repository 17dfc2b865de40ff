/* The named chat templates, each as the models ship it. */
#include "token/chat_template_internal.h"

#include <string.h>

#define EOS SMG_CHAT_EOS
#define DATE SMG_CHAT_DATE

/* {prefix, suffix, trim} of system, user and assistant. */
#define SAME_TURNS(before, after, name_end, trims)                                                           \
    {                                                                                                        \
        {before "system" name_end, after, trims}, {before "user" name_end, after, trims},                    \
        {                                                                                                    \
            before "assistant" name_end, after, trims                                                        \
        }                                                                                                    \
    }

#define CHATML                                                                                               \
    .turn = SAME_TURNS("<|im_start|>", "<|im_end|>\n", "\n", false),                                         \
    .generation = "<|im_start|>assistant\n", .eos = "<|im_end|>"

#define LLAMA3_ANSWER "<|start_header_id|>assistant<|end_header_id|>\n\n"
#define LLAMA3                                                                                               \
    .turn = SAME_TURNS("<|start_header_id|>", "<|eot_id|>", "<|end_header_id|>\n\n", true),                  \
    .generation = LLAMA3_ANSWER, .eos = "<|eot_id|>"

#define PHI3                                                                                                 \
    .turn = SAME_TURNS("<|", "<|end|>\n", "|>\n", false), .generation = "<|assistant|>\n",                   \
    .eos = "<|endoftext|>"

#define GEMMA                                                                                                \
    .turn = {{NULL, NULL, false},                                                                            \
             {"<start_of_turn>user\n", "<end_of_turn>\n", true},                                             \
             {"<start_of_turn>model\n", "<end_of_turn>\n", true}},                                           \
    .alternate = true, .generation = "<start_of_turn>model\n", .eos = "<eos>"

#define MISTRAL(before, after, reply_before, reply_after, reply_trim)                                        \
    .family = SMG_CHAT_MISTRAL,                                                                              \
    .turn = {{NULL, NULL, false}, {before, after, false}, {reply_before, reply_after, reply_trim}},          \
    .alternate = true, .eos = "</s>"

#define FOLD(where) .system = (where), .fold_close = "\n\n"

const smg_chat_template smg_chat_table[] = {
    /* OpenHermes, SmolLM, Yi and many others */
    {.name = "chatml", CHATML},
    {.name = "chatml", CHATML, .no_generation = EOS, .ends_answers = true}, /* InternLM 2 */
    {.name = "qwen1.5", CHATML, .default_system = "You are a helpful assistant"},
    {.name = "qwen2", CHATML, .default_system = "You are a helpful assistant."},
    {.name = "qwen2.5",
     .alias = "qwen",
     CHATML,
     .default_system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
    {.name = "qwen3", .family = SMG_CHAT_QWEN3, CHATML, .no_thinking = "<think>\n\n</think>\n\n"},
    {.name = "qwen3-instruct", .family = SMG_CHAT_QWEN3_INSTRUCT, CHATML},
    {.name = "smollm2",
     CHATML,
     .default_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
    /* SmolLM3 as edited for engines that have no clock, then as released: with the day, and with no end token
     * after the system message */
    {.name = "smollm3",
     .family = SMG_CHAT_SMOLLM3,
     CHATML,
     .system = SMG_CHAT_SYSTEM_FIRST,
     .no_thinking = "<think>\n\n</think>\n"},
    {.name = "smollm3-dated",
     .family = SMG_CHAT_SMOLLM3_DATED,
     CHATML,
     .system = SMG_CHAT_SYSTEM_FIRST,
     .no_thinking = "<think>\n\n</think>\n"},

    {.name = "llama3", LLAMA3},
    {.name = "llama3", LLAMA3, .no_generation = LLAMA3_ANSWER}, /* as first released */
    /* Llama 3.2's differs only in asking the clock where 3.1 says a fixed day */
    {.name = "llama3.1",
     .alias = "llama3.2",
     LLAMA3,
     .head = "Cutting Knowledge Date: December 2023\nToday Date: " DATE "\n\n"},
    {.name = "llama2",
     .turn = {{NULL, NULL, false}, {"[INST] ", " [/INST]", true}, {" ", " " EOS, true}},
     .system = SMG_CHAT_SYSTEM_FIRST_USER,
     .alternate = true,
     .fold_trimmed = true,
     .fold_open = "<<SYS>>\n",
     .fold_close = "\n<</SYS>>\n\n",
     .turn_again = "<s>",
     .eos = "</s>"},

    /* Phi-3.5; Phi-3 small and those of July 2024; the same by others, without an end; and Phi-3 mini and medium
     * of April 2024, whose template has no system turn although the model has its token */
    {.name = "phi3", PHI3, .no_generation = EOS, .skip = SMG_CHAT_SKIP_EMPTY},
    {.name = "phi3", PHI3, .no_generation = EOS},
    {.name = "phi3", PHI3},
    {.name = "phi3",
     .turn = {{"<|system|>\n", "<|end|>\n", false},
              {"<|user|>\n", "<|end|>\n<|assistant|>\n", false},
              {NULL, "<|end|>\n", false}},
     .skip = SMG_CHAT_SKIP_BLANK,
     .eos = "<|endoftext|>"},
    {.name = "phi4-mini",
     .turn = SAME_TURNS("<|", "<|end|>", "|>", false),
     .generation = "<|assistant|>",
     .no_generation = EOS,
     .eos = "<|endoftext|>"},

    /* Gemma 1 and 2 refuse a system message; Gemma 3 folds it */
    {.name = "gemma3", GEMMA, FOLD(SMG_CHAT_SYSTEM_FIRST_USER)},
    {.name = "gemma", .alias = "gemma2", GEMMA, .system = SMG_CHAT_SYSTEM_REFUSED},

    /* What tells these apart is where the spaces are. v0.1 and v0.2 are what the 7B models shipped at first;
     * v1 is v0.2's of 2024; v3 came with [INST] as a token; tekken is Nemo's tokenizer. */
    {.name = "mistral-v0.1",
     MISTRAL("[INST] ", " [/INST]", NULL, EOS " ", false),
     .system = SMG_CHAT_SYSTEM_REFUSED},
    {.name = "mistral-v0.2",
     MISTRAL("[INST] ", " [/INST]", NULL, EOS, false),
     .system = SMG_CHAT_SYSTEM_REFUSED},
    /* v0.3's for a while: the spaces of v1, one more, and any order of roles */
    {.name = "mistral-v0.3",
     .family = SMG_CHAT_MISTRAL,
     .turn = {{NULL, NULL, false}, {" [INST] ", " [/INST]", false}, {" ", " " EOS, false}},
     .system = SMG_CHAT_SYSTEM_REFUSED,
     .skip = SMG_CHAT_SKIP_BLANK,
     .eos = "</s>"},
    {.name = "mistral-v1",
     MISTRAL(" [INST] ", " [/INST]", " ", EOS, false),
     FOLD(SMG_CHAT_SYSTEM_FIRST_USER)},
    {.name = "mistral-v1",
     MISTRAL(" [INST] ", " [/INST]", " ", EOS, false),
     .system = SMG_CHAT_SYSTEM_REFUSED},
    {.name = "mistral-v3",
     .alias = "mistral",
     MISTRAL("[INST] ", "[/INST]", " ", EOS, true),
     FOLD(SMG_CHAT_SYSTEM_LAST_USER)},
    {.name = "mistral-v3", MISTRAL("[INST] ", "[/INST]", " ", EOS, true), FOLD(SMG_CHAT_SYSTEM_FIRST_USER)},
    {.name = "mistral-v3", MISTRAL("[INST] ", "[/INST]", " ", EOS, false), FOLD(SMG_CHAT_SYSTEM_LAST_USER)},
    {.name = "mistral-v3", MISTRAL("[INST] ", "[/INST]", " ", EOS, false), FOLD(SMG_CHAT_SYSTEM_FIRST_USER)},
    {.name = "mistral-v3", MISTRAL("[INST] ", "[/INST]", " ", EOS, false), .system = SMG_CHAT_SYSTEM_REFUSED},
    {.name = "mistral-tekken",
     MISTRAL("[INST]", "[/INST]", NULL, EOS, false),
     FOLD(SMG_CHAT_SYSTEM_LAST_USER)},
    {.name = "mistral-tekken",
     MISTRAL("[INST]", "[/INST]", NULL, EOS, false),
     FOLD(SMG_CHAT_SYSTEM_FIRST_USER)},

    /* Zephyr, TinyLlama chat */
    {.name = "zephyr",
     .turn = SAME_TURNS("<|", EOS "\n", "|>\n", false),
     .generation = "<|assistant|>\n",
     .eos = "</s>"},
};
const size_t smg_chat_table_count = sizeof smg_chat_table / sizeof smg_chat_table[0];

const char smg_smollm3_thinking[] =
    " Your role as an assistant involves thoroughly exploring questions through a systematic thinking "
    "process before providing the final precise and accurate solutions. This requires engaging in a "
    "comprehensive cycle of analysis, summarizing, exploration, reassessment, reflection, backtracking, "
    "and iteration to develop well-considered thinking process. Please structure your response into two "
    "main sections: Thought and Solution using the specified format: <think> Thought section </think> "
    "Solution section. In the Thought section, detail your reasoning process in steps. Each step should "
    "include detailed considerations such as analysing questions, summarizing relevant findings, "
    "brainstorming new ideas, verifying the accuracy of the current steps, refining any errors, and "
    "revisiting previous steps. In the Solution section, based on various attempts, explorations, and "
    "reflections from the Thought section, systematically present the final solution that you deem "
    "correct. The Solution section should be logical, accurate, and concise and detail necessary steps "
    "needed to reach the conclusion.";

const smg_chat_template *smg_chat_find(const char *name)
{
    for (size_t i = 0; i < smg_chat_table_count; i++) {
        const smg_chat_template *row = &smg_chat_table[i];
        if (strcmp(row->name, name) == 0 || (row->alias != NULL && strcmp(row->alias, name) == 0))
            return row;
    }
    return NULL;
}

const char *smg_chat_names(void)
{
    return "chatml, qwen1.5, qwen2, qwen2.5, qwen3, qwen3-instruct, smollm2, smollm3, smollm3-dated, llama3, "
           "llama3.1, llama2, phi3, phi4-mini, gemma3, gemma, mistral-v0.1, mistral-v0.2, mistral-v0.3, "
           "mistral-v1, mistral-v3, mistral-tekken, zephyr";
}

const char *smg_chat_name(const smg_chat_template *chat)
{
    return chat->name;
}
