/* binary16 and bfloat16 to float and back, in portable C with one result everywhere. */
#ifndef SMG_KERNELS_HALF_H
#define SMG_KERNELS_HALF_H

#include <stdint.h>
#include <string.h>

static inline float smg_float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t smg_float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#if defined(__aarch64__) || defined(__F16C__)

static inline float smg_half_to_float(uint16_t half)
{
    _Float16 value;
    memcpy(&value, &half, sizeof value);
    return (float)value;
}

static inline uint16_t smg_half_from_float(float value)
{
    _Float16 half = (_Float16)value;
    uint16_t bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}

#else

static inline float smg_half_to_float(uint16_t half)
{
    /* Shift exponent and mantissa into place; scale by 2^112 to move the bias, which also makes subnormals
     * right; infinities and NaNs keep their own exponent. */
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
    if (magnitude >= 0x0f800000)
        return smg_float_from_bits(sign | 0x70000000 | magnitude);
    return smg_float_from_bits(sign | smg_float_bits(smg_float_from_bits(magnitude) * 0x1p112F));
}

static inline uint16_t smg_half_from_float(float value)
{
    uint32_t bits = smg_float_bits(value);
    uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | ((bits >> 13) & 0x1ff));
    if (bits >= 0x477ff000)
        return (uint16_t)(sign | 0x7c00);
    if (bits < 0x38800000) { /* subnormal: let the adder round at the right bit */
        float shifted = smg_float_from_bits(bits) + 0.5F;
        return (uint16_t)(sign | (smg_float_bits(shifted) - 0x3f000000));
    }
    bits += 0xc8000fff + ((bits >> 13) & 1);
    return (uint16_t)(sign | (bits >> 13));
}

#endif

/* What binary16 keeps of it. */
static inline float smg_round_half(float value)
{
    return smg_half_to_float(smg_half_from_float(value));
}

static inline float smg_bf16_to_float(uint16_t bits)
{
    return smg_float_from_bits((uint32_t)bits << 16);
}

/* To nearest even; a NaN stays one. */
static inline uint16_t smg_bf16_from_float(float value)
{
    const uint32_t bits = smg_float_bits(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
