/* What of a model learns, and under which names; private to src/train. */
#ifndef SMG_TRAIN_TRAIN_PARAMETERS_H
#define SMG_TRAIN_TRAIN_PARAMETERS_H

#include "train/train_state.h"

/* At most so many. */
size_t smg_train_count_parameters(const smg_trainee *trainee);
/* Takes room for values and gradients, and points the trainee's layers at them and at the model's weights. With a counting arena
 * nothing is filled in. */
void smg_train_take_parameters(smg_trainee *trainee, smg_arena *arena);
/* Their first values. */
void smg_train_fill_parameters(smg_trainee *trainee);

#endif
