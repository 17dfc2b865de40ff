/* What a model needs, what this machine has, and the one decision whether it fits. */
#ifndef SMG_FIT_MEMORY_H
#define SMG_FIT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define SMG_MEMORY_UNKNOWN UINT64_MAX

/* Bytes, each part rounded up to what will be taken at most. */
typedef struct smg_memory_need {
    uint64_t weights;    /* the mapped file */
    uint64_t vocabulary; /* tokenizer and indices */
    uint64_t kv;
    uint64_t scratch;
    uint64_t program; /* code, data, stacks */
} smg_memory_need;

uint64_t smg_memory_total(const smg_memory_need *need);

/* Bytes of code and data of this program with all libraries that it brings, none of which is in RAM before it runs. Where
 * the library is a guest in somebody else's program, its own alone: the host is there with or without a model. */
uint64_t smg_memory_program(void);
/* What the stack of one thread takes at most: kernels keep what many tokens' products need there. */
#define SMG_MEMORY_STACK ((uint64_t)224 << 10)

typedef struct smg_memory_limits {
    uint64_t ram;       /* of the machine; SMG_MEMORY_UNKNOWN if the kernel does not say */
    uint64_t available; /* MemAvailable */
    uint64_t cgroup;    /* the tightest limit above this process, less what is used and cannot be dropped */
    uint64_t own;       /* the caller's own limit */
    uint64_t resident;  /* anonymous memory that this process really has now */
} smg_memory_limits;

/* Reads /proc/meminfo and the cgroup files (v1 and v2) below `root`, "" for the real ones. What cannot be
 * read stays unknown. */
void smg_memory_read(const char *root, smg_memory_limits *ret_limits);

/* `need` is everything together; `held` of it is allocated already, and as far as it is resident, MemAvailable and
 * the cgroup no longer count it as free. `force` skips only the rule of 70 % of RAM. `advice` ends the message: what
 * would fit. SMIDGE_E_NO_FIT with the numbers, or SMIDGE_OK. */
smidge_status smg_memory_check(const smg_memory_need *need, uint64_t held, const smg_memory_limits *limits,
                               bool force, const char *where, const char *advice, smidge_error *error)
    SMG_MUST_CHECK;

/* The most bytes that the limits allow for everything together, `held` included. */
uint64_t smg_memory_allowed(const smg_memory_limits *limits, uint64_t held, bool force);
/* The same, and which limit it is, in words; `ret_name` may be NULL. */
uint64_t smg_memory_binding(const smg_memory_limits *limits, uint64_t held, bool force,
                            const char **ret_name);

#endif
