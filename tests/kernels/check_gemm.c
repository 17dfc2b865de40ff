/* Packing: the reference's bytes, in the path's own form. Products: the reference's sums of the same numbers. */
#include <math.h>
#include <string.h>

#include "kernel_check.h"
#include "kernels/half.h"

/* Half of them ties, or nearly, when rounded to bfloat16. */
static void fill(check *c, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] = random_float(&c->random);
        uint32_t bits = smg_float_bits(x[i]);
        if (i % 2 == 1 && x[i] != 0) {
            bits = (bits & 0xffff0000) | (uint32_t)(0x7fff + random_bits(&c->random) % 3);
            x[i] = smg_float_from_bits(bits);
        }
    }
}

/* The form that matrix units want of their left side: words of a panel's tiles of 16 x 16 turned. */
static void turn_tiles(uint32_t *panel, size_t bytes)
{
    enum { TILE = SMG_PANEL * SMG_PANEL };
    for (size_t at = 0; at + TILE <= bytes / sizeof *panel; at += TILE) {
        uint32_t copy[TILE];
        memcpy(copy, panel + at, sizeof copy);
        for (size_t i = 0; i < TILE; i++)
            panel[at + i] = copy[i % SMG_PANEL * SMG_PANEL + i / SMG_PANEL];
    }
}

/* A panel that ends at an unreadable page. */
static void *new_panels(smg_gemm_kind kind, int64_t depth, int64_t count)
{
    return guarded_new((size_t)count * smg_panel_bytes(kind, depth));
}

static void check_pack_of(check *c, smg_gemm_kind kind, bool a_side, int64_t outer, int64_t depth,
                          bool across)
{
    const size_t gap = random_bits(&c->random) % 3;
    const int64_t rows = across ? depth : outer, columns = across ? outer : depth;
    const size_t step = (size_t)columns + gap, bytes = smg_panel_bytes(kind, depth);
    const int64_t floats = (int64_t)step * (rows - 1) + columns;
    float *x = guarded_new((size_t)floats * sizeof *x);
    uint8_t *got = new_panels(kind, depth, 1), *expected = new_panels(kind, depth, 1);
    fill(c, x, floats);
    const size_t outer_step = across ? 1 : step, depth_step = across ? step : 1;
    const smg_kernels *table = c->table;
    const smg_gemm_pack_fn pack = a_side ? table->gemm_pack_a[kind] : table->gemm_pack_b[kind];
    pack(x, outer_step, depth_step, outer, depth, got);
    c->reference->gemm_pack_b[kind](x, outer_step, depth_step, outer, depth, expected);
    if (strstr(c->kernel, "pack_a_") != NULL)
        turn_tiles((uint32_t *)(void *)expected, bytes);
    if (memcmp(got, expected, bytes) != 0)
        check_fail(c, "%d x %d, %s: panels differ", (int)outer, (int)depth, across ? "across" : "along");
    guarded_free_all();
}

static const int64_t depths[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 63, 64, 100, 257};
enum { DEPTHS = sizeof depths / sizeof *depths };

void check_gemm_pack(check *c, smg_gemm_kind kind, bool a_side)
{
    for (int64_t outer = 1; outer <= SMG_PANEL; outer++)
        for (int d = 0; d < DEPTHS; d++) {
            check_pack_of(c, kind, a_side, outer, depths[d], false);
            check_pack_of(c, kind, a_side, outer, depths[d], true);
        }
}

/* Rows along k to panels, by a table's own kernel, each side in its form. */
static void *pack_all(const smg_kernels *table, smg_gemm_kind kind, bool a_side, const float *x,
                      int64_t outer, int64_t depth)
{
    const int64_t panels = (outer + SMG_PANEL - 1) / SMG_PANEL;
    uint8_t *packed = new_panels(kind, depth, panels);
    for (int64_t p = 0; p < panels; p++) {
        const int64_t left = outer - p * SMG_PANEL, count = left < SMG_PANEL ? left : SMG_PANEL;
        (a_side ? table->gemm_pack_a
                : table->gemm_pack_b)[kind](x + p * SMG_PANEL * depth, (size_t)depth, 1, count, depth,
                                            packed + (size_t)p * smg_panel_bytes(kind, depth));
    }
    return packed;
}

/* Sums of products of what a panel holds, in double, and their sizes. */
static double exact(smg_gemm_kind kind, const float *a, const float *b, int64_t depth, double *ret_size)
{
    double sum = 0;
    *ret_size = 0;
    for (int64_t k = 0; k < depth; k++) {
        double x = a[k], y = b[k];
        if (kind == SMG_GEMM_BF16) {
            x = smg_bf16_to_float(smg_bf16_from_float(a[k]));
            y = smg_bf16_to_float(smg_bf16_from_float(b[k]));
        }
        sum += x * y;
        *ret_size += fabs(x * y);
    }
    return sum;
}

