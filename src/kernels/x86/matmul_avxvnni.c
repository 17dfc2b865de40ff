/* Integer products with the VEX form of VNNI: the same tiles as AVX2, shorter sums. */
#ifndef __AVXVNNI__
#error "this file is compiled with -mavx2 -mfma -mf16c -mavxvnni"
#endif

#include "kernels/x86/common_x86.h"

#include "kernels/kernel_list.h"
#include "kernels/x86/vnni_x86.inc"

#define ISA avxvnni
#define TILE_ROWS 2
#define TILE_TOKENS 4

#include "kernels/x86/matmul_small_rows_x86.inc"
#include "kernels/x86/matmul_super_rows_x86.inc"
