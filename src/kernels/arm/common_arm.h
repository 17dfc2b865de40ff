/* What all ARM kernels share. Armv8-A is enough. */
#ifndef SMG_KERNELS_ARM_COMMON_H
#define SMG_KERNELS_ARM_COMMON_H

#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "this file is compiled for aarch64 with Advanced SIMD"
#endif

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/tile.h"

static ALWAYS_INLINE uint16_t load_u16(const uint8_t *p)
{
    uint16_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static ALWAYS_INLINE uint32_t load_u32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static ALWAYS_INLINE float load_f32(const uint8_t *p)
{
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

static ALWAYS_INLINE float load_half(const uint8_t *p)
{
    _Float16 value;
    memcpy(&value, p, sizeof value);
    return (float)value;
}

static ALWAYS_INLINE int8x16_t load_i8(const uint8_t *p)
{
    return vreinterpretq_s8_u8(vld1q_u8(p));
}

/* 32 bytes, in one instruction: GCC moves two loads apart and then finds that they are no pair. */
typedef struct byte_pair {
    int8x16_t first, second;
} byte_pair;

/* For its address alone: of types that go with a pair's addresses, the one whose every address the assembler is given can be printed. */
typedef __int128 __attribute__((may_alias, aligned(1))) pair_place;

static ALWAYS_INLINE byte_pair load_byte_pair(const void *p)
{
    byte_pair pair;
#if defined(__clang__)
    pair.first = vld1q_s8(p);
    pair.second = vld1q_s8((const int8_t *)p + 16);
#else
    __asm__("ldp %q0, %q1, %2" : "=w"(pair.first), "=w"(pair.second) : "Ump"(*(const pair_place *)p));
#endif
    return pair;
}

/* Both are computed here and now: left alone, GCC begins unrolled steps all at once and then has too few registers. */
#define SETTLE(a, b) __asm__ volatile("" : "+w"(a), "+w"(b))

/* 32 quants: 16 in each half. */
typedef struct quants {
    int8x16_t a, b;
} quants;

/* 16 bytes of nibbles, low nibbles first. */
static ALWAYS_INLINE quants unpack_nibbles(const uint8_t *p)
{
    uint8x16_t packed = vld1q_u8(p);
    quants q = {vreinterpretq_s8_u8(vandq_u8(packed, vdupq_n_u8(15))),
                vreinterpretq_s8_u8(vshrq_n_u8(packed, 4))};
    return q;
}

static ALWAYS_INLINE quants subtract(quants q, int8_t by)
{
    q.a = vsubq_s8(q.a, vdupq_n_s8(by));
    q.b = vsubq_s8(q.b, vdupq_n_s8(by));
    return q;
}

static ALWAYS_INLINE int8x16_t iq4_level(int8x16_t nibbles)
{
    static const int8_t values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};
    return vqtbl1q_s8(vld1q_s8(values), vreinterpretq_u8_s8(nibbles));
}

static ALWAYS_INLINE quants iq4_levels(quants nibbles)
{
    return (quants){iq4_level(nibbles.a), iq4_level(nibbles.b)};
}

#endif
