/* Products: against the reference within the rounding of k sums, the reference against double, and every
 * grouping of rows and tokens against one row and one token, bit for bit. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_check.h"
#include "kernels/half.h"
#include "kernels/unpack.h"
#include "quant/dequantize.h"

enum { SIDE = 9, OUT_STRIDE = SIDE + 3 };

typedef struct problem {
    smg_type type;
    smg_act act;
    int64_t k;
    uint8_t *w, *x;
    size_t w_stride, x_stride, w_bytes, x_bytes;
} problem;

/* Rows an odd number of bytes apart, so that they have every alignment; none after the last. */
static void make_problem(check *c, smg_type type, int64_t k, data_kind kind, problem *p)
{
    p->type = type;
    p->act = smg_act_for(type);
    p->k = k;
    p->w_bytes = smg_type_row_bytes(type, (uint64_t)k);
    p->x_bytes = smg_act_row_bytes(p->act, k);
    p->w_stride = (p->w_bytes + 5) | 1;
    p->x_stride = (p->x_bytes + 5) | 1;
    p->w = guarded_new((SIDE - 1) * p->w_stride + p->w_bytes);
    p->x = guarded_new((SIDE - 1) * p->x_stride + p->x_bytes);
    float *floats = guarded_new((size_t)k * sizeof *floats);
    uint8_t *row = guarded_new(p->x_bytes);
    for (int i = 0; i < SIDE; i++) {
        fill_weights(&c->random, type, kind, p->w + (size_t)i * p->w_stride, k);
        fill_floats(&c->random, kind, floats, k);
        if (p->act == SMG_ACT_F32)
            memcpy(row, floats, p->x_bytes);
        else
            c->reference->quantize[p->act](floats, row, k);
        memcpy(p->x + (size_t)i * p->x_stride, row, p->x_bytes);
    }
}

/* ---- What the answer is, and how large its terms are ---- */

/* Activation `i` of a row as the integer kernels see it. */
static double act_value(const problem *p, const uint8_t *row, int64_t i)
{
    float value;
    if (p->act == SMG_ACT_F32) {
        memcpy(&value, row + 4 * i, sizeof value);
        return value;
    }
    const int64_t block = i / (p->act == SMG_ACT_Q8_K ? SMG_QK_K : SMG_QK);
    memcpy(&value, row + smg_act_scales(p->k) + 4 * block, sizeof value);
    return (double)value * (int8_t)row[i];
}

/* The largest terms that a kernel may meet at element i: |scale q| as the file's unsigned q, and |min|. */
typedef struct weight_size {
    double scaled, min;
} weight_size;

static void weight_sizes(const problem *p, const uint8_t *w, const float *weights, weight_size *sizes)
{
    const smg_type_info *info = smg_type_describe(p->type);
    smg_small_block small;
    smg_super_block super;
    for (int64_t i = 0; i < p->k; i++) {
        const int64_t at = i % info->block_elements;
        const uint8_t *block = w + (size_t)(i / info->block_elements) * info->block_bytes;
        if (info->block_elements == 1) {
            sizes[i] = (weight_size){fabs(weights[i]), 0};
        } else if (info->block_elements == SMG_QK) {
            if (at == 0)
                smg_unpack_small(p->type, block, &small);
            sizes[i] = (weight_size){fabs(small.d) * abs(small.q[at]), fabs(small.m)};
        } else {
            if (at == 0)
                smg_unpack_super(p->type, block, &super);
            const double zero = p->type == SMG_TYPE_Q6_K ? 64 : p->type == SMG_TYPE_Q3_K ? 8 : 0;
            sizes[i] = (weight_size){fabs(super.d) * abs(super.scales[at / 16]) * (abs(super.q[at]) + zero),
                                     fabs(super.dmin) * super.mins[at / 16]};
        }
    }
}

typedef struct answer {
    double value, scaled, min; /* the sum, and the sums of its terms' magnitudes */
} answer;

static void make_answers(const problem *p, answer (*answers)[SIDE])
{
    float *weights = malloc((size_t)p->k * sizeof *weights);
    double *acts = malloc((size_t)p->k * SIDE * sizeof *acts);
    weight_size *sizes = malloc((size_t)p->k * sizeof *sizes);
    for (int t = 0; t < SIDE; t++)
        for (int64_t i = 0; i < p->k; i++)
            acts[t * p->k + i] = act_value(p, p->x + (size_t)t * p->x_stride, i);
    for (int r = 0; r < SIDE; r++) {
        const uint8_t *w = p->w + (size_t)r * p->w_stride;
        smg_dequantize_row(p->type, w, weights, p->k);
        weight_sizes(p, w, weights, sizes);
        for (int t = 0; t < SIDE; t++) {
            answer *a = &answers[t][r];
            *a = (answer){0};
            for (int64_t i = 0; i < p->k; i++) {
                const double x = acts[t * p->k + i];
                a->value += weights[i] * x;
                a->scaled += sizes[i].scaled * fabs(x);
                a->min += sizes[i].min * fabs(x);
            }
        }
    }
    free(weights);
    free(acts);
    free(sizes);
}

