/* The temperature of a model's or an adapter's labels, put into its file. */
#ifndef SMG_CONVERT_STORE_TEMPERATURE_H
#define SMG_CONVERT_STORE_TEMPERATURE_H

#include "base/error.h"

/* Writes a copy of the GGUF file `from` to `path`, where it appears only when it is whole and which may be `from` itself, with the key
 * smidge.temperature set to `temperature`, in the place of one that is there already. All other keys, the tensors and their order stay, byte
 * for byte. SMIDGE_E_INVALID (a temperature that is no number above 0), SMIDGE_E_IO, SMIDGE_E_NOMEM, and the errors of smg_gguf_open. */
smidge_status smg_store_temperature(const char *from, const char *path, float temperature,
                                    smidge_error *error) SMG_MUST_CHECK;

#endif
