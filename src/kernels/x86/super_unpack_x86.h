/* Super-blocks of 256 in their file's layout: eight chunks of 32 integers, and what scales them. */
#ifndef SMG_KERNELS_X86_SUPER_UNPACK_H
#define SMG_KERNELS_X86_SUPER_UNPACK_H

#include "format/blocks.h"
#include "kernels/x86/common_x86.h"

/* What is taken from x = d * scale * (q - zero) - dmin * min besides d * scale * q, by way of bsums. */
typedef enum super_kind {
    SUPER_MINS,   /* dmin * min */
    SUPER_CENTER, /* d * scale * zero, given as mins: integers of one scale */
    SUPER_SIGNED  /* nothing: q is signed */
} super_kind;

typedef struct super_head {
    float d, dmin;
    __m256i scales; /* 16 bits each: of the chunks' first 16 elements, then of their second */
    __m256i mins;   /* 16 bits each, one for 16 elements, in their order */
} super_head;

typedef super_head (*super_head_fn)(const uint8_t *block);
typedef __m256i (*super_chunk_fn)(const uint8_t *block, int j);

/* 16 bytes in element order to `scales`. */
static ALWAYS_INLINE __m256i split_scales(__m128i bytes)
{
    const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm256_cvtepi8_epi16(_mm_shuffle_epi8(bytes, order));
}

/* The 2 bits of chunk j: each 32 bytes hold four chunks. */
static ALWAYS_INLINE __m256i bit_pairs(const uint8_t *p, int j)
{
    __m256i bytes = load_256(p + j / 4 * 32);
    return _mm256_and_si256(_mm256_srli_epi16(bytes, j % 4 * 2), _mm256_set1_epi8(3));
}

/* Bit j of 32 bytes, moved to bit `to`. */
static ALWAYS_INLINE __m256i bit_plane(const uint8_t *p, int j, int to)
{
    __m256i bytes = load_256(p);
    bytes = j < to ? _mm256_slli_epi16(bytes, to - j) : _mm256_srli_epi16(bytes, j - to);
    return _mm256_and_si256(bytes, _mm256_set1_epi8((char)(1 << to)));
}

/* The nibbles of chunk j: each 32 bytes hold two chunks. */
static ALWAYS_INLINE __m256i nibble_pairs(const uint8_t *p, int j)
{
    __m256i bytes = load_256(p + j / 2 * 32);
    return _mm256_and_si256(_mm256_srli_epi16(bytes, j % 2 * 4), _mm256_set1_epi8(15));
}

static ALWAYS_INLINE super_head q2_k_head(const uint8_t *block)
{
    super_head head;
    __m128i packed = load_128(block + offsetof(smg_block_q2_k, scales));
    __m128i low = _mm_set1_epi8(15);
    head.d = load_half(block + offsetof(smg_block_q2_k, d));
    head.dmin = load_half(block + offsetof(smg_block_q2_k, dmin));
    head.scales = split_scales(_mm_and_si128(packed, low));
    head.mins = _mm256_cvtepi8_epi16(_mm_and_si128(_mm_srli_epi16(packed, 4), low));
    return head;
}

static ALWAYS_INLINE __m256i q2_k_chunk(const uint8_t *block, int j)
{
    return bit_pairs(block + offsetof(smg_block_q2_k, qs), j);
}

/* Scales of six bits less 32: low nibbles in the first 8 bytes, bit pairs in the last 4. */
static ALWAYS_INLINE super_head q3_k_head(const uint8_t *block)
{
    super_head head;
    const uint8_t *scales = block + offsetof(smg_block_q3_k, scales);
    __m128i low = load_64(scales);
    low = _mm_and_si128(_mm_unpacklo_epi64(low, _mm_srli_epi16(low, 4)), _mm_set1_epi8(15));
    __m128i high = _mm_srlv_epi32(_mm_set1_epi32((int)load_u32(scales + 8)), _mm_setr_epi32(0, 2, 4, 6));
    high = _mm_slli_epi16(_mm_and_si128(high, _mm_set1_epi8(3)), 4);
    __m128i bytes = _mm_sub_epi8(_mm_or_si128(low, high), _mm_set1_epi8(32));
    head.d = load_half(block + offsetof(smg_block_q3_k, d));
    head.dmin = 0;
    head.scales = split_scales(bytes);
    head.mins = _mm256_slli_epi16(_mm256_cvtepi8_epi16(bytes), 2);
    return head;
}

