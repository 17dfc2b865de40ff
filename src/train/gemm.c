#include "train/gemm.h"

#include "base/alloc.h"
#include "cpu/cpu.h"
#include "train/gemm_operand.h"

/* The blocks follow Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), with the roles of the
 * two sides left open: of each product the side with fewer rows is the standing one. In rounds, as much of it as fits
 * is packed into memory that all workers share (first phase); then each worker takes slabs of the other side, the
 * moving one, packs them for itself and multiplies them with all that stands (second phase). */

enum {
    SLAB = 256,     /* rows of a moving slab at most … */
    SLAB_F32 = 144, /* … where they take twice the space, if nothing forces more … */
    SLAB_NEAR = 96, /* … and where all that stands stays in the second cache if little else comes by */
    STRIPE = 96,    /* rows of the standing side that a kernel is called with: whole tiles of all paths */
    CHUNK = 64,     /* rows of the standing side that are packed as one unit of work */
    SHARES = 4,     /* units a worker should get at least of a round, so that none waits long for another */
    ENTRIES = 16    /* in a round at most */
};

#define FLOATS_BYTES ((size_t)SMG_GEMM_FLOATS * sizeof(float))
#define SLAB_BYTES ((size_t)SLAB * SMG_GEMM_DEPTH * sizeof(float))
#define OWN_BYTES (FLOATS_BYTES + SLAB_BYTES)
#define SHARED_BYTES ((size_t)4 << 20)
#define NEAR_BYTES ((size_t)5 << 18)

_Static_assert(OWN_BYTES % SMG_ALIGNMENT == 0, "what follows is aligned too");
_Static_assert(SLAB % SMG_QK_K == 0, "blocks are not cut");

/* All that a product's workers know. */
typedef struct gemm_job {
    const smg_kernels *kernels;
    smg_gemm_kind kind;
    const smg_gemm *list;
    int count;
    uint8_t *own; /* OWN_BYTES for each worker */
    uint8_t *shared;
    size_t shared_bytes;
} gemm_job;

typedef struct gemm_side {
    const smg_operand *operand;
    int64_t rows;
    smg_gemm_pack_fn pack;
} gemm_side;

/* A part of a product: some rows of its standing side, some of its depths, all of its moving side. */
typedef struct gemm_entry {
    const smg_gemm *gemm;
    gemm_side standing, moving;
    bool a_moves;
    int64_t begin, end; /* of the standing rows */
    int64_t k_begin, k_end;
    int64_t depth; /* of each stretch of k but the last */
    uint8_t *panels;
    int64_t chunk;
    int64_t chunks; /* units of packing: for each stretch, so many */
    int64_t pack_units;
} gemm_entry;

/* Entries that have the same moving side, which is packed once for all of them. */
typedef struct gemm_group {
    int first, count;
    size_t bytes; /* of all that stands */
    int64_t slab;
    int64_t units;
} gemm_group;

typedef struct gemm_round {
    gemm_entry entries[ENTRIES];
    int count;
    gemm_group groups[ENTRIES];
    int group_count;
    int64_t pack_units;
    int64_t units;
} gemm_round;

