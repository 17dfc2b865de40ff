/* Quantized activations, cache cells and rounded floats equal the reference's byte for byte. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernel_check.h"
#include "kernels/half.h"

enum { CASES = 12 };

/* Numbers that rounding, scaling and comparing go wrong on. */
static void fill_case(uint64_t *random, int which, float *x, int64_t n)
{
    static const float odd[] = {0.0F,     -0.0F,    1e-45F,   -1e-40F, 1e-36F,  3.7e-37F, FLT_MIN, FLT_MAX,
                                -FLT_MAX, 65504.0F, 65520.0F, 1.0F,    5.9e-8F, 6.1e-5F,  -1e-7F};
    const float scale = ldexpf(1.0F, (int)(random_bits(random) % 52) - 30);
    for (int64_t i = 0; i < n; i++) {
        switch (which) {
        case 0: /* ties: halves of the step, with 127 as the largest */
            x[i] = i % 32 == 5 ? 127.0F : (float)(random_bits(random) % 254) / 2 - 63.0F;
            break;
        case 1:
            x[i] = 0;
            break;
        case 2: /* the same magnitude with both signs */
            x[i] = random_bits(random) % 2 ? scale : -scale;
            break;
        case 3:
            x[i] = odd[random_bits(random) % (sizeof odd / sizeof *odd)];
            break;
        case 4:
            x[i] = random_float(random) * 1e-37F;
            break;
        default:
            x[i] = random_float(random) * scale;
        }
    }
    if (which == 5)
        x[random_bits(random) % (uint64_t)n] = NAN;
    if (which == 6)
        x[random_bits(random) % (uint64_t)n] = -INFINITY;
}

/* What the reference itself must keep: half a step, and a little for the scale's own rounding. */
static void check_steps(check *c, smg_act act, const float *x, const uint8_t *row, int64_t k)
{
    const int64_t elements = act == SMG_ACT_Q8_K ? SMG_QK_K : SMG_QK;
    for (int64_t i = 0; i < k; i++) {
        float d;
        memcpy(&d, row + smg_act_scales(k) + (size_t)(i / elements) * sizeof d, sizeof d);
        const double value = (double)d * (int8_t)row[i];
        if (!(fabs(value - x[i]) <= fabs(d) * 0.5001 + fabs(value) * 0x1p-11 + 4e-6))
            check_fail(c, "k %d: %.9g became %.9g", (int)k, (double)x[i], value);
    }
}

void check_quantize(check *c, smg_act act)
{
    const int64_t elements = act == SMG_ACT_Q8_K ? SMG_QK_K : SMG_QK;
    for (int64_t blocks = 1; blocks <= 9; blocks++) {
        for (int which = 0; which < CASES; which++) {
            const int64_t k = blocks * elements;
            const size_t bytes = smg_act_row_bytes(act, k);
            float *x = guarded_new((size_t)k * sizeof *x);
            uint8_t *expected = guarded_new(bytes), *got = guarded_new(bytes);
            fill_case(&c->random, which, x, k);
            c->reference->quantize[act](x, expected, k);
            c->table->quantize[act](x, got, k);
            if (memcmp(expected, got, bytes) != 0)
                check_fail(c, "k %d, case %d: bytes differ from the reference's", (int)k, which);
            if (which > 6)
                check_steps(c, act, x, got, k);
            guarded_free_all();
        }
    }
}

void check_kv_store(check *c, smg_kv kv)
{
    for (int64_t n = kv == SMG_KV_Q8_0 ? 32 : 1; n <= 288; n += kv == SMG_KV_Q8_0 ? 32 : 7) {
        for (int which = 0; which < CASES; which++) {
            const size_t bytes = smg_kv_bytes(kv, n);
            float *x = guarded_new((size_t)n * sizeof *x);
            uint8_t *expected = guarded_new(bytes), *got = guarded_new(bytes + 1);
            fill_case(&c->random, which, x, n);
            c->reference->kv_store[kv](x, expected, n);
            got[bytes] = 0x5a;
            c->table->kv_store[kv](x, got, n);
            if (memcmp(expected, got, bytes) != 0 || got[bytes] != 0x5a)
                check_fail(c, "n %d, case %d: bytes differ from the reference's", (int)n, which);
            guarded_free_all();
        }
    }
}

void check_round_f16(check *c)
{
    for (int64_t n = 1; n <= 288; n += 7) {
        for (int which = 0; which < CASES; which++) {
            const size_t bytes = (size_t)n * sizeof(float);
            float *expected = guarded_new(bytes), *got = guarded_new(bytes);
            fill_case(&c->random, which, expected, n);
            memcpy(got, expected, bytes);
            c->reference->round_f16(expected, n);
            c->table->round_f16(got, n);
            for (int64_t i = 0; i < n; i++) {
                if (memcmp(&expected[i], &got[i], sizeof *got) != 0 && !(isnan(expected[i]) && isnan(got[i])))
                    check_fail(c, "n %d, case %d: %.9g, expected %.9g", (int)n, which, (double)got[i],
                               (double)expected[i]);
            }
            guarded_free_all();
        }
    }
}

void check_dequantize(check *c, smg_type type)
{
    const int64_t block = smg_type_describe(type)->block_elements;
    for (int64_t n = block; n <= 3 * block + (block == 1 ? 30 : 0); n += block)
        for (int kind = 0; kind < DATA_KINDS; kind++) {
            const size_t bytes = (size_t)smg_type_row_bytes(type, (uint64_t)n),
                         size = (size_t)n * sizeof(float);
            uint8_t *row = guarded_new(bytes);
            float *got = guarded_new(size), *expected = guarded_new(size);
            fill_weights(&c->random, type, (data_kind)kind, row, n);
            c->table->dequantize[type](row, n, got);
            c->reference->dequantize[type](row, n, expected);
            if (memcmp(got, expected, size) != 0)
                check_fail(c, "n %d: floats differ", (int)n);
            guarded_free_all();
        }
}
