/* Folders from the Hub: the public door to src/convert. */
#include "base/thread.h"
#include "convert/convert.h"
#include "engine/options.h"
#include "smidge/tools.h"

#include <strings.h>

smidge_status smidge_convert(const char *folder, const char *path, const smidge_convert_options *options,
                             smidge_error *error)
{
    smidge_convert_options chosen = {.size = sizeof chosen};
    SMG_TRY(smg_options_read(&chosen, sizeof chosen, options, "convert options", error));
    smg_convert wishes = {.threads = chosen.threads > 0 ? chosen.threads : smg_thread_cores(),
                          .base = chosen.base,
                          .progress = chosen.progress,
                          .progress_context = chosen.progress_context,
                          .note = chosen.note,
                          .note_context = chosen.note_context};
    if (chosen.type != NULL && strcasecmp(chosen.type, "auto") != 0) {
        wishes.mix = smg_mix_find(chosen.type);
        if (wishes.mix == NULL)
            return smg_error_set(error, SMIDGE_E_INVALID, chosen.type, "no such type (auto, %s)",
                                 smg_mix_names());
    }
    const smidge_status status = smg_convert_is_adapter(folder)
                                     ? smg_convert_adapter(folder, path, &wishes, error)
                                     : smg_convert_model(folder, path, &wishes, error);
    if (status == SMIDGE_E_FORMAT || status == SMIDGE_E_UNSUPPORTED)
        smg_error_see(error, SMG_SECTION_FOLDERS);
    return status;
}
