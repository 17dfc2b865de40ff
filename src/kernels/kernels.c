#include "kernels/kernels.h"

#include <string.h>

#include "cpu/cpu.h"
#include "kernels/kernel_list.h"

smg_act smg_act_for(smg_type type)
{
    switch (smg_type_plain(type)) {
    case SMG_TYPE_Q4_0:
    case SMG_TYPE_Q5_0:
    case SMG_TYPE_Q8_0:
    case SMG_TYPE_IQ4_NL:
        return SMG_ACT_Q8_0;
    case SMG_TYPE_Q4_1:
    case SMG_TYPE_Q5_1:
        return SMG_ACT_Q8_1;
    case SMG_TYPE_Q2_K:
    case SMG_TYPE_Q3_K:
    case SMG_TYPE_Q4_K:
    case SMG_TYPE_Q5_K:
    case SMG_TYPE_Q6_K:
    case SMG_TYPE_IQ4_XS:
        return SMG_ACT_Q8_K;
    default:
        return SMG_ACT_F32;
    }
}

size_t smg_act_row_bytes(smg_act act, int64_t k)
{
    size_t bytes;
    switch (act) {
    case SMG_ACT_Q8_0:
        bytes = smg_act_sums(act, k) + (size_t)(k / SMG_QK) * sizeof(int16_t);
        break;
    case SMG_ACT_Q8_1:
        bytes = smg_act_sums(act, k) + (size_t)(k / SMG_QK) * sizeof(float);
        break;
    case SMG_ACT_Q8_K:
        bytes = smg_act_sums(act, k) + (size_t)(k / 16) * sizeof(int16_t);
        break;
    default:
        return (size_t)k * sizeof(float);
    }
    return (bytes + 63) & ~(size_t)63;
}

size_t smg_kv_bytes(smg_kv kv, int64_t n)
{
    switch (kv) {
    case SMG_KV_F32:
        return (size_t)n * sizeof(float);
    case SMG_KV_Q8_0:
        return (size_t)(n / SMG_QK) * sizeof(smg_block_q8_0);
    default:
        return (size_t)n * sizeof(smg_half);
    }
}

void smg_kernels_init(smg_kernels *table, uint32_t cpu_mask)
{
    memset(table, 0, sizeof *table);
    table->cpu_mask = cpu_mask;
#define SMG_KERNEL(path, slot, function)                                                                     \
    if ((path) == SMG_CPU_REF || (cpu_mask & (uint32_t)(path)))                                              \
        table->slot = function;
#include "kernels/kernels.inc"
#undef SMG_KERNEL
}
