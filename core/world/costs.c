/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * costs.c - measures what a world costs on this host, and decides from it how the two sides wait.
 *
 * Hand-over alone is timed with an empty list for the mapping thread; spinning is chosen where it is clearly faster.
 * How long to spin follows from the theory of competitive waiting (Karlin et al., SODA 1990): as long as sleeping and
 * being woken would cost, and one never pays more than twice the best. An exit is timed with a HLT in the hole, the
 * only instruction that a world without guest memory has.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <x86intrin.h>

#include "world/private.h"

#define ROUNDS     15
#define BATCH      32
#define PATIENT_NS 50000 /* while measuring; and the longest time ever spent in spinning */
#define SCRATCH    UINT64_C(0x10000000)

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Median time of `step`, in ns; the first two rounds warm up and don't count. */
static int median(struct world_space *space, int (*step)(struct world_space *, struct reason *), uint32_t *result,
                  struct reason *why)
{
    uint32_t times[ROUNDS];

    for (int i = -2; i < ROUNDS; i++) {
        uint64_t start = now_ns();
        int err = step(space, why);

        if (err)
            return err;
        times[i < 0 ? 0 : i] = (uint32_t)(now_ns() - start);
    }
    qsort(times, ROUNDS, sizeof times[0], compare);
    *result = times[ROUNDS / 2];
    return 0;
}

static int empty_list(struct world_space *space, struct reason *why)
{
    return handover_commands(space, why);
}

static int one_exit(struct world_space *space, struct reason *why)
{
    struct world_regs regs = {.rip = text_at(space->pool, world_die)};
    struct world_exit exit;
    int err = run_unchecked(space, &regs, &exit, why);

    if (err || exit.kind == WORLD_EXIT_KICKED)
        return err;
    if (exit.kind != WORLD_EXIT_EXCEPTION || exit.vector != VEC_GP)
        return fail(why, EIO, "world: HLT should be #GP, but exit %d, vector %u came", exit.kind, exit.vector);
    return 0;
}

/* One command: maps a page where none is, or unmaps it. Each median() call needs pages of its own to map. */
static int map_page(struct world_space *space, struct reason *why)
{
    uint64_t page = SCRATCH + 2 * PAGE_SIZE * space->map_number; /* changes with every command */
    int err = world_map(space, gva(page), 0, PAGE_SIZE, PROT_READ, WORLD_POPULATE, why);

    return err ? err : world_flush(space, why);
}

static int unmap_page(struct world_space *space, struct reason *why)
{
    uint64_t page = SCRATCH + 2 * PAGE_SIZE * (space->map_number - (ROUNDS + 2));
    int err = world_unmap(space, gva(page), PAGE_SIZE, why);

    return err ? err : world_flush(space, why);
}

static int map_batch(struct world_space *space, struct reason *why)
{
    for (uint64_t i = 0; i < BATCH; i++) {
        uint64_t page = SCRATCH + 2 * PAGE_SIZE * (BATCH * (uint64_t)space->map_number + i);
        int err = world_map(space, gva(page), 0, PAGE_SIZE, PROT_READ, WORLD_POPULATE, why);

        if (err)
            return err;
    }
    return world_flush(space, why);
}

/* TSC ticks and turns of entry.c's spin loop in PATIENT_NS. */
static void calibrate_spinning(uint32_t *ticks, uint32_t *turns)
{
    const unsigned sample = 1000;
    uint64_t start = now_ns(), tsc = __rdtsc(), ns;

    for (unsigned i = 0; i < sample; i++)
        _mm_pause();
    ns = now_ns() - start;
    ns = ns ? ns : 1;
    *ticks = (uint32_t)((__rdtsc() - tsc) * PATIENT_NS / ns);
    *turns = (uint32_t)(sample * (uint64_t)PATIENT_NS / ns);
}

static void set_patience(struct patience *patience, uint32_t most, uint32_t ns)
{
    *patience = (struct patience){.max = (uint32_t)((uint64_t)most * ns / PATIENT_NS)};
    patience->now = patience->max;
}

/* An empty command list and back, to a thread on this core or another one, which sleeps or spins (for `turns`). */
static int measure_handover(struct world_space *space, bool far, uint32_t ticks, uint32_t turns, uint32_t *result,
                            struct reason *why)
{
    struct world_pool *pool = space->pool;
    int err;

    pool->measuring = far;
    pool->map_spin = turns;
    set_patience(&pool->mapper, ticks, turns ? PATIENT_NS : 0);
    space->cpu = -1; /* place the threads anew */
    err = median(space, empty_list, result, why);
    pool->measuring = false;
    pool->map_spin = 0;
    set_patience(&pool->mapper, 0, 0);
    space->cpu = -1;
    return err;
}

