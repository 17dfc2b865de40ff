#include "fit/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"

/* Of RAM: the rest is for the system and for the application that asks. */
#define SHARE_PERCENT 70
#define PATH_ROOM 1024
/* cgroup v1 states "no limit" as a number close to the largest there is. */
#define NO_LIMIT (UINT64_C(1) << 60)

/* ---- Reading ------------------------------------------------------------------------------------------ */

/* A small kernel file; false if it cannot be read. */
static bool read_text(const char *path, char *ret_text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t size = 0;
    while (size < room - 1) {
        ssize_t count = read(fd, ret_text + size, room - 1 - size);
        if (count <= 0)
            break;
        size += (size_t)count;
    }
    close(fd);
    ret_text[size] = '\0';
    return size > 0;
}

/* The number that `text` begins with; SMG_MEMORY_UNKNOWN if there is none or it is too large to be meant. */
static uint64_t parse_number(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    if (*text < '0' || *text > '9')
        return SMG_MEMORY_UNKNOWN;
    uint64_t number = strtoull(text, NULL, 10);
    return number >= NO_LIMIT ? SMG_MEMORY_UNKNOWN : number;
}

/* The number behind `name` at the start of a line; SMG_MEMORY_UNKNOWN if there is none. */
static uint64_t number_after(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, name, length) == 0)
            return parse_number(line + length);
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return SMG_MEMORY_UNKNOWN;
}

static uint64_t read_number(const char *directory, const char *file)
{
    char path[PATH_ROOM + 64];
    char text[64];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    if (!read_text(path, text, sizeof text))
        return SMG_MEMORY_UNKNOWN;
    return parse_number(text); /* "max" is none */
}

typedef struct cgroup_files {
    const char *limit;
    const char *soft; /* from which on the kernel slows a group down until hardly anything runs; NULL: none */
    const char
        *unseen; /* in memory.stat: the tightest limit above, also where a namespace hides it; NULL: none */
    const char *use;
    const char *inactive; /* in memory.stat: file pages that are dropped before anything is killed */
    const char *active;
} cgroup_files;

static const cgroup_files version_1 = {"memory.limit_in_bytes",      NULL,
                                       "hierarchical_memory_limit ", "memory.usage_in_bytes",
                                       "total_inactive_file ",       "total_active_file "};
static const cgroup_files version_2 = {"memory.max",     "memory.high",    NULL,
                                       "memory.current", "inactive_file ", "active_file "};

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What one cgroup leaves. Swap is not counted: weights that go there and back are no use. */
static uint64_t cgroup_left(const char *directory, const cgroup_files *files)
{
    uint64_t limit = read_number(directory, files->limit);
    uint64_t use = read_number(directory, files->use);
    if (files->soft != NULL)
        limit = smaller(limit, read_number(directory, files->soft));
    char path[PATH_ROOM + 64];
    char text[8192];
    uint64_t droppable = 0;
    snprintf(path, sizeof path, "%s/memory.stat", directory);
    if (read_text(path, text, sizeof text)) {
        uint64_t inactive = number_after(text, files->inactive);
        uint64_t active = number_after(text, files->active);
        droppable += inactive == SMG_MEMORY_UNKNOWN ? 0 : inactive;
        droppable += active == SMG_MEMORY_UNKNOWN ? 0 : active;
        if (files->unseen != NULL)
            limit = smaller(limit, number_after(text, files->unseen));
    }
    if (limit == SMG_MEMORY_UNKNOWN || use == SMG_MEMORY_UNKNOWN)
        return SMG_MEMORY_UNKNOWN;
    use = use > droppable ? use - droppable : 0;
    return limit > use ? limit - use : 0;
}

