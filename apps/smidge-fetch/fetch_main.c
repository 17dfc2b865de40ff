/* smidge-fetch: the only program of this project that opens a connection to fetch something. `smidge pull` runs it. */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "download.h"
#include "pull_flags.h"
#include "repository.h"
#include "transfer.h"

#define EXIT_SIGNAL 128 /* and the signal's number, as shells have it */

static const cli_command fetch_command = {.name = "pull"};

static void on_signal(int number)
{
    fetch_stop_signal = number;
}

static void catch_signals(void)
{
    const struct sigaction stop = {.sa_handler = on_signal}; /* once more, and it ends at once */
    struct sigaction first = stop;
    first.sa_flags = (int)SA_RESETHAND;
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction was;
        /* what nohup ignores stays ignored */
        if (sigaction(numbers[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
            sigaction(numbers[i], &first, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of the write */
}

static smidge_status default_folder(char *ret, size_t room, smidge_error *error)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int size = -1;
    if (cache != NULL && cache[0] == '/')
        size = snprintf(ret, room, "%s/smidge/models", cache);
    else if (home != NULL && home[0] == '/')
        size = snprintf(ret, room, "%s/.cache/smidge/models", home);
    if (size > 0 && (size_t)size < room)
        return SMIDGE_OK;
    return smg_error_set(error, SMIDGE_E_INVALID, "HOME", "is not set (say where to: -o DIR)");
}

static smidge_status fetch_one(fetch_session *session, const smg_source *source, const char *folder,
                               char *ret_path, size_t room, smidge_error *error)
{
    char url[SMG_URL_MAX];
    const char *address = source->url;
    if (source->kind == SMG_SOURCE_HUB_FILE) {
        SMG_TRY(smg_source_file_url(session->endpoint, source->repository, source->revision, source->file,
                                    url, error));
        address = url;
    }
    const fetch_file file = {.url = address,
                             .repository = source->repository,
                             .folder = folder,
                             .name = source->name,
                             .label = source->name};
    SMG_TRY(fetch_make_folder(folder, error));
    SMG_TRY(fetch_download(session, &file, error));
    snprintf(ret_path, room, "%s/%s", folder, source->name);
    return SMIDGE_OK;
}

static smidge_status fetch(fetch_session *session, const pull_flags *flags, char *ret_path, size_t room,
                           smidge_error *error)
{
    static smg_source source;
    char home[PATH_MAX] = "", folder[PATH_MAX];
    SMG_TRY(fetch_session_open(session, error));
    SMG_TRY(smg_source_parse(flags->source, flags->type, session->endpoint, &source, error));
    if (flags->type != NULL && source.kind != SMG_SOURCE_REPOSITORY && source.entry == NULL)
        return smg_error_set(error, SMIDGE_E_INVALID, "--type",
                             "chooses among files, and %.200s is one (leave --type out)", source.name);
    if (flags->folder == NULL)
        SMG_TRY(default_folder(home, sizeof home, error));
    else if (strlen(flags->folder) >= sizeof folder || flags->folder[0] == '\0')
        return smg_error_set(error, SMIDGE_E_INVALID, "-o", "is not a path (give a folder)");
    else
        snprintf(folder, sizeof folder, "%s", flags->folder);
    for (size_t size = strlen(folder); flags->folder != NULL && size > 1 && folder[size - 1] == '/'; size--)
        folder[size - 1] = '\0';
    const char *given = flags->folder == NULL ? NULL : folder;
    if (source.kind == SMG_SOURCE_REPOSITORY)
        return fetch_repository(session, &source, flags->type, given, home, ret_path, room, error);
    return fetch_one(session, &source, given == NULL ? home : given, ret_path, room, error);
}

int main(int argc, char **argv)
{
    pull_flags flags;
    const int status = pull_flags_parse(&fetch_command, argc - 1, argv + 1, &flags);
    if (status >= 0)
        return status;
    if (flags.source == NULL)
        return cli_misuse(&fetch_command, "--list", "is for smidge pull");
    catch_signals();
    char path[PATH_MAX + 256];
    smidge_error error = {0};
    fetch_session session = {.stall = flags.stall,
                             .back_off = flags.back_off,
                             .tries = flags.tries,
                             .quiet = flags.quiet};
    const smidge_status fetched = fetch(&session, &flags, path, sizeof path, &error);
    fetch_session_close(&session);
    if (fetched == SMIDGE_OK) {
        printf("%s\n", path);
        return cli_close_output(EXIT_OK);
    }
    cli_fail(&error);
    (void)cli_close_output(EXIT_FAILED); /* the files to choose from */
    return fetch_stop_signal != 0        ? EXIT_SIGNAL + (int)fetch_stop_signal
           : fetched == SMIDGE_E_INVALID ? EXIT_USAGE
                                         : EXIT_FAILED;
}
