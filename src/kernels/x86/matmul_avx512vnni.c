/* Integer products with AVX-512's VNNI: 512-bit registers, and twice as many of them, where many tokens meet a panel. */
#if !defined(__AVX512VNNI__) || !defined(__AVX512VL__)
#error "this file is compiled with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni"
#endif

#include "kernels/kernel_list.h"

#define ISA avx512vnni

#include "kernels/x86/matmul_small_x86.inc"
#include "kernels/x86/matmul_super_x86.inc"
