/* Integer products with the VEX form of VNNI, on 256-bit registers. */
#ifndef __AVXVNNI__
#error "this file is compiled with -mavx2 -mfma -mf16c -mavxvnni"
#endif

#include "kernels/kernel_list.h"

#define ISA avxvnni

#include "kernels/x86/matmul_small_x86.inc"
#include "kernels/x86/matmul_super_x86.inc"
