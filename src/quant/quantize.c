/* Groups of elements, eight side by side, are searched for the scales with the least error; then these are brought into the form that
 * a block keeps them in, and elements into codes for what the scales have become. */
#include "quant/quantize.h"

#include <math.h>
#include <string.h>

#include "kernels/half.h"
#include "quant/pack.h"

enum { LANES = SMG_SEARCH_LANES };

static smg_codes codes_of(smg_type type)
{
    switch (type) {
    case SMG_TYPE_Q4_0:
        return (smg_codes){-8, 7, NULL};
    case SMG_TYPE_Q5_0:
        return (smg_codes){-16, 15, NULL};
    case SMG_TYPE_Q8_0:
        return (smg_codes){-127, 127, NULL};
    case SMG_TYPE_Q2_K:
        return (smg_codes){0, 3, NULL};
    case SMG_TYPE_Q3_K:
        return (smg_codes){-4, 3, NULL};
    case SMG_TYPE_Q4_1:
    case SMG_TYPE_Q4_K:
        return (smg_codes){0, 15, NULL};
    case SMG_TYPE_Q5_1:
    case SMG_TYPE_Q5_K:
        return (smg_codes){0, 31, NULL};
    case SMG_TYPE_Q6_K:
        return (smg_codes){-32, 31, NULL};
    default:
        return (smg_codes){-127, 113, smg_iq4_values};
    }
}

/* How thoroughly a type is searched: those with few codes and coarse scales gain most from it, and all of them do where
 * elements matter differently. */
static int tries_of(smg_type type, bool weighted)
{
    switch (type) {
    case SMG_TYPE_Q4_0:
    case SMG_TYPE_Q4_1:
    case SMG_TYPE_Q5_0:
    case SMG_TYPE_Q5_1:
        return weighted ? 10 : 2;
    case SMG_TYPE_Q3_K:
        return weighted ? 10 : 4;
    case SMG_TYPE_Q6_K:
    case SMG_TYPE_IQ4_NL:
    case SMG_TYPE_IQ4_XS:
        return 4;
    default:
        return 8;
    }
}

static void start_search(smg_search *search, smg_type type, int count, bool weighted)
{
    search->count = count;
    search->codes = codes_of(type);
    search->tries = tries_of(type, weighted);
}

/* ---- Blocks of 32 ------------------------------------------------------------------------------------- */

/* Eight blocks, of which `blocks` are wanted. */
static void small_blocks(const smg_kernels *kernels, smg_type type, const float *x, const float *importance,
                         int blocks, uint8_t *ret_bytes)
{
    const bool has_m = type == SMG_TYPE_Q4_1 || type == SMG_TYPE_Q5_1;
    const size_t block_bytes = smg_type_describe(type)->block_bytes;
    smg_search search; /* two kilobytes that need no zeros */
    float scale[LANES], min[LANES] = {0}, error[LANES];
    int8_t q[SMG_QK * LANES];
    start_search(&search, type, SMG_QK, importance != NULL);
    kernels->search_load(&search, x, importance);
    if (has_m)
        kernels->search_min(&search, false, scale, min);
    else
        kernels->search_scale(&search, scale);
    for (int lane = 0; lane < LANES; lane++) {
        scale[lane] = smg_round_half(scale[lane]);
        min[lane] = smg_round_half(min[lane]);
    }
    kernels->search_error(&search, scale, min, error, q);
    for (int b = 0; b < blocks; b++) {
        smg_small_block block = {.d = scale[b], .m = -min[b], .has_m = has_m};
        memcpy(block.q, q + b * SMG_QK, SMG_QK);
        smg_pack_small(type, &block, ret_bytes + (size_t)b * block_bytes);
    }
}

/* Less than eight blocks, at the end of a row: the others are zeros. */
static void last_blocks(const smg_kernels *kernels, smg_type type, const float *x, const float *importance,
                        int blocks, uint8_t *ret_bytes)
{
    float all_x[SMG_QK_K] = {0}, all_importance[SMG_QK_K] = {0};
    const size_t bytes = (size_t)blocks * SMG_QK * sizeof *x;
    memcpy(all_x, x, bytes);
    if (importance != NULL)
        memcpy(all_importance, importance, bytes);
    small_blocks(kernels, type, all_x, importance != NULL ? all_importance : NULL, blocks, ret_bytes);
}

/* Q8_0 needs no search: with 255 codes the largest element decides. As activations are quantized, so that the two agree. */
static void q8_0_blocks(const smg_kernels *kernels, const float *x, int blocks, uint8_t *ret_bytes)
{
    uint8_t row[SMG_QK_K * 2];
    kernels->quantize[SMG_ACT_Q8_0](x, row, (int64_t)blocks * SMG_QK);
    for (int b = 0; b < blocks; b++) {
        smg_small_block block;
        memcpy(&block.d, row + smg_act_scales((int64_t)blocks * SMG_QK) + (size_t)b * sizeof block.d,
               sizeof block.d);
        memcpy(block.q, row + (size_t)b * SMG_QK, SMG_QK);
        block.has_m = false;
        smg_pack_small(SMG_TYPE_Q8_0, &block, ret_bytes + (size_t)b * sizeof(smg_block_q8_0));
    }
}