/* How far the rounds have come. */
typedef struct gemm_progress {
    int product;
    int64_t standing; /* rows of its standing side that are done */
    int64_t k;
} gemm_progress;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t pieces(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

static int64_t up_to(int64_t n, int64_t step)
{
    return pieces(n, step) * step;
}

/* How k is cut: so that two panels stay in the first cache, and into whole blocks of any type. The order of every sum
 * follows from it, so nothing but k may matter here. */
static int64_t depth_of(int64_t k)
{
    if (k <= SMG_GEMM_DEPTH)
        return k;
    if (k % SMG_QK_K == 0)
        return SMG_GEMM_DEPTH / SMG_QK_K * SMG_QK_K;
    return up_to(pieces(k, pieces(k, SMG_GEMM_DEPTH)), SMG_QK);
}

/* ---- Planning: all workers come to the same rounds, each for itself --------------------------------------- */

static bool same_operand(const smg_operand *x, const smg_operand *y)
{
    if (x->matrix != NULL || y->matrix != NULL)
        return x->matrix != NULL && y->matrix != NULL && x->matrix->data == y->matrix->data &&
               x->transposed == y->transposed;
    return x->data == y->data && x->outer_step == y->outer_step && x->depth_step == y->depth_step;
}

static bool same_a(const smg_gemm *x, const smg_gemm *y)
{
    return same_operand(&x->a, &y->a) && x->m == y->m && x->k == y->k;
}

static bool same_b(const smg_gemm *x, const smg_gemm *y)
{
    return same_operand(&x->b, &y->b) && x->n == y->n && x->k == y->k;
}

/* The larger side moves; but one that a neighbour in the list has too, where it is not much smaller. */
static bool a_moves(const gemm_job *job, int at)
{
    enum { MUCH = 4 };
    const smg_gemm *gemm = &job->list[at];
    bool a = false, b = false;
    for (int i = at - 1; i <= at + 1; i += 2) {
        if (i < 0 || i >= job->count)
            continue;
        a = a || same_a(gemm, &job->list[i]);
        b = b || same_b(gemm, &job->list[i]);
    }
    if (a != b && gemm->m < MUCH * gemm->n && gemm->n < MUCH * gemm->m)
        return a;
    return gemm->m >= gemm->n;
}

static void describe(const gemm_job *job, int at, gemm_entry *ret_entry)
{
    const smg_gemm *gemm = &job->list[at];
    const gemm_side a = {&gemm->a, gemm->m, job->kernels->gemm_pack_a[job->kind]};
    const gemm_side b = {&gemm->b, gemm->n, job->kernels->gemm_pack_b[job->kind]};
    const bool moves = a_moves(job, at);
    *ret_entry = (gemm_entry){.gemm = gemm,
                              .a_moves = moves,
                              .standing = moves ? b : a,
                              .moving = moves ? a : b,
                              .depth = depth_of(gemm->k)};
}

/* The next part of a product that fits into what is left of the shared memory; false when none does. */
static bool next_entry(const gemm_job *job, gemm_progress *progress, uint8_t *memory, size_t left,
                       gemm_entry *ret_entry)
{
    gemm_entry next;
    describe(job, progress->product, &next);
    const int64_t k = next.gemm->k;
    next.begin = progress->standing;
    next.end = next.standing.rows;
    next.k_begin = progress->k;
    const size_t panel = smg_panel_bytes(job->kind, least(next.depth, k - next.k_begin));
    const int64_t fit = (int64_t)(left / panel) * SMG_PANEL;
    int64_t rows = up_to(next.end - next.begin, SMG_PANEL);
    if (rows > fit) {
        if (left < job->shared_bytes) /* the next round has more room */
            return false;
        rows = fit / SLAB * SLAB;
        next.end = next.begin + rows;
    }
    const int64_t stretches = least(fit / rows, pieces(k - next.k_begin, next.depth));
    next.k_end = least(k, next.k_begin + stretches * next.depth);
    next.panels = memory;
    next.chunk = up_to(CHUNK, smg_operand_grain(next.standing.operand));
    next.chunks = pieces(next.end - next.begin, next.chunk);
    next.pack_units = next.chunks * stretches;
    *ret_entry = next;
    progress->k = next.k_end;
    if (progress->k == k) {
        progress->k = 0;
        progress->standing = next.end;
        if (next.end == next.standing.rows) {
            progress->standing = 0;
            progress->product++;
        }
    }
    return true;
}

static size_t entry_bytes(const gemm_job *job, const gemm_entry *entry)
{
    const int64_t rows = pieces(entry->end - entry->begin, SMG_PANEL);
    const int64_t k = entry->k_end - entry->k_begin, whole = k / entry->depth;
    return (size_t)rows * ((size_t)whole * smg_panel_bytes(job->kind, entry->depth) +
                           smg_panel_bytes(job->kind, k % entry->depth));
}

static bool moves_together(const gemm_entry *x, const gemm_entry *y)
{
    return x->a_moves == y->a_moves && same_operand(x->moving.operand, y->moving.operand) &&
           x->moving.rows == y->moving.rows && x->k_begin == y->k_begin && x->k_end == y->k_end &&
           x->depth == y->depth;
}

/* What lies across k is read in strips, which may not be narrow. */
static bool lies_along(const smg_operand *operand)
{
    return operand->matrix != NULL ? !operand->transposed : operand->depth_step == 1;
}

static int64_t most_rows(const gemm_job *job, const gemm_group *group, const gemm_entry *entry)
{
    if (group->bytes <= NEAR_BYTES && lies_along(entry->moving.operand))
        return SLAB_NEAR;
    return job->kind == SMG_GEMM_BF16 ? SLAB : SLAB_F32;
}

static void make_groups(const gemm_job *job, int workers, gemm_round *round)
{
    int64_t rows = 0;
    round->group_count = 0;
    for (int i = 0; i < round->count; i++) {
        const gemm_entry *entry = &round->entries[i];
        if (i == 0 || !moves_together(entry - 1, entry)) {
            round->groups[round->group_count++] = (gemm_group){.first = i};
            rows += entry->moving.rows;
        }
        gemm_group *group = &round->groups[round->group_count - 1];
        group->count++;
        group->bytes += entry_bytes(job, entry);
    }
    const int64_t tile = job->kind == SMG_GEMM_BF16 ? 2 * SMG_PANEL : 3 * SMG_PANEL;
    const int64_t share = workers == 1 ? SLAB : up_to(pieces(rows, (int64_t)workers * SHARES), tile);
    round->units = 0;
    for (int i = 0; i < round->group_count; i++) {
        gemm_group *group = &round->groups[i];
        const gemm_entry *entry = &round->entries[group->first];
        group->slab =
            up_to(least(share, most_rows(job, group, entry)), smg_operand_grain(entry->moving.operand));
        group->units = pieces(entry->moving.rows, group->slab);
        round->units += group->units;
    }
}

/* False when all is done. */
static bool next_round(const gemm_job *job, int workers, gemm_progress *progress, gemm_round *ret_round)
{
    uint8_t *memory = job->shared;
    size_t left = job->shared_bytes;
    ret_round->count = 0;
    ret_round->pack_units = 0;
    while (progress->product < job->count && ret_round->count < ENTRIES) {
        gemm_entry *entry = &ret_round->entries[ret_round->count];
        if (!next_entry(job, progress, memory, left, entry))
            break;
        ret_round->count++;
        ret_round->pack_units += entry->pack_units;
        const size_t bytes = entry_bytes(job, entry);
        memory += bytes;
        left -= bytes;
        if (progress->k != 0) /* more is to be added to the same outputs, which has to wait */
            break;
    }
    make_groups(job, workers, ret_round);
    return ret_round->count > 0;
}

/* ---- Working ----------------------------------------------------------------------------------------------- */

/* Where an entry's panels of the stretch that begins at k are. */
static uint8_t *stretch_panels(const gemm_job *job, const gemm_entry *entry, int64_t k)
{
    const int64_t before = (k - entry->k_begin) / entry->depth * pieces(entry->end - entry->begin, SMG_PANEL);
    return entry->panels + (size_t)before * smg_panel_bytes(job->kind, entry->depth);
}

static smg_packing packing_of(const gemm_job *job, const gemm_side *side, uint8_t *own)
{
    return (smg_packing){job->kernels, job->kind, side->pack, (float *)(void *)own};
}

static void pack_unit(const gemm_job *job, const gemm_round *round, int64_t unit, uint8_t *own)
{
    const gemm_entry *entry = round->entries;
    for (; unit >= entry->pack_units; entry++)
        unit -= entry->pack_units;
    const int64_t k = entry->k_begin + unit / entry->chunks * entry->depth;
    const int64_t k_end = least(k + entry->depth, entry->k_end);
    const int64_t row = unit % entry->chunks * entry->chunk;
    const int64_t end = least(entry->begin + row + entry->chunk, entry->end);
    uint8_t *to =
        stretch_panels(job, entry, k) + (size_t)(row / SMG_PANEL) * smg_panel_bytes(job->kind, k_end - k);
    const smg_packing packing = packing_of(job, &entry->standing, own);
    smg_operand_pack(entry->standing.operand, &packing, entry->begin + row, end, k, k_end, to);
}

/* A packed slab, rows begin .. begin+count-1 of the moving side, with all that stands of one entry. */
static void multiply(const gemm_job *job, const gemm_entry *entry, const uint8_t *slab, int64_t begin,
                     int64_t count, int64_t k, int64_t depth)
{
    const smg_gemm *gemm = entry->gemm;
    const size_t stripe_bytes = STRIPE / SMG_PANEL * smg_panel_bytes(job->kind, depth);
    const uint8_t *panels = stretch_panels(job, entry, k);
    const bool add = gemm->accumulate || k > 0;
    const smg_gemm_fn kernel = job->kernels->gemm[job->kind];
    for (int64_t row = entry->begin; row < entry->end; row += STRIPE, panels += stripe_bytes) {
        const int64_t rows = least(STRIPE, entry->end - row);
        if (entry->a_moves)
            kernel(depth, count, rows, slab, panels, gemm->scale, add,
                   gemm->out + (size_t)begin * gemm->out_stride + row, gemm->out_stride);
        else
            kernel(depth, rows, count, panels, slab, gemm->scale, add,
                   gemm->out + (size_t)row * gemm->out_stride + begin, gemm->out_stride);
    }
}

static void multiply_unit(const gemm_job *job, const gemm_round *round, int64_t unit, uint8_t *own)
{
    const gemm_group *group = round->groups;
    for (; unit >= group->units; group++)
        unit -= group->units;
    const gemm_entry *first = &round->entries[group->first];
    const int64_t begin = unit * group->slab, end = least(begin + group->slab, first->moving.rows);
    uint8_t *slab = own + FLOATS_BYTES;
    const smg_packing packing = packing_of(job, &first->moving, own);
    for (int64_t k = first->k_begin; k < first->k_end; k += first->depth) {
        const int64_t k_end = least(k + first->depth, first->k_end);
        smg_operand_pack(first->moving.operand, &packing, begin, end, k, k_end, slab);
        for (int i = 0; i < group->count; i++)
            multiply(job, first + i, slab, begin, end - begin, k, k_end - k);
    }
}

static void work(void *context, smg_worker *worker)
{
    const gemm_job *job = context;
    uint8_t *own = job->own + (size_t)worker->index * OWN_BYTES;
    gemm_progress progress = {0};
    gemm_round round;
    while (next_round(job, worker->count, &progress, &round)) {
        int64_t begin, end;
        while (smg_worker_next(worker, round.pack_units, 1, &begin, &end))
            pack_unit(job, &round, begin, own);
        if (smg_worker_barrier(worker))
            return;
        while (smg_worker_next(worker, round.units, 1, &begin, &end))
            multiply_unit(job, &round, begin, own);
        if (smg_worker_barrier(worker))
            return;
    }
}

/* ---- From outside ------------------------------------------------------------------------------------------ */

/* The reference path has it so that what it computes can be looked at. */
bool smg_gemm_has_bf16(const smg_kernels *kernels)
{
    return kernels->cpu_mask == SMG_CPU_REF || (kernels->cpu_mask & (SMG_CPU_AVX512BF16 | SMG_CPU_AMX)) != 0;
}

static gemm_job make_job(const smg_kernels *kernels, void *space, int workers, bool bf16,
                         const smg_gemm *list, int count)
{
    return (gemm_job){.kernels = kernels,
                      .kind = bf16 && smg_gemm_has_bf16(kernels) ? SMG_GEMM_BF16 : SMG_GEMM_F32,
                      .list = list,
                      .count = count,
                      .own = space,
                      .shared = (uint8_t *)space + (size_t)workers * OWN_BYTES,
                      .shared_bytes = (size_t)workers * SHARED_BYTES};
}

size_t smg_gemm_space(const smg_kernels *kernels, bool bf16)
{
    (void)kernels;
    (void)bf16;
    return OWN_BYTES + SHARED_BYTES;
}

smidge_status smg_gemm_run(const smg_kernels *kernels, smg_pool *pool, void *space, bool bf16,
                           const smg_gemm *list, int count, const smg_stop *stop)
{
    gemm_job job = make_job(kernels, space, smg_pool_threads(pool), bf16, list, count);
    return smg_pool_run(pool, work, &job, stop);
}

void smg_gemm_alone(const smg_kernels *kernels, void *space, bool bf16, const smg_gemm *gemm)
{
    const gemm_job job = make_job(kernels, space, 1, bf16, gemm, 1);
    gemm_progress progress = {0};
    gemm_round round;
    while (next_round(&job, 1, &progress, &round)) {
        for (int64_t unit = 0; unit < round.pack_units; unit++)
            pack_unit(&job, &round, unit, job.own);
        for (int64_t unit = 0; unit < round.units; unit++)
            multiply_unit(&job, &round, unit, job.own);
    }
}