/* Decides how to wait: measures all ways and sets the pool's patience. */
static int choose_waiting(struct world_pool *pool, struct world_space *space, struct reason *why)
{
    struct world_costs *costs = &pool->costs;
    uint32_t ticks, turns, longest;
    int err;

    calibrate_spinning(&ticks, &turns);
    err = measure_handover(space, false, 0, 0, &costs->handover_sleep, why);
    if (!err && costs->cores > 1)
        err = measure_handover(space, true, 0, 0, &costs->handover_far, why);
    if (!err && costs->cores > 1)
        err = measure_handover(space, true, ticks, turns, &costs->handover_spin, why);
    costs->spin = pool->options.wait == WORLD_WAIT_SPIN;
    if (pool->options.wait == WORLD_WAIT_AUTO)
        costs->spin = costs->cores > 1 && costs->handover_spin < costs->handover_sleep / 2;
    longest = costs->handover_far < PATIENT_NS ? costs->handover_far : PATIENT_NS;
    set_patience(&pool->vmm, ticks, costs->spin ? longest : 0);
    set_patience(&pool->guest, turns, costs->spin ? longest : 0);
    return err;
}

/* An exit, then stopping the guest thread, timed alone. */
static int measure_stop(struct world_space *space, uint32_t *result, struct reason *why)
{
    uint32_t times[ROUNDS];

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t start;
        int err = one_exit(space, why);

        start = now_ns();
        if (!err)
            err = handover_stop(space, why);
        if (err)
            return err;
        times[i] = (uint32_t)(now_ns() - start);
    }
    qsort(times, ROUNDS, sizeof times[0], compare);
    *result = times[ROUNDS / 2];
    return 0;
}

static int measure(struct world_pool *pool, struct reason *why)
{
    struct world_costs *costs = &pool->costs;
    struct world_space *space;
    uint64_t start;
    int err;

    start = now_ns();
    space = pool->spaces[0] = space_create(pool, why); /* stays, as this pool's first spare one */
    if (!space)
        return -EIO;
    costs->space = (uint32_t)(now_ns() - start);
    err = choose_waiting(pool, space, why);
    if (!err)
        err = median(space, one_exit, &costs->exit, why);
    if (!err)
        err = measure_stop(space, &costs->stop, why);
    if (!err)
        err = median(space, map_page, &costs->map_page, why);
    if (!err)
        err = median(space, unmap_page, &costs->unmap_page, why);
    if (!err)
        err = median(space, map_batch, &costs->map_batch, why);
    costs->map_batch /= BATCH;
    if (!err)
        err = world_unmap_all(space, why);
    if (!err)
        err = world_flush(space, why);
    world_log("cores %u, spin %d, hand-over %u/%u/%u ns, exit %u, stop %u, map %u, unmap %u, batch %u, space %u",
              costs->cores, costs->spin, costs->handover_spin, costs->handover_sleep, costs->handover_far, costs->exit,
              costs->stop, costs->map_page, costs->unmap_page, costs->map_batch, costs->space);
    return err;
}

/*
 * Measuring takes some milliseconds, and a process often makes a pool to see whether it can, and then another to use
 * it. What the same way of waiting costs on the same cores doesn't change in between, so it is measured once.
 */
static struct {
    bool valid;
    enum world_wait wait;
    struct world_costs costs;
    struct patience vmm, guest;
} kept;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

static bool take_kept(struct world_pool *pool)
{
    struct world_costs *costs = &pool->costs;
    bool traps_cpuid = costs->traps_cpuid;

    if (!kept.valid || kept.wait != pool->options.wait || kept.costs.cores != costs->cores ||
        kept.costs.fsgsbase != costs->fsgsbase)
        return false;
    *costs = kept.costs;
    costs->traps_cpuid = traps_cpuid; /* this pool's own choice */
    pool->vmm = kept.vmm;
    pool->guest = kept.guest;
    return true;
}

int costs_find(struct world_pool *pool, struct reason *why)
{
    cpu_set_t cores;
    int err = 0;

    pool->costs.cores = sched_getaffinity(0, sizeof cores, &cores) ? 1 : (unsigned)CPU_COUNT(&cores);
    pthread_mutex_lock(&kept_lock);
    if (!take_kept(pool)) {
        err = measure(pool, why);
        kept.valid = !err;
        kept.wait = pool->options.wait;
        kept.costs = pool->costs;
        kept.vmm = pool->vmm;
        kept.guest = pool->guest;
    }
    pthread_mutex_unlock(&kept_lock);
    pool->vmm.fixed = pool->guest.fixed = pool->options.together;
    return err;
}
