/* A repository of the Hub: what is in it, and the files of it that are wanted. */
#ifndef SMIDGE_FETCH_REPOSITORY_H
#define SMIDGE_FETCH_REPOSITORY_H

#include "fetch/source.h"
#include "transfer.h"

/* Fetches the one GGUF file of a repository (of the type, if there are several), or all that a conversion needs, into
 * `folder` or, without one, into a folder of the repository's name in `home`. *ret_path is what to print: the file or the
 * folder. Where several files could be meant, they are printed, and it is an error. */
smidge_status fetch_repository(fetch_session *session, const smg_source *source, const char *type,
                               const char *folder, const char *home, char *ret_path, size_t room,
                               smidge_error *error) SMG_MUST_CHECK;

/* mkdir -p */
smidge_status fetch_make_folder(const char *path, smidge_error *error) SMG_MUST_CHECK;

#endif