static ALWAYS_INLINE __m256i q3_k_chunk(const uint8_t *block, int j)
{
    return _mm256_or_si256(bit_pairs(block + offsetof(smg_block_q3_k, qs), j),
                           bit_plane(block + offsetof(smg_block_q3_k, hmask), j, 2));
}

/* Q4_K and Q5_K begin alike. Eight scales and eight minimums of six bits: the first four of each are the low
 * bits of bytes 0-3 and 4-7; the last four are nibbles of bytes 8-11 and the first ones' spare upper bits. */
static ALWAYS_INLINE super_head q4_k_head(const uint8_t *block)
{
    super_head head;
    const uint8_t *packed = block + offsetof(smg_block_q4_k, scales);
    uint32_t a = load_u32(packed), b = load_u32(packed + 4), c = load_u32(packed + 8);
    uint64_t scales = (a & 0x3f3f3f3f) | (uint64_t)((c & 0x0f0f0f0f) | (a >> 2 & 0x30303030)) << 32;
    uint64_t mins = (b & 0x3f3f3f3f) | (uint64_t)((c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)) << 32;
    __m128i min_bytes = _mm_cvtsi64_si128((long long)mins);
    head.d = load_half(block + offsetof(smg_block_q4_k, d));
    head.dmin = load_half(block + offsetof(smg_block_q4_k, dmin));
    head.scales = _mm256_broadcastsi128_si256(_mm_cvtepu8_epi16(_mm_cvtsi64_si128((long long)scales)));
    head.mins = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(min_bytes, min_bytes));
    return head;
}

static ALWAYS_INLINE __m256i q4_k_chunk(const uint8_t *block, int j)
{
    return nibble_pairs(block + offsetof(smg_block_q4_k, qs), j);
}

static ALWAYS_INLINE __m256i q5_k_chunk(const uint8_t *block, int j)
{
    return _mm256_or_si256(nibble_pairs(block + offsetof(smg_block_q5_k, qs), j),
                           bit_plane(block + offsetof(smg_block_q5_k, qh), j, 4));
}

static ALWAYS_INLINE super_head q6_k_head(const uint8_t *block)
{
    super_head head;
    __m128i bytes = load_128(block + offsetof(smg_block_q6_k, scales));
    head.d = load_half(block + offsetof(smg_block_q6_k, d));
    head.dmin = 0;
    head.scales = split_scales(bytes);
    head.mins = _mm256_slli_epi16(_mm256_cvtepi8_epi16(bytes), 5);
    return head;
}

/* Each 64 bytes of ql hold four chunks: the low nibbles of two, then the high nibbles of two. */
static ALWAYS_INLINE __m256i q6_k_chunk(const uint8_t *block, int j)
{
    __m256i low = load_256(block + offsetof(smg_block_q6_k, ql) + j / 4 * 64 + j % 2 * 32);
    low = _mm256_and_si256(_mm256_srli_epi16(low, j % 4 / 2 * 4), _mm256_set1_epi8(15));
    __m256i high = bit_pairs(block + offsetof(smg_block_q6_k, qh), j);
    return _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
}

static ALWAYS_INLINE super_head iq4_xs_head(const uint8_t *block)
{
    super_head head;
    __m256i low = _mm256_set1_epi32((int)load_u32(block + offsetof(smg_block_iq4_xs, scales_l)));
    __m256i high = _mm256_set1_epi32(load_u16(block + offsetof(smg_block_iq4_xs, scales_h)));
    low = _mm256_and_si256(_mm256_srlv_epi32(low, _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28)),
                           _mm256_set1_epi32(15));
    high = _mm256_and_si256(_mm256_srlv_epi32(high, _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14)),
                            _mm256_set1_epi32(3));
    __m256i scales =
        _mm256_sub_epi32(_mm256_or_si256(low, _mm256_slli_epi32(high, 4)), _mm256_set1_epi32(32));
    __m128i narrow = _mm_packs_epi32(_mm256_castsi256_si128(scales), _mm256_extracti128_si256(scales, 1));
    head.d = load_half(block + offsetof(smg_block_iq4_xs, d));
    head.dmin = 0;
    head.scales = _mm256_broadcastsi128_si256(narrow);
    head.mins = _mm256_setzero_si256();
    return head;
}

static ALWAYS_INLINE __m256i iq4_xs_chunk(const uint8_t *block, int j)
{
    return iq4_levels(unpack_nibbles(block + offsetof(smg_block_iq4_xs, qs) + 16 * j));
}

#endif
