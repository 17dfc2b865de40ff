/* Everything in floats, from the templates. */
#include "kernels/arm/v8_arm.h"

#include "kernels/vec_v8.inc"

#define ISA neon

#include "kernels/attention.inc"
#include "kernels/matmul_float_v8.inc"
#include "kernels/vector_v8.inc"

/* stands on the one above */
#include "kernels/backward_v8.inc"