/* The tightest of a cgroup and all above it: `directory` is cut level by level down to `top` bytes. */
static uint64_t tightest(char *directory, size_t top, const cgroup_files *files)
{
    uint64_t left = SMG_MEMORY_UNKNOWN;
    for (;;) {
        uint64_t here = cgroup_left(directory, files);
        left = here < left ? here : left;
        char *slash = strrchr(directory, '/');
        if (slash == NULL || (size_t)(slash - directory) < top)
            return left;
        *slash = '\0';
    }
}

/* Whether "memory" is one of the controllers "a,b,c" between `list` and `end`. */
static bool lists_memory(const char *list, const char *end)
{
    const size_t length = strlen("memory");
    for (const char *at = list; at < end; at++) {
        bool starts = at == list || at[-1] == ',';
        if (starts && (size_t)(end - at) >= length && memcmp(at, "memory", length) == 0 &&
            (at[length] == ',' || at + length == end))
            return true;
    }
    return false;
}

/* Lines of /proc/self/cgroup: "0::/path" for version 2, "N:memory:/path" for version 1. */
static uint64_t read_cgroups(const char *root)
{
    char path[PATH_ROOM];
    char text[4096];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (!read_text(path, text, sizeof text))
        return SMG_MEMORY_UNKNOWN;
    uint64_t left = SMG_MEMORY_UNKNOWN;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        const char *controllers = strchr(line, ':');
        const char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (group == NULL)
            continue;
        bool second = strncmp(controllers, "::", 2) == 0;
        bool memory = lists_memory(controllers + 1, group);
        if (!second && !memory)
            continue;
        int top = snprintf(path, sizeof path, "%s/sys/fs/cgroup%s", root, second ? "" : "/memory");
        if (strlen(group + 1) >= sizeof path - (size_t)top)
            continue;
        /* "/.." begins what lies outside of this process's namespace: it sees no more than the top. */
        const bool outside = strcmp(group + 1, "/") == 0 || strncmp(group + 1, "/..", 3) == 0;
        snprintf(path + top, sizeof path - (size_t)top, "%s", outside ? "" : group + 1);
        uint64_t here = tightest(path, (size_t)top, second ? &version_2 : &version_1);
        left = here < left ? here : left;
    }
    return left;
}

/* /proc/self/statm counts pages: total, resident, shared with files. */
static uint64_t read_resident(const char *root)
{
    char path[PATH_ROOM];
    char text[256];
    snprintf(path, sizeof path, "%s/proc/self/statm", root);
    if (!read_text(path, text, sizeof text))
        return 0;
    char *first;
    char *second;
    char *end;
    (void)strtoull(text, &first, 10);
    const unsigned long long resident = strtoull(first, &second, 10);
    const unsigned long long shared = strtoull(second, &end, 10);
    if (second == first || end == second)
        return 0;
    uint64_t bytes;
    if (resident <= shared || !smg_checked_mul(resident - shared, (uint64_t)sysconf(_SC_PAGESIZE), &bytes))
        return 0;
    return bytes;
}

void smg_memory_read(const char *root, smg_memory_limits *ret_limits)
{
    char path[PATH_ROOM];
    char text[4096];
    *ret_limits = (smg_memory_limits){.ram = SMG_MEMORY_UNKNOWN,
                                      .available = SMG_MEMORY_UNKNOWN,
                                      .cgroup = SMG_MEMORY_UNKNOWN,
                                      .own = SMG_MEMORY_UNKNOWN};
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (read_text(path, text, sizeof text)) {
        uint64_t ram = number_after(text, "MemTotal:");
        uint64_t available = number_after(text, "MemAvailable:");
        ret_limits->ram = ram > NO_LIMIT / 1024 ? SMG_MEMORY_UNKNOWN : ram * 1024;
        ret_limits->available = available > NO_LIMIT / 1024 ? SMG_MEMORY_UNKNOWN : available * 1024;
    }
    ret_limits->cgroup = read_cgroups(root);
    ret_limits->resident = read_resident(root);
}

/* ---- The program -------------------------------------------------------------------------------------- */

