/* Four lanes at a time where a processor has no more: SSE2, NEON. */
#define ISA ref

#include "kernels/scale_search.inc"