/* ---- Checks ---- */

/* Calls with `rows` x `tokens` from a corner, into an output whose gaps must stay as they are. */
static void call(check *c, smg_matmul_fn matmul, const problem *p, int r0, int t0, int rows, int tokens,
                 float *out)
{
    const size_t size = ((size_t)(tokens - 1) * OUT_STRIDE + (size_t)rows) * sizeof *out;
    memset(out, 0xff, SIDE * OUT_STRIDE * sizeof *out);
    matmul(p->k, rows, p->w + (size_t)r0 * p->w_stride, p->w_stride, tokens, p->x + (size_t)t0 * p->x_stride,
           p->x_stride, out, OUT_STRIDE);
    for (size_t i = 0; i < SIDE * OUT_STRIDE; i++) {
        const bool gap = i % OUT_STRIDE >= (size_t)rows || i >= size / sizeof *out;
        if (gap && smg_float_bits(out[i]) != UINT32_MAX)
            check_fail(c, "k %d, %dx%d writes outside its output", (int)p->k, rows, tokens);
    }
}

/* Each of a corner's outputs equals the one that was computed alone. */
static void check_grouping(check *c, const problem *p, const float (*alone)[SIDE], int r0, int t0, int rows,
                           int tokens)
{
    float out[SIDE * OUT_STRIDE];
    call(c, c->table->matmul[p->type], p, r0, t0, rows, tokens, out);
    for (int t = 0; t < tokens; t++)
        for (int r = 0; r < rows; r++)
            if (memcmp(&out[t * OUT_STRIDE + r], &alone[t0 + t][r0 + r], sizeof(float)) != 0) {
                check_fail(c, "k %d: output [%d][%d] of %dx%d at %d,%d is %a, alone %a", (int)p->k, t, r,
                           rows, tokens, r0, t0, (double)out[t * OUT_STRIDE + r],
                           (double)alone[t0 + t][r0 + r]);
                return;
            }
}

static void check_values(check *c, const problem *p, const float (*alone)[SIDE])
{
    const bool is_reference = c->table->matmul[p->type] == c->reference->matmul[p->type];
    answer answers[SIDE][SIDE];
    make_answers(p, answers);
    /* rounding to float once per step of a lane, at most k / 8 steps, and a few more to join lanes */
    const int64_t per_step = p->act == SMG_ACT_F32 ? 8 : SMG_QK;
    const double steps = (double)(p->k / per_step) + 10;
    for (int t = 0; t < SIDE; t++) {
        for (int r = 0; r < SIDE; r++) {
            const answer *a = &answers[t][r];
            float out[SIDE * OUT_STRIDE];
            double bound, expected = a->value;
            if (is_reference) {
                /* dequantizing rounds twice; the sum in Q8_1 is a half made from an unrounded scale */
                bound = (a->scaled + a->min) * 0x1p-22 + (p->act == SMG_ACT_Q8_1 ? a->min * 0x1p-10 : 0);
            } else {
                call(c, c->reference->matmul[p->type], p, r, t, 1, 1, out);
                expected = out[0];
                bound = (a->scaled + a->min) * steps * 0x1p-24;
            }
            if (!check_near(c, alone[t][r], expected, bound))
                check_fail(c, "k %d: %.9g, expected %.9g within %.2g", (int)p->k, (double)alone[t][r],
                           expected, bound);
        }
    }
}

static void check_problem(check *c, const problem *p)
{
    float alone[SIDE][SIDE], out[SIDE * OUT_STRIDE];
    for (int t = 0; t < SIDE; t++)
        for (int r = 0; r < SIDE; r++) {
            call(c, c->table->matmul[p->type], p, r, t, 1, 1, out);
            alone[t][r] = out[0];
        }
    check_values(c, p, (const float(*)[SIDE])alone);
    /* the reference has no tiles: a few groupings will do for it */
    const int stride = c->table->matmul[p->type] == c->reference->matmul[p->type] ? 4 : 1;
    for (int rows = 1; rows <= SIDE; rows += stride)
        for (int tokens = 1; tokens <= SIDE; tokens += stride) {
            check_grouping(c, p, (const float(*)[SIDE])alone, 0, 0, rows, tokens);
            int r0 = (int)(random_bits(&c->random) % (uint64_t)(SIDE - rows + 1));
            int t0 = (int)(random_bits(&c->random) % (uint64_t)(SIDE - tokens + 1));
            check_grouping(c, p, (const float(*)[SIDE])alone, r0, t0, rows, tokens);
        }
}

