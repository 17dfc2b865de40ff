/* smidge pull: finds the program that fetches and runs it. This one never opens a socket. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "fetch/catalogue.h"
#include "pull_flags.h"

static int print_catalogue(void)
{
    printf("%-14s %8s  %8s  %8s  %-26s %s\n", "name", "params", "q4_k_m", "q8_0", "model", "licence");
    for (size_t i = 0; i < smg_catalogue_count(); i++) {
        const smg_catalogue_entry *entry = smg_catalogue_at(i);
        const double millions = (double)entry->parameters / 1e6;
        printf("%-14s %6.*f %c  %5.2f GB  %5.2f GB  %-26s %s\n", entry->name, millions < 1000.0 ? 0 : 2,
               millions < 1000.0 ? millions : millions / 1000.0, millions < 1000.0 ? 'M' : 'B',
               (double)entry->bytes[0] / 1e9, (double)entry->bytes[SMG_CATALOGUE_TYPES - 1] / 1e9,
               entry->title, entry->licence);
    }
    return cli_close_output(EXIT_OK);
}

/* The program beside this one. */
static bool beside(char path[PATH_MAX])
{
    static const char name[] = "smidge-fetch";
    const ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - sizeof name - 1);
    if (size <= 0 || size >= PATH_MAX - (ssize_t)sizeof name - 1)
        return false;
    path[size] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return false;
    memcpy(slash + 1, name, sizeof name);
    return access(path, X_OK) == 0;
}

static int run(int argc, char **argv, int64_t started)
{
    pull_flags flags;
    char path[PATH_MAX];
    (void)started;
    const int status = pull_flags_parse(&cli_pull, argc, argv, &flags);
    if (status >= 0)
        return status;
    if (flags.list)
        return print_catalogue();
    /* argv[-1] is this command's name: where a program's own belongs */
    argv[-1] = (char[]){"smidge-fetch"};
    errno = ENOENT;
    if (beside(path))
        execv(path, argv - 1);
    else
        execvp("smidge-fetch", argv - 1);
    if (errno == ENOENT)
        cli_complain("smidge-fetch",
                     "is not beside this program and not on PATH (./dev build makes it where "
                     "libcurl4-openssl-dev is installed; or fetch the file by other means; see "
                     "docs/troubleshooting.md, \"Downloads\")");
    else
        cli_complain("smidge-fetch", "cannot be run: %s (install it again)", strerror(errno));
    return EXIT_FAILED;
}

const cli_command cli_pull = {
    .name = "pull",
    .usage = pull_usage,
    .summary = pull_summary,
    .details = pull_details,
    .run = run,
};
