/* Attention in sixteens. */
#include "kernels/x86/v16_x86.h"

#define ISA avx512vnni

#include "kernels/attention.inc"
