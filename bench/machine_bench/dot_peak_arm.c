#ifdef __aarch64__
#include "dot_peak.h"

#include <arm_neon.h>
#include <stddef.h>

#include "cpu/cpu.h"

#define SUMS 12
#define KEEP(sum) __asm__ volatile("" : "+w"(sum))

static void run_neon(uint64_t rounds)
{
    int32x4_t sums[SUMS] = {0};
    int8x8_t left = vdup_n_s8(3);
    int8x8_t right = vdup_n_s8(5);
    for (uint64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++) {
            KEEP(left);
            sums[i] = vpadalq_s16(sums[i], vmull_s8(left, right));
            KEEP(sums[i]);
        }
    }
}

__attribute__((target("arch=armv8.2-a+dotprod"))) static void run_dotprod(uint64_t rounds)
{
    int32x4_t sums[SUMS] = {0};
    int8x16_t left = vdupq_n_s8(3);
    int8x16_t right = vdupq_n_s8(5);
    for (uint64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++) {
            sums[i] = vdotq_s32(sums[i], left, right);
            KEEP(sums[i]);
        }
    }
}

__attribute__((target("arch=armv8.6-a+i8mm"))) static void run_i8mm(uint64_t rounds)
{
    int32x4_t sums[SUMS] = {0};
    int8x16_t left = vdupq_n_s8(3);
    int8x16_t right = vdupq_n_s8(5);
    for (uint64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++) {
            sums[i] = vmmlaq_s32(sums[i], left, right);
            KEEP(sums[i]);
        }
    }
}

const dot_loop *dot_peak_vector(void)
{
    static const dot_loop neon = {"SMULL, SADALP", run_neon, SUMS * 8.0};
    static const dot_loop dotprod = {"SDOT", run_dotprod, SUMS * 16.0};
    static const dot_loop i8mm = {"SMMLA", run_i8mm, SUMS * 32.0};
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
