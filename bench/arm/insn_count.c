/* A plugin for qemu-user that counts executed instructions per function, exactly, threads or not:
 *
 *     gcc -O2 -shared -fPIC -o insn_count.so insn_count.c
 *     qemu-aarch64 -cpu cortex-a76 -plugin ./insn_count.so,out=FILE PROGRAM...
 *
 * FILE gets "COUNT NAME" lines; what has no symbol (shared libraries, stripped code) counts as "?". Distributions
 * ship no qemu-plugin.h, so the few declarations that are needed stand here (version 1 of the interface). */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*fn)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*fn)(unsigned int, void *),
                                          int flags, void *data);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*fn)(plugin_id, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t number);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

/* One function. Blocks of code are translated under a lock of qemu's, so the list needs none. */
typedef struct function {
    struct function *next;
    const char *name;
    atomic_uint_fast64_t count;
} function;

/* What the callback of one block adds. A block lies within one function, but for tail ends. */
typedef struct block {
    function *owner;
    uint64_t instructions;
} block;

#define BUCKETS 1024
static function *buckets[BUCKETS];
static const char *out_path;

static function *find(const char *name)
{
    uint32_t hash = 5381;
    for (const char *p = name; *p != '\0'; p++)
        hash = hash * 33 + (unsigned char)*p;
    function **place = &buckets[hash % BUCKETS];
    for (function *f = *place; f != NULL; f = f->next)
        if (strcmp(f->name, name) == 0)
            return f;
    function *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        abort();
    fresh->name = strdup(name);
    fresh->next = *place;
    *place = fresh;
    return fresh;
}

static void on_run(unsigned int cpu, void *data)
{
    (void)cpu;
    const block *b = data;
    atomic_fetch_add_explicit(&b->owner->count, b->instructions, memory_order_relaxed);
}

static void on_translate(plugin_id id, struct qemu_plugin_tb *tb)
{
    (void)id;
    const char *name = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0));
    block *b = malloc(sizeof *b);
    if (b == NULL)
        abort();
    b->owner = find(name != NULL && *name != '\0' ? name : "?");
    b->instructions = qemu_plugin_tb_n_insns(tb);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_run, 0, b);
}

static void on_exit_of_program(plugin_id id, void *data)
{
    (void)id;
    (void)data;
    FILE *out = fopen(out_path, "w");
    if (out == NULL) {
        perror(out_path);
        return;
    }
    for (int i = 0; i < BUCKETS; i++)
        for (const function *f = buckets[i]; f != NULL; f = f->next)
            fprintf(out, "%" PRIu64 " %s\n", (uint64_t)f->count, f->name);
    fclose(out);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "out=", 4) == 0)
            out_path = strdup(argv[i] + 4);
    if (out_path == NULL) {
        fprintf(stderr, "insn_count: where to? (-plugin insn_count.so,out=FILE)\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_exit_of_program, NULL);
    return 0;
}
