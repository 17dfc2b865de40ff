/* Buffers with guards, random numbers, and rows of weights. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel_check.h"
#include "kernels/half.h"

enum { MAX_GUARDED = 64, POISON = 0xff }; /* as binary16 and as float, poison is NaN */

static struct {
    void *base;
    size_t size;
} guarded[MAX_GUARDED];
static int guarded_count;

void *guarded_new(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t usable = (size + page - 1) / page * page;
    uint8_t *base = mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + usable, page, PROT_NONE) != 0 || guarded_count == MAX_GUARDED) {
        printf("FAIL  out of guarded memory\n");
        exit(1);
    }
    guarded[guarded_count].base = base;
    guarded[guarded_count++].size = usable + page;
    memset(base, POISON, usable);
    return base + usable - size;
}

void guarded_free_all(void)
{
    while (guarded_count > 0) {
        guarded_count--;
        munmap(guarded[guarded_count].base, guarded[guarded_count].size);
    }
}

/* splitmix64 */
uint64_t random_bits(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

float random_float(uint64_t *state)
{
    return (float)(random_bits(state) >> 40) * 0x1p-23F - 1.0F;
}

void fill_floats(uint64_t *random, data_kind kind, float *x, int64_t n)
{
    float size = ldexpf(1.0F, (int)(random_bits(random) % 9) - 4);
    for (int64_t i = 0; i < n; i++) {
        if (kind == DATA_RANDOM)
            x[i] = size * random_float(random);
        else
            x[i] = kind == DATA_ALTERNATING && i % 2 ? -size : size;
    }
}

static const struct {
    int16_t d, m; /* where the block's halves lie; -1 for none */
} halves[SMG_TYPE_COUNT] = {
    [SMG_TYPE_Q4_0] = {offsetof(smg_block_q4_0, d), -1},
    [SMG_TYPE_Q4_1] = {offsetof(smg_block_q4_1, d), offsetof(smg_block_q4_1, m)},
    [SMG_TYPE_Q5_0] = {offsetof(smg_block_q5_0, d), -1},
    [SMG_TYPE_Q5_1] = {offsetof(smg_block_q5_1, d), offsetof(smg_block_q5_1, m)},
    [SMG_TYPE_Q8_0] = {offsetof(smg_block_q8_0, d), -1},
    [SMG_TYPE_IQ4_NL] = {offsetof(smg_block_iq4_nl, d), -1},
    [SMG_TYPE_Q2_K] = {offsetof(smg_block_q2_k, d), offsetof(smg_block_q2_k, dmin)},
    [SMG_TYPE_Q3_K] = {offsetof(smg_block_q3_k, d), -1},
    [SMG_TYPE_Q4_K] = {offsetof(smg_block_q4_k, d), offsetof(smg_block_q4_k, dmin)},
    [SMG_TYPE_Q5_K] = {offsetof(smg_block_q5_k, d), offsetof(smg_block_q5_k, dmin)},
    [SMG_TYPE_Q6_K] = {offsetof(smg_block_q6_k, d), -1},
    [SMG_TYPE_IQ4_XS] = {offsetof(smg_block_iq4_xs, d), -1},
};

static void fill_plain(uint64_t *random, smg_type type, data_kind kind, uint8_t *row, int64_t k)
{
    for (int64_t i = 0; i < k; i++) {
        float value = random_float(random);
        if (kind != DATA_RANDOM)
            value = kind == DATA_ALTERNATING && i % 2 ? -1000.0F : 1000.0F;
        uint32_t bits = smg_float_bits(value);
        smg_half half = type == SMG_TYPE_F16 ? smg_half_from_float(value) : (smg_half)(bits >> 16);
        if (type == SMG_TYPE_F32)
            memcpy(row + 4 * i, &bits, sizeof bits);
        else
            memcpy(row + 2 * i, &half, sizeof half);
    }
}

void fill_weights(uint64_t *random, smg_type type, data_kind kind, uint8_t *row, int64_t k)
{
    /* nibbles, bits and bytes at their ends, of one sign or of both */
    static const uint8_t ends[] = {0x00, 0xff, 0x80, 0x7f, 0x88, 0x77, 0x0f, 0xf0};
    const smg_type_info *info = smg_type_describe(type);
    if (info->block_elements == 1) {
        fill_plain(random, type, kind, row, k);
        return;
    }
    const uint8_t end = ends[random_bits(random) % sizeof ends];
    for (int64_t i = 0; i < k / info->block_elements; i++, row += info->block_bytes) {
        for (size_t b = 0; b < info->block_bytes; b++)
            row[b] = kind == DATA_EXTREME ? end : (uint8_t)random_bits(random);
        float d = random_float(random) * 0.01F, m = random_float(random) * 0.01F;
        if (kind != DATA_RANDOM)
            d = m = 65504.0F;
        smg_half half_d = smg_half_from_float(d), half_m = smg_half_from_float(m);
        memcpy(row + halves[type].d, &half_d, sizeof half_d);
        if (halves[type].m >= 0)
            memcpy(row + halves[type].m, &half_m, sizeof half_m);
    }
}
