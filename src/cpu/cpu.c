#include "cpu/cpu.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

/* In the order of the ladder: a later path is preferred to an earlier one. */
static const struct {
    smg_cpu_path path;
    const char *name;
} paths[] = {
    {SMG_CPU_AVX2, "avx2"},
    {SMG_CPU_AVXVNNI, "avxvnni"},
    {SMG_CPU_AVX512VNNI, "avx512vnni"},
    {SMG_CPU_AVX512BF16, "avx512bf16"},
    {SMG_CPU_AMX, "amx"},
    {SMG_CPU_NEON, "neon"},
    {SMG_CPU_DOTPROD, "dotprod"},
    {SMG_CPU_I8MM, "i8mm"},
};
#define PATH_COUNT (sizeof paths / sizeof paths[0])

#if defined(__x86_64__)

static bool has(uint32_t word, int bit)
{
    return (word >> bit) & 1;
}

/* What the operating system saves on a context switch: without it the registers must not be used. */
static uint64_t saved_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Linux lends the matrix unit's registers, whose 8 KiB every signal then saves, only to who asks for them: for the whole
 * process, and once. Source: Documentation/arch/x86/xstate.rst. */
static bool permit_tiles(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

/* Paths for bfloat16, on top of AVX-512. `d` is of leaf 7. */
static uint32_t detect_bf16(uint32_t d, uint64_t saved)
{
    enum { TILE_STATE = 0x60000 };
    uint32_t a, b, c, unused;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &unused) || !has(a, 5))
        return 0;
    const bool amx = has(d, 22) && has(d, 24) && (saved & TILE_STATE) == TILE_STATE; /* BF16, TILE */
    return SMG_CPU_AVX512BF16 | (amx && permit_tiles() ? SMG_CPU_AMX : 0);
}

/* Bits from Intel's Software Developer's Manual, volume 2A, CPUID leaves 1 and 7. */
static uint32_t detect(void)
{
    enum { YMM_STATE = 0x06, ZMM_STATE = 0xe6 };
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    bool osxsave = has(c, 27), fma = has(c, 12), avx = has(c, 28), f16c = has(c, 29);
    if (!osxsave || !fma || !avx || !f16c)
        return 0;
    uint64_t saved = saved_registers();
    if ((saved & YMM_STATE) != YMM_STATE || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    if (!has(b, 5))
        return 0;
    uint32_t mask = SMG_CPU_AVX2;
    bool avx512 = has(b, 16) && has(b, 17) && has(b, 30) && has(b, 31); /* F DQ BW VL */
    const uint32_t leaves = a;
    if (avx512 && has(c, 11) && (saved & ZMM_STATE) == ZMM_STATE) {
        mask |= SMG_CPU_AVX512VNNI;
        if (leaves >= 1)
            mask |= detect_bf16(d, saved);
    }
    if (leaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && has(a, 4))
        mask |= SMG_CPU_AVXVNNI;
    return mask;
}

#elif defined(__aarch64__)

/* Bits of AT_HWCAP and AT_HWCAP2 from Linux's arch/arm64 elf_hwcaps document; spelled here because older
 * C libraries lack the newer names. */
static uint32_t detect(void)
{
    const unsigned long asimd = 1UL << 1, asimddp = 1UL << 20, i8mm = 1UL << 13;
    unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    if (!(first & asimd))
        return 0;
    uint32_t mask = SMG_CPU_NEON;
    if (first & asimddp) {
        mask |= SMG_CPU_DOTPROD;
        if (second & i8mm)
            mask |= SMG_CPU_I8MM;
    }
    return mask;
}

#else

static uint32_t detect(void)
{
    return 0;
}

#endif

uint32_t smg_cpu_mask(void)
{
    /* CPUID traps under a hypervisor, so ask once. Two threads that both ask write the same answer. */
    enum { KNOWN = 1 << 30 };
    static _Atomic uint32_t cached;
    uint32_t mask = atomic_load_explicit(&cached, memory_order_relaxed);
    if (!(mask & KNOWN)) {
        mask = detect() | KNOWN;
        atomic_store_explicit(&cached, mask, memory_order_relaxed);
    }
    return mask & ~(uint32_t)KNOWN;
}

int smg_cpu_steps(uint32_t ret_masks[8])
{
    uint32_t all = smg_cpu_mask(), mask = 0;
    int count = 0;
    ret_masks[count++] = 0;
    for (size_t i = 0; i < PATH_COUNT; i++) {
        if (!(all & paths[i].path))
            continue;
        mask |= paths[i].path;
        ret_masks[count++] = mask;
    }
    return count;
}

const char *smg_cpu_path_name(uint32_t mask)
{
    for (size_t i = PATH_COUNT; i > 0; i--) {
        if (mask & paths[i - 1].path)
            return paths[i - 1].name;
    }
    return "ref";
}

bool smg_cpu_path_parse(const char *name, uint32_t *ret_mask)
{
    uint32_t all = smg_cpu_mask();
    if (strcmp(name, "auto") == 0) {
        *ret_mask = all;
        return true;
    }
    if (strcmp(name, "ref") == 0) {
        *ret_mask = 0;
        return true;
    }
    for (size_t i = 0; i < PATH_COUNT; i++) {
        uint32_t path = paths[i].path;
        if (strcmp(name, paths[i].name) == 0 && (all & path)) {
            *ret_mask = all & ((path << 1) - 1);
            return true;
        }
    }
    return false;
}

/* At most size - 1 bytes of a small file, closed by a zero; "" if it cannot be read. */
static void read_start(const char *path, char *text, size_t size)
{
    size_t used = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && used + 1 < size) {
        ssize_t got = read(fd, text + used, size - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    text[used] = '\0';
}

void smg_cpu_model_name(char *text, uint64_t size)
{
    if (size == 0)
        return;
    /* x86 names the processor in its first stanza; ARM boards name themselves in the device tree. */
    char info[4096];
    read_start("/proc/cpuinfo", info, sizeof info);
    const char *name = strstr(info, "model name");
    name = name ? strchr(name, ':') : NULL;
    if (name) {
        name += strspn(name, ": \t");
    } else {
        read_start("/proc/device-tree/model", info, sizeof info);
        name = info;
    }
    size_t length = strcspn(name, "\n");
    if (length > size - 1)
        length = size - 1;
    memcpy(text, name, length);
    text[length] = '\0';
}
