/* Tensor types of GGUF and the layout of their blocks, as stored in files, little-endian.
 * Source: the GGUF specification and ggml's type numbers. A row of a quantized tensor is a sequence of
 * blocks; a type's row length must be a multiple of its block's elements. */
#ifndef SMG_FORMAT_BLOCKS_H
#define SMG_FORMAT_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum smg_type {
    SMG_TYPE_F32 = 0,
    SMG_TYPE_F16 = 1,
    SMG_TYPE_Q4_0 = 2,
    SMG_TYPE_Q4_1 = 3,
    SMG_TYPE_Q5_0 = 6,
    SMG_TYPE_Q5_1 = 7,
    SMG_TYPE_Q8_0 = 8,
    SMG_TYPE_Q8_1 = 9, /* activations only */
    SMG_TYPE_Q2_K = 10,
    SMG_TYPE_Q3_K = 11,
    SMG_TYPE_Q4_K = 12,
    SMG_TYPE_Q5_K = 13,
    SMG_TYPE_Q6_K = 14,
    SMG_TYPE_Q8_K = 15, /* activations only */
    SMG_TYPE_IQ4_NL = 20,
    SMG_TYPE_IQ4_XS = 23,
    SMG_TYPE_BF16 = 30,
    /* The same blocks with the rows of 16 interleaved (format/interleave.h): smidge's own, see smg_type_number */
    SMG_TYPE_R16 = 32,
    SMG_TYPE_Q4_0_R16 = SMG_TYPE_R16 + SMG_TYPE_Q4_0,
    SMG_TYPE_Q4_1_R16 = SMG_TYPE_R16 + SMG_TYPE_Q4_1,
    SMG_TYPE_Q5_0_R16 = SMG_TYPE_R16 + SMG_TYPE_Q5_0,
    SMG_TYPE_Q5_1_R16 = SMG_TYPE_R16 + SMG_TYPE_Q5_1,
    SMG_TYPE_Q8_0_R16 = SMG_TYPE_R16 + SMG_TYPE_Q8_0,
    SMG_TYPE_Q2_K_R16 = SMG_TYPE_R16 + SMG_TYPE_Q2_K,
    SMG_TYPE_Q3_K_R16 = SMG_TYPE_R16 + SMG_TYPE_Q3_K,
    SMG_TYPE_Q4_K_R16 = SMG_TYPE_R16 + SMG_TYPE_Q4_K,
    SMG_TYPE_Q5_K_R16 = SMG_TYPE_R16 + SMG_TYPE_Q5_K,
    SMG_TYPE_Q6_K_R16 = SMG_TYPE_R16 + SMG_TYPE_Q6_K,
    SMG_TYPE_IQ4_NL_R16 = SMG_TYPE_R16 + SMG_TYPE_IQ4_NL,
    SMG_TYPE_IQ4_XS_R16 = SMG_TYPE_R16 + SMG_TYPE_IQ4_XS,
    SMG_TYPE_COUNT
} smg_type;

#define SMG_QK 32    /* elements of a small block */
#define SMG_QK_K 256 /* elements of a super-block */
#define SMG_GROUP_ROWS 16

typedef uint16_t smg_half; /* IEEE binary16 bits */

/* x = d * (q - 8); low nibbles are elements 0..15, high nibbles 16..31 */
typedef struct smg_block_q4_0 {
    smg_half d;
    uint8_t qs[16];
} smg_block_q4_0;

/* x = d * q + m */
typedef struct smg_block_q4_1 {
    smg_half d;
    smg_half m;
    uint8_t qs[16];
} smg_block_q4_1;

/* x = d * (q - 16); bit i of qh is the fifth bit of element i */
typedef struct smg_block_q5_0 {
    smg_half d;
    uint8_t qh[4];
    uint8_t qs[16];
} smg_block_q5_0;

/* x = d * q + m */
typedef struct smg_block_q5_1 {
    smg_half d;
    smg_half m;
    uint8_t qh[4];
    uint8_t qs[16];
} smg_block_q5_1;

/* x = d * q */
typedef struct smg_block_q8_0 {
    smg_half d;
    int8_t qs[32];
} smg_block_q8_0;

