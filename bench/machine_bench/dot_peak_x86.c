#ifdef __x86_64__
#include "dot_peak.h"

#include <cpuid.h>
#include <immintrin.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cpu/cpu.h"

#define ADD_PRODUCTS(sum, left, right)                                                                       \
    _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(left, right), _mm256_set1_epi16(1)))
DOT_LOOP(run_avx2, "avx2", "x", __m256i, __m256i, _mm256_set1_epi8, ADD_PRODUCTS)
DOT_LOOP(run_avxvnni, "avxvnni,avx2", "x", __m256i, __m256i, _mm256_set1_epi8, _mm256_dpbusd_avx_epi32)
DOT_LOOP(run_avx512vnni, "avx512f,avx512vnni", "v", __m512i, __m512i, _mm512_set1_epi8, _mm512_dpbusd_epi32)

const dot_loop *dot_peak_vector(void)
{
    static const dot_loop avx2 = {"VPMADDUBSW", run_avx2, DOT_SUMS * 32.0};
    static const dot_loop avxvnni = {"VPDPBUSD, 256 bits", run_avxvnni, DOT_SUMS * 32.0};
    static const dot_loop avx512vnni = {"VPDPBUSD, 512 bits", run_avx512vnni, DOT_SUMS * 64.0};
    uint32_t mask = smg_cpu_mask();
    return (mask & SMG_CPU_AVX512VNNI) != 0 ? &avx512vnni
           : (mask & SMG_CPU_AVXVNNI) != 0  ? &avxvnni
           : (mask & SMG_CPU_AVX2) != 0     ? &avx2
                                            : NULL;
}

/* ---- AMX: tiles of 16 rows of 64 bytes ---------------------------------------------------------------------- */

typedef struct tile_shapes {
    uint8_t palette;
    uint8_t start_row;
    uint8_t reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_shapes;

__attribute__((target("amx-tile,amx-int8"))) static void run_amx(uint64_t rounds)
{
    tile_shapes shapes = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shapes.row_bytes[i] = 64;
        shapes.rows[i] = 16;
    }
    __asm__ volatile("" : : "r"(&shapes) : "memory"); /* GCC 12 thinks that only 8 bytes of it are read */
    _tile_loadconfig(&shapes);
    for (uint64_t round = 0; round < rounds; round++) {
        _tile_dpbusd(0, 6, 7);
        _tile_dpbusd(1, 6, 7);
        _tile_dpbusd(2, 6, 7);
        _tile_dpbusd(3, 6, 7);
    }
    _tile_release();
}

/* The kernel must allow tiles to the process: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA). */
const dot_loop *dot_peak_matrix(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, INT8_BIT = 25 };
    static const dot_loop amx = {"TDPBUSD", run_amx, 4 * 16.0 * 16.0 * 64.0};
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d >> INT8_BIT & 1) == 0)
        return NULL;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 ? &amx : NULL;
}
#else
typedef int smg_bench_no_x86;
#endif
