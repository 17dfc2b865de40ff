#ifdef __aarch64__
#include "dot_peak.h"

#include <arm_neon.h>
#include <stddef.h>

#include "cpu/cpu.h"

#define ADD_PRODUCTS(sum, left, right) vpadalq_s16(sum, vmull_s8(left, right))
DOT_LOOP(run_neon, "arch=armv8-a", "w", int32x4_t, int8x8_t, vdup_n_s8, ADD_PRODUCTS)
DOT_LOOP(run_dotprod, "arch=armv8.2-a+dotprod", "w", int32x4_t, int8x16_t, vdupq_n_s8, vdotq_s32)
DOT_LOOP(run_i8mm, "arch=armv8.6-a+i8mm", "w", int32x4_t, int8x16_t, vdupq_n_s8, vmmlaq_s32)

const dot_loop *dot_peak_vector(void)
{
    static const dot_loop neon = {"SMULL, SADALP", run_neon, DOT_SUMS * 8.0};
    static const dot_loop dotprod = {"SDOT", run_dotprod, DOT_SUMS * 16.0};
    static const dot_loop i8mm = {"SMMLA", run_i8mm, DOT_SUMS * 32.0};
    uint32_t mask = smg_cpu_mask();
    return (mask & SMG_CPU_I8MM) != 0 ? &i8mm : (mask & SMG_CPU_DOTPROD) != 0 ? &dotprod : &neon;
}

const dot_loop *dot_peak_matrix(void)
{
    return NULL;
}
#else
typedef int smg_bench_no_arm;
#endif