/* ---- Super-blocks of 256 ------------------------------------------------------------------------------- */

/* How a super-block keeps scales: as integers times d, and minimums, where it has any, as integers times dmin. */
typedef struct super_form {
    int parts; /* of eight groups */
    int scale_low, scale_high;
    int min_high; /* 0: no minimums */
} super_form;

enum { PARTS_MOST = 2, REFINE = 2 };

typedef struct super_work {
    const smg_kernels *kernels;
    super_form form;
    smg_search search[PARTS_MOST];
    float scales[PARTS_MOST][LANES], mins[PARTS_MOST][LANES]; /* best for each group alone */
} super_work;

/* What becomes of it: integers as floats. */
typedef struct super_result {
    float d, dmin, error;
    float scales[PARTS_MOST][LANES], mins[PARTS_MOST][LANES];
} super_result;

static super_form form_of(smg_type type)
{
    switch (type) {
    case SMG_TYPE_Q2_K:
        return (super_form){2, 0, 15, 15};
    case SMG_TYPE_Q3_K:
        return (super_form){2, -32, 31, 0};
    case SMG_TYPE_Q6_K:
        return (super_form){2, -128, 127, 0};
    case SMG_TYPE_IQ4_XS:
        return (super_form){1, -32, 31, 0};
    default:
        return (super_form){1, 0, 63, 63};
    }
}

static float bounded(float value, int low, int high)
{
    return value < (float)low ? (float)low : value > (float)high ? (float)high : value;
}

static float nearest(float value, float unit, int low, int high)
{
    return unit != 0 ? rintf(bounded(value / unit, low, high)) : 0;
}

/* What integers stand for. */
static void scales_of(const super_result *result, const float *scales, const float *mins, float *ret_scale,
                      float *ret_min)
{
    for (int lane = 0; lane < LANES; lane++) {
        ret_scale[lane] = result->d * scales[lane];
        ret_min[lane] = result->dmin * mins[lane];
    }
}

static void errors_of(const super_work *work, const super_result *result, int part, const float *scales,
                      const float *mins, float *ret_error, int8_t *ret_q)
{
    float scale[LANES], min[LANES];
    scales_of(result, scales, mins, scale, min);
    work->kernels->search_error(&work->search[part], scale, min, ret_error, ret_q);
}

/* The integers, at most one away from a group's own best, that leave the least error. */
static void settle(const super_work *work, float d, float dmin, super_result *ret_result)
{
    const super_form *form = &work->form;
    *ret_result = (super_result){.d = smg_round_half(d), .dmin = smg_round_half(dmin)};
    for (int part = 0; part < form->parts; part++) {
        float scale[LANES], min[LANES], s[LANES], m[LANES], error[LANES], least[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            scale[lane] = nearest(work->scales[part][lane], ret_result->d, form->scale_low, form->scale_high);
            min[lane] = nearest(work->mins[part][lane], ret_result->dmin, 0, form->min_high);
            least[lane] = INFINITY;
        }
        for (int i = 0; i < (form->min_high > 0 ? 9 : 3); i++) {
            for (int lane = 0; lane < LANES; lane++) {
                s[lane] = bounded(scale[lane] + (float)(i % 3 - 1), form->scale_low, form->scale_high);
                m[lane] = form->min_high > 0 ? bounded(min[lane] + (float)(i / 3 - 1), 0, form->min_high) : 0;
            }
            errors_of(work, ret_result, part, s, m, error, NULL);
            for (int lane = 0; lane < LANES; lane++)
                if (error[lane] < least[lane]) {
                    least[lane] = error[lane];
                    ret_result->scales[part][lane] = s[lane];
                    ret_result->mins[part][lane] = m[lane];
                }
        }
        for (int lane = 0; lane < LANES; lane++)
            ret_result->error += least[lane];
    }
}

/* The d and dmin that are best for a result's integers and codes: x ~ d * a - dmin * b. */
static void refit(const super_work *work, const super_result *result, float *ret_d, float *ret_dmin)
{
    double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
    for (int part = 0; part < work->form.parts; part++) {
        smg_search_sums sums;
        float scale[LANES], min[LANES];
        scales_of(result, result->scales[part], result->mins[part], scale, min);
        work->kernels->search_sums(&work->search[part], scale, min, &sums);
        for (int lane = 0; lane < LANES; lane++) {
            const double scale_code = result->scales[part][lane], min_code = result->mins[part][lane];
            aa += scale_code * scale_code * (double)sums.wqq[lane];
            ab += scale_code * min_code * (double)sums.wq[lane];
            bb += min_code * min_code * (double)sums.w[lane];
            xa += scale_code * (double)sums.wxq[lane];
            xb += min_code * (double)sums.wx[lane];
        }
    }
    const double determinant = aa * bb - ab * ab;
    *ret_d = result->d;
    *ret_dmin = result->dmin;
    if (determinant > 1e-9 * aa * bb) {
        *ret_d = (float)((xa * bb - xb * ab) / determinant);
        *ret_dmin = (float)((xa * ab - xb * aa) / determinant);
    } else if (aa > 0) {
        *ret_d = (float)((xa + result->dmin * ab) / aa);
    }
}

