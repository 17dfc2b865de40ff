/* Blocks of 32 in their file's layout, as 32 bytes in the order of the elements. */
#ifndef SMG_KERNELS_X86_SMALL_UNPACK_H
#define SMG_KERNELS_X86_SMALL_UNPACK_H

#include "format/blocks.h"
#include "kernels/x86/common_x86.h"

typedef __m256i (*small_unpack_fn)(const uint8_t *block);

/* How the weights' integers come: as they are; or unsigned, where the zero point (8 or 16) times the sum of
 * the activations is taken off once for all rows; or unsigned with a minimum, that m and s account for. */
typedef enum small_kind {
    SMALL_SIGNED = 0,
    SMALL_CENTER_8 = 8,
    SMALL_CENTER_16 = 16,
    SMALL_MIN = -1
} small_kind;

static ALWAYS_INLINE __m256i small_q4_0(const uint8_t *block)
{
    return unpack_nibbles(block + offsetof(smg_block_q4_0, qs));
}

static ALWAYS_INLINE __m256i small_q4_1(const uint8_t *block)
{
    return unpack_nibbles(block + offsetof(smg_block_q4_1, qs));
}

static ALWAYS_INLINE __m256i small_iq4_nl(const uint8_t *block)
{
    return iq4_levels(unpack_nibbles(block + offsetof(smg_block_iq4_nl, qs)));
}

/* 32 bits to 32 bytes: 0xff where the bit is set. */
static ALWAYS_INLINE __m256i spread_bits(const uint8_t *p)
{
    const __m256i byte_of =
        _mm256_setr_epi64x(0x0000000000000000, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit_of = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)load_u32(p)), byte_of);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit_of), bit_of);
}

static ALWAYS_INLINE __m256i fifth_bits(__m256i nibbles, const uint8_t *qh)
{
    return _mm256_or_si256(nibbles, _mm256_and_si256(spread_bits(qh), _mm256_set1_epi8(16)));
}

static ALWAYS_INLINE __m256i small_q5_0(const uint8_t *block)
{
    return fifth_bits(unpack_nibbles(block + offsetof(smg_block_q5_0, qs)),
                      block + offsetof(smg_block_q5_0, qh));
}

static ALWAYS_INLINE __m256i small_q5_1(const uint8_t *block)
{
    return fifth_bits(unpack_nibbles(block + offsetof(smg_block_q5_1, qs)),
                      block + offsetof(smg_block_q5_1, qh));
}

static ALWAYS_INLINE __m256i small_q8_0(const uint8_t *block)
{
    return load_256(block + offsetof(smg_block_q8_0, qs));
}

#endif
