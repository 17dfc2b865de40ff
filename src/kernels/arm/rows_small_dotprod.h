/* One token against rows of Q4_0, Q5_0 or Q8_0, as the file stores them. Rows lie in the lanes: two rows share a
 * register, eight bytes each, so that a block's products of four rows end in four lanes after a single pairwise
 * addition. It is written in assembly because what counts here is that each row's pointer moves with its loads and
 * that structure loads need no copies; compilers manage neither. */
#ifndef SMG_KERNELS_ARM_ROWS_SMALL_DOTPROD_H
#define SMG_KERNELS_ARM_ROWS_SMALL_DOTPROD_H

#include "format/blocks.h"
#include "kernels/arm/common_arm.h"

/* Sums of Q4_0 start from the bits of the float 1.5 * 2^23: read as a float they are that plus the sum, exactly, as
 * long as the sum is below 2^22, and one subtraction makes the conversion. */
#define MAGIC_BITS 0x4b400000
#define MAGIC 12582912.0F

/* What a block of activations gives to all rows: its eights of bytes, each twice, and its scale. */
typedef struct act_block {
    int8x16_t x[4];
    float d;
} act_block;

static ALWAYS_INLINE act_block next_act_block(const uint8_t **x)
{
    register int8x16_t first __asm__("v24");
    register int8x16_t second __asm__("v25");
    register int8x16_t third __asm__("v26");
    register int8x16_t fourth __asm__("v27");
    const float d = load_half(*x);
    const uint8_t *qs = *x + offsetof(smg_block_q8_0, qs);
    __asm__("ld4r {v24.2d, v25.2d, v26.2d, v27.2d}, [%4], #32"
            : "=w"(first), "=w"(second), "=w"(third), "=w"(fourth), "+r"(qs)
            :
            : "memory");
    *x = qs;
    return (act_block){{first, second, third, fourth}, d};
}

/* The scales of four rows, which stand at their pointers. */
static ALWAYS_INLINE float32x4_t next_scales(const uint8_t **w)
{
    float16x4_t halves;
    __asm__("ldr %h0, [%1], #2\n\t"
            "ld1 {%0.h}[1], [%2], #2\n\t"
            "ld1 {%0.h}[2], [%3], #2\n\t"
            "ld1 {%0.h}[3], [%4], #2"
            : "=&w"(halves), "+r"(w[0]), "+r"(w[1]), "+r"(w[2]), "+r"(w[3])
            :
            : "memory");
    return vcvt_f32_f16(halves);
}

/* A block of two rows: their sums in two lanes each, starting from `*start`. */
static ALWAYS_INLINE int32x4_t next_q4_0(const uint8_t **w, const act_block *act, const int64_t *start)
{
    int32x4_t sum;
    __asm__("ldr %q0, [%3]\n\t"
            "ldp d16, d17, [%1], #16\n\t"
            "ld2 {v16.d, v17.d}[1], [%2], #16\n\t"
            "and v18.16b, v16.16b, %8.16b\n\t"
            "and v19.16b, v17.16b, %8.16b\n\t"
            "ushr v16.16b, v16.16b, #4\n\t"
            "ushr v17.16b, v17.16b, #4\n\t"
            "sdot %0.4s, v18.16b, %4.16b\n\t"
            "sdot %0.4s, v19.16b, %5.16b\n\t"
            "sdot %0.4s, v16.16b, %6.16b\n\t"
            "sdot %0.4s, v17.16b, %7.16b"
            : "=&w"(sum), "+r"(w[0]), "+r"(w[1])
            : "r"(start), "w"(act->x[0]), "w"(act->x[1]), "w"(act->x[2]), "w"(act->x[3]), "w"(vdupq_n_u8(15))
            : "memory", "v16", "v17", "v18", "v19");
    return sum;
}

