#include "format/blocks.h"

/* The 16 levels of the IQ4 types: ggml's non-linear 4-bit code. */
const int8_t smg_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

#define SMALL(text, block)                                                                                   \
    {                                                                                                        \
        .name = text, .block_elements = SMG_QK, .block_bytes = sizeof(block), .weights = true                \
    }
#define SUPER(text, block)                                                                                   \
    {                                                                                                        \
        .name = text, .block_elements = SMG_QK_K, .block_bytes = sizeof(block), .weights = true              \
    }
#define PLAIN(text, bytes)                                                                                   \
    {                                                                                                        \
        .name = text, .block_elements = 1, .block_bytes = (bytes), .weights = true                           \
    }

static const smg_type_info types[SMG_TYPE_COUNT] = {
    [SMG_TYPE_F32] = PLAIN("F32", 4),
    [SMG_TYPE_F16] = PLAIN("F16", 2),
    [SMG_TYPE_BF16] = PLAIN("BF16", 2),
    [SMG_TYPE_Q4_0] = SMALL("Q4_0", smg_block_q4_0),
    [SMG_TYPE_Q4_1] = SMALL("Q4_1", smg_block_q4_1),
    [SMG_TYPE_Q5_0] = SMALL("Q5_0", smg_block_q5_0),
    [SMG_TYPE_Q5_1] = SMALL("Q5_1", smg_block_q5_1),
    [SMG_TYPE_Q8_0] = SMALL("Q8_0", smg_block_q8_0),
    [SMG_TYPE_Q8_1] = {"Q8_1", SMG_QK, 36, false},
    [SMG_TYPE_Q2_K] = SUPER("Q2_K", smg_block_q2_k),
    [SMG_TYPE_Q3_K] = SUPER("Q3_K", smg_block_q3_k),
    [SMG_TYPE_Q4_K] = SUPER("Q4_K", smg_block_q4_k),
    [SMG_TYPE_Q5_K] = SUPER("Q5_K", smg_block_q5_k),
    [SMG_TYPE_Q6_K] = SUPER("Q6_K", smg_block_q6_k),
    [SMG_TYPE_Q8_K] = {"Q8_K", SMG_QK_K, 292, false},
    [SMG_TYPE_IQ4_NL] = SMALL("IQ4_NL", smg_block_iq4_nl),
    [SMG_TYPE_IQ4_XS] = SUPER("IQ4_XS", smg_block_iq4_xs),
    [SMG_TYPE_Q4_0_R16] = SMALL("Q4_0_R16", smg_block_q4_0),
    [SMG_TYPE_Q4_1_R16] = SMALL("Q4_1_R16", smg_block_q4_1),
    [SMG_TYPE_Q5_0_R16] = SMALL("Q5_0_R16", smg_block_q5_0),
    [SMG_TYPE_Q5_1_R16] = SMALL("Q5_1_R16", smg_block_q5_1),
    [SMG_TYPE_Q8_0_R16] = SMALL("Q8_0_R16", smg_block_q8_0),
    [SMG_TYPE_Q2_K_R16] = SUPER("Q2_K_R16", smg_block_q2_k),
    [SMG_TYPE_Q3_K_R16] = SUPER("Q3_K_R16", smg_block_q3_k),
    [SMG_TYPE_Q4_K_R16] = SUPER("Q4_K_R16", smg_block_q4_k),
    [SMG_TYPE_Q5_K_R16] = SUPER("Q5_K_R16", smg_block_q5_k),
    [SMG_TYPE_Q6_K_R16] = SUPER("Q6_K_R16", smg_block_q6_k),
    [SMG_TYPE_IQ4_NL_R16] = SMALL("IQ4_NL_R16", smg_block_iq4_nl),
    [SMG_TYPE_IQ4_XS_R16] = SUPER("IQ4_XS_R16", smg_block_iq4_xs),
};

/* "R16" and the plain type's number. */
#define INTERLEAVED_NUMBER 0x36315200U

uint32_t smg_type_number(smg_type type)
{
    return smg_type_is_interleaved(type) ? INTERLEAVED_NUMBER + (uint32_t)smg_type_plain(type)
                                         : (uint32_t)type;
}

uint32_t smg_type_of_number(uint32_t number)
{
    uint32_t type = number < SMG_TYPE_R16 ? number : UINT32_MAX;
    if (number >= INTERLEAVED_NUMBER && number - INTERLEAVED_NUMBER < SMG_TYPE_R16)
        type = number - INTERLEAVED_NUMBER + SMG_TYPE_R16;
    return smg_type_describe(type) != NULL ? type : UINT32_MAX;
}

const smg_type_info *smg_type_describe(uint32_t type)
{
    if (type >= SMG_TYPE_COUNT || !types[type].name)
        return NULL;
    return &types[type];
}

uint64_t smg_type_row_bytes(uint32_t type, uint64_t elements)
{
    const smg_type_info *info = smg_type_describe(type);
    uint64_t bytes;
    if (!info || elements % info->block_elements != 0)
        return 0;
    if (__builtin_mul_overflow(elements / info->block_elements, (uint64_t)info->block_bytes, &bytes))
        return 0;
    return bytes;
}