/* From a first d and dmin to better ones, as long as that helps. */
static void refine(const super_work *work, float d, float dmin, super_result *best)
{
    super_result result;
    for (int i = 0; i < REFINE; i++) {
        settle(work, d, dmin, &result);
        if (!(result.error < best->error))
            return;
        *best = result;
        if (i + 1 < REFINE)
            refit(work, &result, &d, &dmin);
    }
}

static void super_search(super_work *work, super_result *ret_best)
{
    const super_form *form = &work->form;
    float most = 0, most_min = 0;
    for (int part = 0; part < form->parts; part++) {
        if (form->min_high > 0)
            work->kernels->search_min(&work->search[part], true, work->scales[part], work->mins[part]);
        else
            work->kernels->search_scale(&work->search[part], work->scales[part]);
        for (int lane = 0; lane < LANES; lane++) {
            if (fabsf(work->scales[part][lane]) > fabsf(most))
                most = work->scales[part][lane];
            most_min = fmaxf(most_min, work->mins[part][lane]);
        }
    }
    /* the largest scale goes to the end of the integers that has more of them */
    const int end = -form->scale_low > form->scale_high ? form->scale_low : form->scale_high;
    *ret_best = (super_result){.error = INFINITY};
    refine(work, most / (float)end, form->min_high > 0 ? most_min / (float)form->min_high : 0, ret_best);
}

static void super_block(const smg_kernels *kernels, smg_type type, const float *x, const float *importance,
                        uint8_t *ret_bytes)
{
    super_work work; /* four kilobytes that need no zeros */
    super_result result;
    work.kernels = kernels;
    work.form = form_of(type);
    memset(work.mins, 0, sizeof work.mins);
    const int count = SMG_QK_K / (work.form.parts * LANES);
    for (int part = 0; part < work.form.parts; part++) {
        const int from = part * LANES * count;
        start_search(&work.search[part], type, count, importance != NULL);
        kernels->search_load(&work.search[part], x + from, importance != NULL ? importance + from : NULL);
    }
    super_search(&work, &result);
    smg_super_block block = {.d = result.d, .dmin = result.dmin, .has_mins = work.form.min_high > 0};
    for (int part = 0; part < work.form.parts; part++) {
        float error[LANES];
        errors_of(&work, &result, part, result.scales[part], result.mins[part], error,
                  block.q + part * LANES * count);
    }
    for (int i = 0; i < SMG_QK_K / 16; i++) {
        const int g = i * 16 / count;
        block.scales[i] = (int8_t)result.scales[g / LANES][g % LANES];
        block.mins[i] = (uint8_t)result.mins[g / LANES][g % LANES];
    }
    smg_pack_super(type, &block, ret_bytes);
}

/* ---- Rows ---------------------------------------------------------------------------------------------- */

static uint16_t bf16_of(float value)
{
    const uint32_t bits = smg_float_bits(value);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16); /* ties to even */
}

static void float_row(smg_type type, const float *x, int64_t n, uint8_t *ret_row)
{
    if (type == SMG_TYPE_F32) {
        memcpy(ret_row, x, (size_t)n * sizeof *x);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const uint16_t bits = type == SMG_TYPE_F16 ? smg_half_from_float(x[i]) : bf16_of(x[i]);
        memcpy(ret_row + 2 * i, &bits, sizeof bits);
    }
}

void smg_quantize_row(const smg_kernels *kernels, smg_type type, const float *x, const float *importance,
                      int64_t n, void *ret_row)
{
    const smg_type_info *info = smg_type_describe(type);
    uint8_t *bytes = ret_row;
    if (info->block_elements == 1) {
        float_row(type, x, n, bytes);
        return;
    }
    const bool small = info->block_elements == SMG_QK;
    for (int64_t i = 0; i < n; i += SMG_QK_K) {
        const int64_t elements = n - i < SMG_QK_K ? n - i : SMG_QK_K;
        const float *weights = importance != NULL ? importance + i : NULL;
        if (type == SMG_TYPE_Q8_0)
            q8_0_blocks(kernels, x + i, (int)(elements / SMG_QK), bytes);
        else if (small && elements < SMG_QK_K)
            last_blocks(kernels, type, x + i, weights, (int)(elements / SMG_QK), bytes);
        else if (small)
            small_blocks(kernels, type, x + i, weights, LANES, bytes);
        else
            super_block(kernels, type, x + i, weights, bytes);
        bytes += elements / info->block_elements * info->block_bytes;
    }
}