/* A NaN or an infinity among the activations reaches every output of its token, and no other token. */
static void check_nan(check *c, smg_type type, int64_t k)
{
    problem p;
    float out[SIDE * OUT_STRIDE];
    make_problem(c, type, k, DATA_RANDOM, &p);
    float *floats = guarded_new((size_t)k * sizeof *floats);
    uint8_t *row = guarded_new(p.x_bytes);
    fill_floats(&c->random, DATA_RANDOM, floats, k);
    floats[k - 1] = random_bits(&c->random) % 2 || p.act == SMG_ACT_F32 ? NAN : -INFINITY;
    if (p.act == SMG_ACT_F32)
        memcpy(row, floats, p.x_bytes);
    else
        c->table->quantize[p.act](floats, row, k);
    memcpy(p.x + p.x_stride, row, p.x_bytes);
    call(c, c->table->matmul[type], &p, 0, 0, 5, 5, out);
    for (int t = 0; t < 5; t++)
        for (int r = 0; r < 5; r++)
            if (!isnan(out[t * OUT_STRIDE + r]) == (t == 1))
                check_fail(c, "k %d: a NaN in token 1 gives %g in token %d", (int)k,
                           (double)out[t * OUT_STRIDE + r], t);
}

/* More rows and tokens than kernels take together, and rows longer than they unpack at a time: each output equals the one
 * that was computed alone. */
static void check_large(check *c, smg_type type)
{
    enum { ROWS = 35, TOKENS = 70 };
    const int64_t elements = smg_type_describe(type)->block_elements;
    const int64_t k = elements == SMG_QK_K ? 1280 : 1056;
    const smg_act act = smg_act_for(type);
    const smg_matmul_fn matmul = c->table->matmul[type];
    const size_t w_stride = smg_type_row_bytes(type, (uint64_t)k), x_stride = smg_act_row_bytes(act, k);
    uint8_t *w = guarded_new(ROWS * w_stride), *x = guarded_new(TOKENS * x_stride);
    float *floats = guarded_new((size_t)k * sizeof *floats);
    float *out = guarded_new(ROWS * TOKENS * sizeof *out);
    for (int r = 0; r < ROWS; r++)
        fill_weights(&c->random, type, DATA_RANDOM, w + (size_t)r * w_stride, k);
    for (int t = 0; t < TOKENS; t++) {
        fill_floats(&c->random, DATA_RANDOM, floats, k);
        if (act == SMG_ACT_F32)
            memcpy(x + (size_t)t * x_stride, floats, x_stride);
        else
            c->reference->quantize[act](floats, x + (size_t)t * x_stride, k);
    }
    matmul(k, ROWS, w, w_stride, TOKENS, x, x_stride, out, ROWS);
    for (int t = 0; t < TOKENS; t++) {
        for (int r = 0; r < ROWS; r++) {
            float alone;
            matmul(k, 1, w + (size_t)r * w_stride, w_stride, 1, x + (size_t)t * x_stride, x_stride, &alone,
                   1);
            if (memcmp(&alone, &out[t * ROWS + r], sizeof alone) != 0) {
                check_fail(c, "k %d: output [%d][%d] of %dx%d is %a, alone %a", (int)k, t, r, ROWS, TOKENS,
                           (double)out[t * ROWS + r], (double)alone);
                return;
            }
        }
    }
}

void check_matmul(check *c, smg_type type)
{
    static const int64_t plain[] = {1, 3, 8, 9, 31, 64, 257, 1000, 2051};
    static const int64_t small[] = {32, 64, 96, 224, 256, 288, 576, 2048, 2080};
    static const int64_t super[] = {256, 512, 768, 2048, 2304};
    const int64_t elements = smg_type_describe(type)->block_elements;
    const int64_t *ks = elements == 1 ? plain : elements == SMG_QK ? small : super;
    const size_t count = elements == SMG_QK_K ? sizeof super / sizeof *super : sizeof small / sizeof *small;
    for (size_t i = 0; i < count; i++) {
        for (data_kind kind = 0; kind < DATA_KINDS; kind++) {
            problem p;
            make_problem(c, type, ks[i], kind, &p);
            check_problem(c, &p);
            guarded_free_all();
        }
        check_nan(c, type, ks[i]);
        guarded_free_all();
    }
    if (c->table->matmul[type] != c->reference->matmul[type]) { /* which has no tiles */
        check_large(c, type);
        guarded_free_all();
    }
}