/* 16 sub-blocks of 16: x = d * (scales & 15) * q - dmin * (scales >> 4) */
typedef struct smg_block_q2_k {
    uint8_t scales[16];
    uint8_t qs[64];
    smg_half d;
    smg_half dmin;
} smg_block_q2_k;

/* 16 sub-blocks of 16: x = d * (scale - 32) * (q - 4), q's third bit in hmask */
typedef struct smg_block_q3_k {
    uint8_t hmask[32];
    uint8_t qs[64];
    uint8_t scales[12]; /* 16 six-bit scales, packed */
    smg_half d;
} smg_block_q3_k;

/* 8 sub-blocks of 32: x = d * scale * q - dmin * min */
typedef struct smg_block_q4_k {
    smg_half d;
    smg_half dmin;
    uint8_t scales[12]; /* 8 six-bit scales and 8 six-bit minimums, packed */
    uint8_t qs[128];
} smg_block_q4_k;

/* as Q4_K, fifth bits in qh */
typedef struct smg_block_q5_k {
    smg_half d;
    smg_half dmin;
    uint8_t scales[12];
    uint8_t qh[32];
    uint8_t qs[128];
} smg_block_q5_k;

/* 16 sub-blocks of 16: x = d * scale * (q - 32) */
typedef struct smg_block_q6_k {
    uint8_t ql[128];
    uint8_t qh[64];
    int8_t scales[16];
    smg_half d;
} smg_block_q6_k;

/* x = d * smg_iq4_values[q] */
typedef struct smg_block_iq4_nl {
    smg_half d;
    uint8_t qs[16];
} smg_block_iq4_nl;

/* 8 sub-blocks of 32: x = d * (scale - 32) * smg_iq4_values[q] */
typedef struct smg_block_iq4_xs {
    smg_half d;
    uint16_t scales_h;
    uint8_t scales_l[4];
    uint8_t qs[128];
} smg_block_iq4_xs;

#define SMG_ASSERT_SIZE(type, bytes)                                                                         \
    _Static_assert(sizeof(type) == (bytes), #type " must match the file format")
SMG_ASSERT_SIZE(smg_block_q4_0, 18);
SMG_ASSERT_SIZE(smg_block_q4_1, 20);
SMG_ASSERT_SIZE(smg_block_q5_0, 22);
SMG_ASSERT_SIZE(smg_block_q5_1, 24);
SMG_ASSERT_SIZE(smg_block_q8_0, 34);
SMG_ASSERT_SIZE(smg_block_q2_k, 84);
SMG_ASSERT_SIZE(smg_block_q3_k, 110);
SMG_ASSERT_SIZE(smg_block_q4_k, 144);
SMG_ASSERT_SIZE(smg_block_q5_k, 176);
SMG_ASSERT_SIZE(smg_block_q6_k, 210);
SMG_ASSERT_SIZE(smg_block_iq4_nl, 18);
SMG_ASSERT_SIZE(smg_block_iq4_xs, 136);

extern const int8_t smg_iq4_values[16];

typedef struct smg_type_info {
    const char *name;        /* as GGUF tools print it: "Q4_K"; NULL for a type this build does not know */
    uint16_t block_elements; /* 1 for plain floats */
    uint16_t block_bytes;
    bool weights; /* may appear in a file */
} smg_type_info;

/* NULL for unknown numbers. */
const smg_type_info *smg_type_describe(uint32_t type);
/* The number that stands for a type in files: ggml's, or for interleaved types one that no other program takes for
 * something else; and back, UINT32_MAX for numbers that this build does not know. */
uint32_t smg_type_number(smg_type type);
uint32_t smg_type_of_number(uint32_t number);
/* Whether rows come in groups of SMG_GROUP_ROWS that only make sense together. */
static inline bool smg_type_is_interleaved(uint32_t type)
{
    return type > SMG_TYPE_R16;
}

/* The type of the same rows one by one. */
static inline smg_type smg_type_plain(smg_type type)
{
    return smg_type_is_interleaved(type) ? (smg_type)(type - SMG_TYPE_R16) : type;
}
/* Bytes of a row of `elements`; 0 when the type is unknown, the block does not divide, or it overflows. */
uint64_t smg_type_row_bytes(uint32_t type, uint64_t elements);

#endif
