#include "pull_flags.h"

const char pull_usage[] = "NAME | hf:ORG/REPO[@REV][:FILE] | URL [flags]";
const char pull_summary[] = "fetch a model, and verify it";
const char pull_details[] =
    "NAME is of the catalogue (--list), in q4_k_m unless --type says otherwise; an hf: name is of the Hub, and without FILE its\n"
    "one GGUF file or all that a conversion needs. The path is printed when the file is whole and its checksum right. A pull\n"
    "that was cut goes on where it stopped. Environment: HF_TOKEN for models behind terms, HF_ENDPOINT for a mirror,\n"
    "https_proxy, http_proxy, no_proxy, CURL_CA_BUNDLE. `smidge pull` runs the program smidge-fetch; no other part uses a network.\n";

int pull_flags_parse(const cli_command *command, int argc, char **argv, pull_flags *ret_flags)
{
    pull_flags options = {.tries = 5, .stall = 30, .back_off = 1000};
    const cli_flag flags[] = {
        {"-o,--output-dir", CLI_TEXT, &options.folder, "DIR",
         "where to (default: $XDG_CACHE_HOME/smidge/models, or ~/.cache/smidge/models)"},
        {"--type", CLI_TEXT, &options.type, "T",
         "which of several files: q4_k_m, q8_0 …, or safetensors: what smidge convert needs"},
        {"--tries", CLI_INT, &options.tries, "N", "how often to try without getting on (default: 5)"},
        {"--list", CLI_FLAG, &options.list, NULL, "show the catalogue"},
        {"-q,--quiet", CLI_FLAG, &options.quiet, NULL, "no progress"},
        {"--stall", CLI_INT, &options.stall, NULL, NULL},
        {"--back-off", CLI_INT, &options.back_off, NULL, NULL},
    };
    size_t count = 0;
    int status =
        cli_parse(command, flags, sizeof flags / sizeof *flags, argc, argv, &options.source, 1, &count);
    if (status >= 0)
        return status;
    if (count == 0 && !options.list)
        return cli_misuse(command, "NAME", "is missing: which model?");
    if (options.tries < 1 || options.tries > 1000)
        return cli_misuse(command, "--tries", "is from 1 to 1000");
    if (options.stall < 1 || options.stall > 3600 || options.back_off < 1 || options.back_off > 60000)
        return cli_misuse(command, "--stall", "is from 1 to 3600, and --back-off from 1 to 60000");
    *ret_flags = options;
    return -1;
}
