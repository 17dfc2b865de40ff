/* Filling smidge_error, and the small macros every module uses to pass failures up. */
#ifndef SMG_BASE_ERROR_H
#define SMG_BASE_ERROR_H

#include "smidge/smidge.h"

#define SMG_MUST_CHECK __attribute__((warn_unused_result))
#define SMG_CLEANUP(function) __attribute__((cleanup(function)))

/* Returns from the calling function when `expression` is not SMIDGE_OK. */
#define SMG_TRY(expression)                                                                                  \
    do {                                                                                                     \
        smidge_status try_status_ = (expression);                                                            \
        if (try_status_ != SMIDGE_OK)                                                                        \
            return try_status_;                                                                              \
    } while (0)

/* Fills `error` (may be NULL) and is `code`, which the compiler and the analyzer then know. `where` is cut at the
 * front when too long, so that a path keeps its file name; control characters become '?'. The message reads
 * "why (what to do)", or "why (what to do; see docs/troubleshooting.md, "SECTION")". */
#define smg_error_set(error, code, where, ...) (smg_error_fill(error, code, where, __VA_ARGS__), (code))
void smg_error_fill(smidge_error *error, smidge_status code, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Sections of docs/troubleshooting.md, as its headings have them (tests/check_troubleshooting.sh compares). */
#define SMG_SECTION_TIMEOUTS "Timeouts"
#define SMG_SECTION_GARBLED "Garbled or repeated output"
#define SMG_SECTION_CONTEXT "Prompts that do not fit"
#define SMG_SECTION_MEMORY "Out of memory"
#define SMG_SECTION_FILES "Model files that do not open"
#define SMG_SECTION_FOLDERS "Folders that do not convert"
#define SMG_SECTION_TEMPLATES "Chat templates"
#define SMG_SECTION_PREFIXES "Stale saved prefixes"
#define SMG_SECTION_DOWNLOADS "Downloads"
#define SMG_SECTION_BUILDING "Building on a board"

/* Puts a section behind the advice of an error that is filled: "why (what to do; see …)". Codes that mean one
 * section whatever the error is about, such as NO_FIT, have it from smg_error_set; this is for the others, where it is
 * known what failed. A section that is there stays. `error` may be NULL. */
void smg_error_see(smidge_error *error, const char *section);

/* The failure every allocation ends in. */
#define smg_error_no_memory(error, where, bytes)                                                             \
    (smg_error_fill_no_memory(error, where, bytes), SMIDGE_E_NOMEM)
void smg_error_fill_no_memory(smidge_error *error, const char *where, size_t bytes);

#endif
