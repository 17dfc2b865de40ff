/* Integer products with AVX-512's VNNI on 256-bit registers: twice as many registers hold larger tiles. */
#if !defined(__AVX512VNNI__) || !defined(__AVX512VL__)
#error "this file is compiled with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni"
#endif

#include "kernels/x86/common_x86.h"

#include "kernels/kernel_list.h"
#include "kernels/x86/vnni_x86.inc"

#define ISA avx512vnni
#define TILE_ROWS 4
#define TILE_TOKENS 4

#include "kernels/x86/matmul_small_rows_x86.inc"
#include "kernels/x86/matmul_super_rows_x86.inc"
