/* Everything in floats, from the templates. */
#include "kernels/x86/v8_x86.h"

#include "kernels/vec_v8.inc"

#define ISA avx2

#include "kernels/attention.inc"
#include "kernels/matmul_float_v8.inc"
#include "kernels/vector_v8.inc"

/* stands on the one above */
#include "kernels/backward_v8.inc"