typedef struct program_size {
    uintptr_t page;
    uint64_t all;
    uint64_t own; /* of the object that holds this very code */
    bool own_is_main;
    bool main_seen;
} program_size;

static int add_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    program_size *sum = context;
    uintptr_t here = (uintptr_t)&smg_memory_program;
    uint64_t bytes = 0;
    bool own = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD)
            continue;
        uintptr_t start = (uintptr_t)info->dlpi_addr + (uintptr_t)info->dlpi_phdr[i].p_vaddr;
        uintptr_t end = start + (uintptr_t)info->dlpi_phdr[i].p_memsz;
        own = own || (here >= start && here < end);
        bytes += ((end + sum->page - 1) & ~(sum->page - 1)) - (start & ~(sum->page - 1));
    }
    sum->all += bytes;
    if (own) {
        sum->own = bytes;
        sum->own_is_main = !sum->main_seen; /* the program itself is always the first */
    }
    sum->main_seen = true;
    return 0;
}

uint64_t smg_memory_program(void)
{
    program_size sum = {.page = (uintptr_t)sysconf(_SC_PAGESIZE)};
    dl_iterate_phdr(add_object, &sum);
    return sum.own_is_main ? sum.all : sum.own;
}

/* ---- Deciding ----------------------------------------------------------------------------------------- */

uint64_t smg_memory_total(const smg_memory_need *need)
{
    uint64_t total;
    if (!smg_checked_add(need->weights, need->vocabulary, &total) ||
        !smg_checked_add(total, need->kv, &total) || !smg_checked_add(total, need->scratch, &total) ||
        !smg_checked_add(total, need->program, &total))
        return UINT64_MAX;
    return total;
}

static uint64_t with_held(uint64_t left, uint64_t held)
{
    return left > SMG_MEMORY_UNKNOWN - held ? SMG_MEMORY_UNKNOWN : left + held;
}

static uint64_t share_of_ram(const smg_memory_limits *limits)
{
    return limits->ram == SMG_MEMORY_UNKNOWN ? SMG_MEMORY_UNKNOWN : limits->ram / 100 * SHARE_PERCENT;
}

uint64_t smg_memory_binding(const smg_memory_limits *limits, uint64_t held, bool force, const char **ret_name)
{
    held = held < limits->resident ? held : limits->resident;
    const struct {
        uint64_t bytes;
        const char *name;
    } all[] = {
        {force ? SMG_MEMORY_UNKNOWN : share_of_ram(limits), "70 % of RAM"},
        {with_held(limits->available, held), "memory available now"},
        {with_held(limits->cgroup, held), "what the control group leaves"},
        {limits->own, "the memory limit given"},
    };
    size_t least = 0;
    for (size_t i = 1; i < sizeof all / sizeof *all; i++)
        least = all[i].bytes < all[least].bytes ? i : least;
    if (ret_name != NULL)
        *ret_name = all[least].name;
    return all[least].bytes;
}

uint64_t smg_memory_allowed(const smg_memory_limits *limits, uint64_t held, bool force)
{
    return smg_memory_binding(limits, held, force, NULL);
}

smidge_status smg_memory_check(const smg_memory_need *need, uint64_t held, const smg_memory_limits *limits,
                               bool force, const char *where, const char *advice, smidge_error *error)
{
    const char *name = "";
    uint64_t allowed = smg_memory_binding(limits, held, force, &name);
    uint64_t total = smg_memory_total(need);
    if (total <= allowed)
        return SMIDGE_OK;
    const double mib = 1048576.0;
    return smg_error_set(
        error, SMIDGE_E_NO_FIT, where,
        "needs %.1f MiB (weights %.1f, KV cache %.1f, scratch %.1f, vocabulary %.1f, program %.1f) but %s is "
        "%.1f MiB (%s)",
        (double)total / mib, (double)need->weights / mib, (double)need->kv / mib, (double)need->scratch / mib,
        (double)need->vocabulary / mib, (double)need->program / mib, name, (double)allowed / mib, advice);
}
