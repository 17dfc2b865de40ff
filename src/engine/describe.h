/* Small things that opening a model and inspecting a file have in common. */
#ifndef SMG_ENGINE_DESCRIBE_H
#define SMG_ENGINE_DESCRIBE_H

#include "model/model.h"
#include "token/tokenizer.h"

/* Text from a file into a fixed array, cut where it is longer, with a zero behind it. */
void smg_describe_text(smg_text text, char *ret_text, size_t room);

/* SMIDGE_E_FORMAT where the vocabulary and the embedding differ in size. */
smidge_status smg_describe_vocabulary(const smg_model *model, const smg_tokenizer *tokenizer,
                                      smidge_error *error) SMG_MUST_CHECK;

/* Hands `status` on; where it says that the file cannot be used, `error` names the section about such files. */
smidge_status smg_describe_refusal(smidge_status status, smidge_error *error) SMG_MUST_CHECK;

#endif
