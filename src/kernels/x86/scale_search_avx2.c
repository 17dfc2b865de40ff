#define ISA avx2

#include "kernels/scale_search.inc"
