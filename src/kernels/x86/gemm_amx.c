/* Products of packed bfloat16 by AMX: eight tile registers of 16 rows of 64 bytes, of which four hold sums, two a panel each of
 * a and two of b. Source: Intel's Software Developer's Manual, volume 1, chapter 18. */
#include "kernels/kernel_list.h"
#include "kernels/x86/gemm_bf16_x86.h"

enum { TILE_WORDS = SMG_PANEL * SMG_PANEL, WIDTH = 2 * SMG_PANEL };

void smg_gemm_pack_a_bf16_amx(const float *x, size_t outer_step, size_t depth_step, int64_t outer,
                              int64_t depth, void *ret_panel)
{
    pack_pairs(true, x, outer_step, depth_step, outer, depth, ret_panel);
}

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

_Static_assert(sizeof(tile_config) == 64, "as LDTILECFG reads it");

/* What is in memory by now is what tiles are loaded from: the instructions' own definitions do not say that they read it. */
#define MEMORY_IS_WRITTEN() __asm__ volatile("" : : : "memory")

/* How much of a tile of 32 x 32 sums there is: panels of a and of b. */
typedef enum tile_shape { SHAPE_1X1, SHAPE_1X2, SHAPE_2X1, SHAPE_2X2 } tile_shape;

static ALWAYS_INLINE void clear_sums(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

static ALWAYS_INLINE void store_sums(tile_shape shape, float *sums, size_t stride)
{
    char *at = (char *)sums, *below = at + SMG_PANEL * stride;
    const bool two_rows = shape >= SHAPE_2X1, two_columns = shape % 2 == 1;
    _tile_stored(0, at, stride);
    if (two_columns)
        _tile_stored(1, at + 64, stride);
    if (two_rows)
        _tile_stored(2, below, stride);
    if (two_rows && two_columns)
        _tile_stored(3, below + 64, stride);
}

/* Adds the products of `tiles` tiles along k; panels are `panel` floats apart. */
static ALWAYS_INLINE void add_tiles(tile_shape shape, int64_t tiles, const float *a, const float *b,
                                    size_t panel, const float *out, size_t out_stride)
{
    const bool two_rows = shape >= SHAPE_2X1, two_columns = shape % 2 == 1;
    enum { ROWS = 4, LINES = 2 }; /* of the output to ask for with each step */
    if (tiles < WIDTH / ROWS)
        fetch_rows(out, out_stride, ROWS * tiles, WIDTH, LINES);
    for (int64_t t = 0; t < tiles; t++, a += TILE_WORDS, b += TILE_WORDS) {
        if (t < WIDTH / ROWS)
            fetch_rows(out, out_stride, ROWS * t, ROWS * t + ROWS, LINES);
        _tile_loadd(6, b, 64);
        _tile_loadd(4, a, 64);
        _tile_dpbf16ps(0, 4, 6);
        if (two_columns) {
            _tile_loadd(7, b + panel, 64);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (two_rows) {
            _tile_loadd(5, a + panel, 64);
            _tile_dpbf16ps(2, 5, 6);
            if (two_columns)
                _tile_dpbf16ps(3, 5, 7);
        }
    }
}

/* Sums that are not whole tiles, or are to be scaled, are computed beside the output. */
static void finish_block(const float *sums, int64_t rows, int64_t columns, float scale, bool add, float *out,
                         size_t out_stride)
{
    const __m512 factor = _mm512_set1_ps(scale);
    for (int64_t i = 0; i < rows; i++, sums += WIDTH, out += out_stride)
        for (int64_t j = 0; j < columns; j += SMG_PANEL)
            store_row(_mm512_load_ps(sums + j), factor, add, out + j, first_of(columns - j));
}

typedef struct amx_block {
    int64_t tiles;
    size_t panel;
    float scale;
    bool add;
    size_t out_stride;
} amx_block;

static ALWAYS_INLINE void multiply_block(const amx_block *block, tile_shape shape, int64_t rows,
                                         int64_t columns, const float *a, const float *b, float *out)
{
    const int64_t whole_rows = shape >= SHAPE_2X1 ? 2 * SMG_PANEL : SMG_PANEL;
    const int64_t whole_columns = shape % 2 == 1 ? 2 * SMG_PANEL : SMG_PANEL;
    const bool direct = rows >= whole_rows && columns >= whole_columns && block->scale == 1.0F && !block->add;
    clear_sums();
    add_tiles(shape, block->tiles, a, b, block->panel, out, block->out_stride);
    if (direct) {
        store_sums(shape, out, block->out_stride * sizeof *out);
        return;
    }
    _Alignas(64) float sums[WIDTH * WIDTH];
    store_sums(shape, sums, WIDTH * sizeof *sums);
    finish_block(sums, rows < whole_rows ? rows : whole_rows,
                 columns < whole_columns ? columns : whole_columns, block->scale, block->add, out,
                 block->out_stride);
}

void smg_gemm_bf16_amx(int64_t depth, int64_t rows, int64_t columns, const void *a, const void *b,
                       float scale, bool add, float *out, size_t out_stride)
{
    static const tile_config config = {.palette = 1,
                                       .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                       .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    const int64_t tiles = smg_panel_depth(SMG_GEMM_BF16, depth) / 32;
    const amx_block block = {tiles, (size_t)tiles * TILE_WORDS, scale, add, out_stride};
    const float *right = b;
    _tile_loadconfig(&config);
    MEMORY_IS_WRITTEN();
    for (int64_t j = 0; j < columns; j += WIDTH, right += 2 * block.panel) {
        const float *left = a;
        const int64_t across = columns - j;
        for (int64_t i = 0; i < rows; i += WIDTH, left += 2 * block.panel) {
            const int64_t high = rows - i;
            float *to = out + (size_t)i * out_stride + j;
            if (high > SMG_PANEL && across > SMG_PANEL)
                multiply_block(&block, SHAPE_2X2, high, across, left, right, to);
            else if (high > SMG_PANEL)
                multiply_block(&block, SHAPE_2X1, high, across, left, right, to);
            else if (across > SMG_PANEL)
                multiply_block(&block, SHAPE_1X2, high, across, left, right, to);
            else
                multiply_block(&block, SHAPE_1X1, high, across, left, right, to);
        }
    }
    _tile_release();
}