static ALWAYS_INLINE int32x4_t next_q8_0(const uint8_t **w, const act_block *act)
{
    int32x4_t sum;
    __asm__("movi %0.4s, #0\n\t"
            "ld4r {v16.2d, v17.2d, v18.2d, v19.2d}, [%1], #32\n\t"
            "ld4 {v16.d, v17.d, v18.d, v19.d}[1], [%2], #32\n\t"
            "sdot %0.4s, v16.16b, %3.16b\n\t"
            "sdot %0.4s, v17.16b, %4.16b\n\t"
            "sdot %0.4s, v18.16b, %5.16b\n\t"
            "sdot %0.4s, v19.16b, %6.16b"
            : "=&w"(sum), "+r"(w[0]), "+r"(w[1])
            : "w"(act->x[0]), "w"(act->x[1]), "w"(act->x[2]), "w"(act->x[3])
            : "memory", "v16", "v17", "v18", "v19");
    return sum;
}

/* The scales of four rows, and their fifth bits, inverted: a bit that is not set makes four ones above its nibble, which
 * take 16. Two rows are in each register: eight bytes that begin with scale and bits. */
static ALWAYS_INLINE float32x4_t next_q5_0_heads(const uint8_t **w, uint8x16_t *ret_bits)
{
    const uint8x8_t scale_places = vcreate_u8(0x1918111009080100);
    const int64_t step = offsetof(smg_block_q5_0, qs);
    uint8x8_t halves;
    __asm__("ldr d16, [%3], #6\n\t"
            "ldr d17, [%5], #6\n\t"
            "ld1 {v16.d}[1], [%4], %8\n\t"
            "ld1 {v17.d}[1], [%6], %8\n\t"
            "tbl %0.8b, {v16.16b, v17.16b}, %7.8b\n\t"
            "mvn %1.16b, v16.16b\n\t"
            "mvn %2.16b, v17.16b"
            : "=&w"(halves), "=&w"(ret_bits[0]), "=&w"(ret_bits[1]), "+r"(w[0]), "+r"(w[1]), "+r"(w[2]),
              "+r"(w[3])
            : "w"(scale_places), "r"(step)
            : "memory", "v16", "v17");
    return vcvt_f32_f16(vreinterpret_f16_u8(halves));
}

/* `fifth`: bytes 2 to 5 are those of the first row, 10 to 13 of the second. */
static ALWAYS_INLINE int32x4_t next_q5_0(const uint8_t **w, const act_block *act, uint8x16_t fifth,
                                         const uint8x16_t *places)
{
    int32x4_t sum;
    __asm__("movi %0.4s, #0\n\t"
            "ldp d16, d17, [%1], #16\n\t"
            "ld2 {v16.d, v17.d}[1], [%2], #16\n\t"
            "tbl v18.16b, {%7.16b}, %8.16b\n\t"
            "tbl v19.16b, {%7.16b}, %9.16b\n\t"
            "tbl v20.16b, {%7.16b}, %10.16b\n\t"
            "tbl v21.16b, {%7.16b}, %11.16b\n\t"
            "cmtst v18.16b, v18.16b, %12.16b\n\t"
            "cmtst v19.16b, v19.16b, %12.16b\n\t"
            "cmtst v20.16b, v20.16b, %12.16b\n\t"
            "cmtst v21.16b, v21.16b, %12.16b\n\t"
            "bit v18.16b, v16.16b, %13.16b\n\t"
            "bit v19.16b, v17.16b, %13.16b\n\t"
            "sri v20.16b, v16.16b, #4\n\t"
            "sri v21.16b, v17.16b, #4\n\t"
            "sdot %0.4s, v18.16b, %3.16b\n\t"
            "sdot %0.4s, v19.16b, %4.16b\n\t"
            "sdot %0.4s, v20.16b, %5.16b\n\t"
            "sdot %0.4s, v21.16b, %6.16b"
            : "=&w"(sum), "+r"(w[0]), "+r"(w[1])
            : "w"(act->x[0]), "w"(act->x[1]), "w"(act->x[2]), "w"(act->x[3]), "w"(fifth), "w"(places[0]),
              "w"(places[1]), "w"(places[2]), "w"(places[3]),
              "w"(vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201))), "w"(vdupq_n_u8(15))
            : "memory", "v16", "v17", "v18", "v19", "v20", "v21");
    return sum;
}

#endif
