/* A model that is known by its dimensions alone, laid out as if its file were there. */
#ifndef SMG_FIT_PLAN_H
#define SMG_FIT_PLAN_H

#include "model/model.h"
#include "smidge/tools.h"

/* Shape, types and sizes of all matrices, but no data: enough to count memory and work with. Release with smg_plan_done.
 * SMIDGE_E_INVALID, SMIDGE_E_UNSUPPORTED (unknown family or type, named), SMIDGE_E_NOMEM. */
smidge_status smg_plan_model(const smidge_fit_shape *given, smg_model *ret_model, smidge_error *error)
    SMG_MUST_CHECK;
void smg_plan_done(smg_model *model);

#endif
