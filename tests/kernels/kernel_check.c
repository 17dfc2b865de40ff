/* kernel_check [--seed N] [FILTER]     checks the kernels whose names contain FILTER
 * kernel_check --bench [FILTER]        times them */
#include "kernel_check.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "kernels/kernel_list.h"

const kernel_entry kernel_entries[] = {
#define SMG_KERNEL(path, slot, function)                                                                     \
    {(uint32_t)(path), offsetof(smg_kernels, slot), #function, (void (*)(void))function},
#include "kernels/kernels.inc"
#undef SMG_KERNEL
};
const size_t kernel_entry_count = sizeof kernel_entries / sizeof kernel_entries[0];

void (*kernel_at(const smg_kernels *table, size_t slot))(void)
{
    void (*function)(void);
    memcpy(&function, (const char *)table + slot, sizeof function);
    return function;
}

static const char *volatile running = "no kernel";

static void on_signal(int number)
{
    static const char says[] = "FAIL  ";
    const char *what = number == SIGILL ? ": illegal instruction\n" : ": access outside its rows\n";
    ssize_t ignored = write(STDOUT_FILENO, says, sizeof says - 1);
    ignored = write(STDOUT_FILENO, running, strlen(running));
    ignored = write(STDOUT_FILENO, what, strlen(what));
    (void)ignored;
    _exit(1);
}

void check_fail(check *c, const char *format, ...)
{
    if (c->failures++ < 5) {
        va_list arguments;
        va_start(arguments, format);
        printf("      %s: ", c->kernel);
        vprintf(format, arguments);
        printf("\n");
        va_end(arguments);
    }
}

bool check_near(check *c, double got, double expected, double bound)
{
    if (isnan(got) || isnan(expected))
        return isnan(got) && isnan(expected);
    if (got == expected)
        return true;
    double error = fabs(got - expected) / bound;
    if (error > c->worst)
        c->worst = error;
    return error <= 1;
}

#define INDEX_OF(entry, field) (((entry)->slot - offsetof(smg_kernels, field)) / sizeof(void (*)(void)))
#define IN_FIELD(entry, field)                                                                               \
    ((entry)->slot >= offsetof(smg_kernels, field) &&                                                        \
     (entry)->slot < offsetof(smg_kernels, field) + sizeof((smg_kernels *)0)->field)

static void check_entry(check *c, const kernel_entry *entry)
{
    const smg_type type = (smg_type)INDEX_OF(entry, matmul);
    if (IN_FIELD(entry, matmul) && smg_type_is_interleaved(type))
        check_interleaved(c, type);
    else if (IN_FIELD(entry, matmul))
        check_matmul(c, type);
    else if (IN_FIELD(entry, quantize))
        check_quantize(c, (smg_act)INDEX_OF(entry, quantize));
    else if (IN_FIELD(entry, dequantize))
        check_dequantize(c, (smg_type)INDEX_OF(entry, dequantize));
    else if (IN_FIELD(entry, search_load) || IN_FIELD(entry, search_scale) || IN_FIELD(entry, search_min) ||
             IN_FIELD(entry, search_error) || IN_FIELD(entry, search_sums))
        check_search(c);
    else if (IN_FIELD(entry, kv_store))
        check_kv_store(c, (smg_kv)INDEX_OF(entry, kv_store));
    else if (IN_FIELD(entry, attention_scores))
        check_attention_scores(c, (smg_kv)INDEX_OF(entry, attention_scores));
    else if (IN_FIELD(entry, attention_mix))
        check_attention_mix(c, (smg_kv)INDEX_OF(entry, attention_mix));
    else if (IN_FIELD(entry, round_f16))
        check_round_f16(c);
    else if (IN_FIELD(entry, rms_norm))
        check_rms_norm(c);
    else if (IN_FIELD(entry, add))
        check_add(c);
    else if (IN_FIELD(entry, soft_cap))
        check_soft_cap(c);
    else if (IN_FIELD(entry, softmax))
        check_softmax(c);
    else if (IN_FIELD(entry, rms_norm_back))
        check_rms_norm_back(c);
    else if (IN_FIELD(entry, add_product))
        check_add_product(c);
    else if (IN_FIELD(entry, silu_mul_back) || IN_FIELD(entry, gelu_mul_back))
        check_gate_back(c, IN_FIELD(entry, gelu_mul_back));
    else if (IN_FIELD(entry, gemm_pack_a))
        check_gemm_pack(c, (smg_gemm_kind)INDEX_OF(entry, gemm_pack_a), true);
    else if (IN_FIELD(entry, gemm_pack_b))
        check_gemm_pack(c, (smg_gemm_kind)INDEX_OF(entry, gemm_pack_b), false);
    else if (IN_FIELD(entry, gemm))
        check_gemm(c, (smg_gemm_kind)INDEX_OF(entry, gemm));
    else
        check_gate(c, IN_FIELD(entry, gelu_mul));
}

static bool table_is_full(const smg_kernels *table)
{
    bool full = true;
    for (uint32_t type = 0; type < SMG_TYPE_COUNT; type++) {
        const smg_type_info *info = smg_type_describe(type);
        full &= (table->matmul[type] != NULL) == (info && info->weights);
        full &=
            (table->dequantize[type] != NULL) == (info && info->weights && !smg_type_is_interleaved(type) &&
                                                  type != SMG_TYPE_F32 && type != SMG_TYPE_BF16);
    }
    for (int act = 0; act < SMG_ACT_COUNT; act++)
        full &= (table->quantize[act] != NULL) == (act != SMG_ACT_F32);
    for (int kv = 0; kv < SMG_KV_COUNT; kv++)
        full &= table->kv_store[kv] && table->attention_scores[kv] && table->attention_mix[kv];
    for (int kind = 0; kind < SMG_GEMM_COUNT; kind++)
        full &= table->gemm_pack_a[kind] && table->gemm_pack_b[kind] && table->gemm[kind];
    return full && table->search_load && table->search_scale && table->search_min && table->search_error &&
           table->search_sums && table->round_f16 && table->rms_norm && table->add && table->soft_cap &&
           table->softmax && table->silu_mul && table->gelu_mul && table->rms_norm_back &&
           table->add_product && table->silu_mul_back && table->gelu_mul_back;
}

/* Checks what the step's table holds and the one before did not. Returns how many kernels failed. */
static int check_step(uint32_t mask, const smg_kernels *before, const smg_kernels *table,
                      const smg_kernels *reference, uint64_t seed, const char *filter)
{
    int failed = 0;
    if (!table_is_full(table)) {
        printf("FAIL  %-10s  the table has gaps\n", smg_cpu_path_name(mask));
        failed++;
    }
    for (size_t i = 0; i < kernel_entry_count; i++) {
        const kernel_entry *entry = &kernel_entries[i];
        if (kernel_at(table, entry->slot) != entry->function || !strstr(entry->name, filter))
            continue;
        if (before && kernel_at(before, entry->slot) == entry->function)
            continue;
        check c = {.reference = reference, .table = table, .kernel = entry->name, .random = seed};
        running = entry->name;
        check_entry(&c, entry);
        guarded_free_all();
        printf("%s  %-10s  %-40s worst error %.3f of its bound\n", c.failures ? "FAIL" : "ok  ",
               smg_cpu_path_name(mask), entry->name, c.worst);
        fflush(stdout);
        failed += c.failures > 0;
    }
    running = "no kernel";
    return failed;
}

static int check_all(uint64_t seed, const char *filter)
{
    uint32_t masks[8];
    smg_kernels tables[8];
    int steps = smg_cpu_steps(masks), failed = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < steps; i++) {
        smg_kernels_init(&tables[i], masks[i]);
        failed += check_step(masks[i], i ? &tables[i - 1] : NULL, &tables[i], &tables[0], seed, filter);
    }
    if (failed)
        printf("%d kernels failed; again with --seed %llu\n", failed, (unsigned long long)seed);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = (uint64_t)time(NULL);
    const char *filter = "";
    bool bench = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0)
            bench = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else
            filter = argv[i];
    }
    signal(SIGILL, on_signal);
#if !defined(__SANITIZE_ADDRESS__)
    /* the sanitizer's own report says more */
    signal(SIGSEGV, on_signal);
    signal(SIGBUS, on_signal);
#endif
    return bench ? kernel_bench(filter) : check_all(seed, filter);
}