static void check_gemm_of(check *c, smg_gemm_kind kind, int64_t rows, int64_t columns, int64_t depth,
                          float scale, bool add)
{
    const size_t stride = (size_t)columns + 3;
    const size_t floats = (size_t)(rows - 1) * stride + (size_t)columns;
    float *a = guarded_new((size_t)(rows * depth) * sizeof *a);
    float *b = guarded_new((size_t)(columns * depth) * sizeof *b);
    float *out = guarded_new(floats * sizeof *out), *before = guarded_new(floats * sizeof *out);
    fill(c, a, rows * depth);
    fill(c, b, columns * depth);
    fill(c, out, (int64_t)floats);
    memcpy(before, out, floats * sizeof *out);
    const void *left = pack_all(c->table, kind, true, a, rows, depth);
    const void *top = pack_all(c->table, kind, false, b, columns, depth);
    c->table->gemm[kind](depth, rows, columns, left, top, scale, add, out, stride);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            const size_t at = (size_t)i * stride + (size_t)j;
            double size;
            const double sum = exact(kind, a + i * depth, b + j * depth, depth, &size);
            const double was = add ? (double)before[at] : 0;
            const double bound =
                (fabs(was) + (double)scale * size) * 0x1p-24 * (4 + 2 * sqrt((double)depth)) + 1e-37;
            if (!check_near(c, (double)out[at], was + (double)scale * sum, bound))
                check_fail(c, "%d x %d x %d at %d, %d: %.9g, expected %.9g", (int)rows, (int)columns,
                           (int)depth, (int)i, (int)j, (double)out[at], was + (double)scale * sum);
        }
        if (i + 1 < rows && memcmp(out + i * (int64_t)stride + columns,
                                   before + i * (int64_t)stride + columns, 3 * sizeof *out) != 0)
            check_fail(c, "%d x %d: writes behind row %d", (int)rows, (int)columns, (int)i);
    }
    guarded_free_all();
}

/* An element's bits are the same wherever in a product it stands. */
static void check_places(check *c, smg_gemm_kind kind)
{
    enum { SIDE = 49, DEPTH = 70 };
    float *a = guarded_new(sizeof(float) * SIDE * DEPTH), *b = guarded_new(sizeof(float) * SIDE * DEPTH);
    float *all = guarded_new(sizeof(float) * SIDE * SIDE);
    fill(c, a, SIDE * DEPTH);
    fill(c, b, SIDE * DEPTH);
    const void *left = pack_all(c->table, kind, true, a, SIDE, DEPTH);
    const void *top = pack_all(c->table, kind, false, b, SIDE, DEPTH);
    void *row = new_panels(kind, DEPTH, 1), *column = new_panels(kind, DEPTH, 1);
    const smg_gemm_pack_fn pack = c->table->gemm_pack_a[kind], top_pack = c->table->gemm_pack_b[kind];
    for (int add = 0; add < 2; add++) {
        memset(all, 0, sizeof(float) * SIDE * SIDE);
        c->table->gemm[kind](DEPTH, SIDE, SIDE, left, top, 1.0F, add != 0, all, SIDE);
        for (int i = 0; i < SIDE; i += 3)
            for (int j = 0; j < SIDE; j += 2) {
                float one = 0;
                pack(a + i * DEPTH, DEPTH, 1, 1, DEPTH, row);
                top_pack(b + j * DEPTH, DEPTH, 1, 1, DEPTH, column);
                c->table->gemm[kind](DEPTH, 1, 1, row, column, 1.0F, add != 0, &one, 1);
                if (memcmp(&one, &all[i * SIDE + j], sizeof one) != 0)
                    check_fail(c, "%d, %d: %.9g, alone %.9g", i, j, (double)all[i * SIDE + j], (double)one);
            }
    }
    guarded_free_all();
}

void check_gemm(check *c, smg_gemm_kind kind)
{
    static const int64_t sizes[] = {1, 3, 8, 9, 16, 17, 24, 31, 32, 33, 40, 70};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    for (int i = 0; i < SIZES; i++)
        for (int j = 0; j < SIZES; j++) {
            const int64_t depth = depths[(i * 5 + j * 3) % DEPTHS];
            check_gemm_of(c, kind, sizes[i], sizes[j], depth, 1.0F, (i + j) % 2 == 1);
            check_gemm_of(c, kind, sizes[i], sizes[j], depth, 0.75F, i % 2 == 1);
        }
    check_places(c, kind);
}
