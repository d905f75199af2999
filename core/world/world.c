/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.c - pools of spaces, and world_run.
 *
 * A space's process is dear (execve, half a millisecond), emptying one is cheap: so processes are kept. A space that is
 * dropped becomes spare; when all are in use, the one unused for longest is emptied and given to the new key.
 *
 * Read next: handover.c (below world_run), exits.c.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "world/private.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH /* since Linux 5.11 */
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF          0
#endif

#define SPACES_DEFAULT 16
#define HWCAP2_RING3_FSGS                                                                                         \
    2                   /* AT_HWCAP2: the kernel has set CR4.FSGSBASE (Linux, arch/x86/include/uapi/asm/hwcap2.h) \
                         */
#define FRAMES_NESTED 2 /* a kick may interrupt the handling of another signal */

/* The lowest address that the host lets an ordinary process map. */
static uint64_t lowest_address(void)
{
    FILE *file = fopen("/proc/sys/vm/mmap_min_addr", "re");
    unsigned long long lowest = 0;

    if (!file || fscanf(file, "%llu", &lowest) != 1)
        lowest = 65536; /* what distributions set */
    if (file)
        fclose(file);
    lowest = (lowest + PAGE_SIZE - 1) & PAGE_MASK;
    return lowest > PAGE_SIZE ? lowest : PAGE_SIZE;
}

/* What XCR0 enables and fits (CPUID leaf 0xd: a component's size in EAX, its place in EBX). */
static void find_extended(struct world_pool *pool)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    for (unsigned i = 2; i < 32; i++) {
        unsigned size, place, ecx, edx;

        if (!(low & WORLD_EXTENDED & 1u << i))
            continue;
        __cpuid_count(0xd, i, size, place, ecx, edx);
        if (place < WORLD_XSTATE_BV + 64 || place + size > WORLD_XSAVE)
            continue;
        pool->extended |= UINT64_C(1) << i;
        if (place + size > pool->xsave_size)
            pool->xsave_size = place + size;
    }
}

static void look_at_host(struct world_pool *pool)
{
    uint8_t area[512] __attribute__((aligned(16)));
    unsigned eax, ebx, ecx = 0, edx;

    __asm__ volatile("fxsave64 %0" : "=m"(area));
    memcpy(&pool->mxcsr_mask, area + 28, sizeof pool->mxcsr_mask);
    if (!pool->mxcsr_mask)
        pool->mxcsr_mask = 0xffbf; /* SDM 1, 11.6.6 */
    pool->xsave = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & bit_OSXSAVE;
    if (pool->xsave)
        find_extended(pool);
    pool->costs.fsgsbase = !pool->options.no_fsgsbase && getauxval(AT_HWCAP2) & HWCAP2_RING3_FSGS;
    pool->user_dispatch = !prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
    /* Allowing CPUID, which is allowed already, fails where it can't be forbidden. */
    pool->costs.traps_cpuid = pool->options.trap_cpuid && !syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
}

static int check_options(struct world_options *options, struct reason *why)
{
    uint64_t frame = getauxval(AT_MINSIGSTKSZ);

    options->hole = options->hole ? options->hole : WORLD_HOLE;
    options->max_spaces = options->max_spaces ? options->max_spaces : SPACES_DEFAULT;
    if (options->max_spaces > WORLD_SPACES_MAX)
        return fail(why, EINVAL, "world: %u spaces: at most %d", options->max_spaces, WORLD_SPACES_MAX);
    if (options->hole % HOLE_SIZE || options->hole < HOLE_SIZE || options->hole > LOWER_HALF_END - 2 * HOLE_SIZE)
        return fail(why, EINVAL, "world: no hole can be at 0x%llx", (unsigned long long)options->hole);
    if (frame * FRAMES_NESTED > STACK_SIZE)
        return fail(why, ENOTSUP, "world: this CPU's signal frames of %llu bytes are too large",
                    (unsigned long long)frame);
    return 0;
}

struct world_pool *world_create(const struct world_options *options, struct reason *why)
{
    /* Two pools in one process have nothing in common but what costs.c has measured. */
    struct world_pool *pool = calloc(1, sizeof *pool);

    if (!pool) {
        fail(why, ENOMEM, "world: out of memory");
        return NULL;
    }
    pool->options = *options;
    pool->ram_fd = pool->image_fd = -1;
    if (check_options(&pool->options, why))
        goto failed;
    pool->lowest = lowest_address();
    look_at_host(pool);
    pool->ram_fd = fcntl(options->ram_fd, F_DUPFD_CLOEXEC, 0);
    if (pool->ram_fd < 0) {
        fail(why, errno, "world: guest RAM's descriptor: %s", strerror(errno));
        goto failed;
    }
    pool->image_fd = image_create(pool->options.hole, pool->options.calls, why);
    if (pool->image_fd < 0 || costs_find(pool, why))
        goto failed;
    return pool;

failed:
    world_destroy(pool);
    return NULL;
}

void world_destroy(struct world_pool *pool)
{
    if (!pool)
        return;
    place_vmm(pool, false);
    for (unsigned i = 0; i < WORLD_SPACES_MAX; i++) {
        if (pool->spaces[i])
            space_destroy(pool->spaces[i]);
    }
    if (pool->image_fd >= 0)
        close(pool->image_fd);
    if (pool->ram_fd >= 0)
        close(pool->ram_fd);
    free(pool);
}

static void remove_space(struct world_pool *pool, unsigned slot)
{
    if (pool->current == pool->spaces[slot])
        pool->current = NULL;
    space_destroy(pool->spaces[slot]);
    pool->spaces[slot] = NULL;
}

/* What the last owner's exits have left in the hole is no business of the next one's. */
static void forget_registers(struct world_space *space)
{
    struct world_report *report = (struct world_report *)(space->shared + FILE_REPORT);

    report->fs_base = report->gs_base = report->rflags = report->rip = 0;
    memset(report->gpr, 0, PAGE_SIZE - offsetof(struct world_report, gpr));
    memset(space->shared + FILE_STACK, 0, STACK_SIZE);
}

/* Gives space `slot` to `key`; its process may have to be made first. */
static struct world_space *assign(struct world_pool *pool, unsigned slot, uint64_t key, struct reason *why)
{
    struct world_space *space = pool->spaces[slot];

    if (space)
        forget_registers(space);
    else
        space = pool->spaces[slot] = space_create(pool, why);
    if (!space)
        return NULL;
    space->key = key;
    space->general = false;
    space->control->features &= ~(uint32_t)FEATURE_GENERAL;
    space->companion = 0;
    space->in_use = true;
    space->last_use = ++pool->uses;
    return space;
}

/* Empties the space; one that can't be emptied is destroyed, which empties it as well. */
static void empty(struct world_pool *pool, unsigned slot)
{
    struct world_space *space = pool->spaces[slot];

    space->in_use = false;
    if (world_unmap_all(space, NULL) || world_flush(space, NULL))
        remove_space(pool, slot);
}

struct world_space *world_space_find(struct world_pool *pool, uint64_t key)
{
    for (unsigned i = 0; i < pool->options.max_spaces; i++) {
        struct world_space *space = pool->spaces[i];

        if (space && space->in_use && space->key == key)
            return space;
    }
    return NULL;
}

struct world_space *world_space_get(struct world_pool *pool, uint64_t key, bool *fresh, struct reason *why)
{
    struct world_space *space;
    unsigned spare = pool->options.max_spaces, room = spare, oldest = 0;

    for (unsigned i = 0; i < pool->options.max_spaces; i++) {
        if (pool->spaces[i] && pool->spaces[i]->lost && (!pool->spaces[i]->in_use || pool->spaces[i]->key == key))
            remove_space(pool, i);
        space = pool->spaces[i];
        if (space && space->in_use && space->key == key) {
            *fresh = false;
            space->last_use = ++pool->uses;
            return space;
        }
        if (!space)
            room = i;
        else if (!space->in_use)
            spare = i;
        else if (!pool->spaces[oldest] || space->last_use < pool->spaces[oldest]->last_use)
            oldest = i;
    }
    *fresh = true;
    if (spare < pool->options.max_spaces)
        return assign(pool, spare, key, why);
    if (room < pool->options.max_spaces)
        return assign(pool, room, key, why);
    if (pool->options.forget)
        pool->options.forget(pool->options.context, pool->spaces[oldest]->key);
    empty(pool, oldest);
    return assign(pool, oldest, key, why);
}

void world_space_near(struct world_space *space, bool near)
{
    if (space->near != near)
        space->cpu = -1; /* place the threads anew */
    space->near = near;
}

void world_space_general(struct world_space *space)
{
    space->general = true;
    space->control->features |= FEATURE_GENERAL;
}

uint64_t world_call_at(const struct world_pool *pool)
{
    return text_at(pool, world_call);
}

void world_space_join(struct world_space *space, int pid)
{
    if (space->companion != pid) {
        space->cpu = -1;              /* place both */
        space->pool->crowd.since = 0; /* its time counts from now on */
    }
    space->companion = pid;
}

void world_space_drop(struct world_space *space)
{
    struct world_pool *pool = space->pool;

    for (unsigned i = 0; i < pool->options.max_spaces; i++) {
        if (pool->spaces[i] == space)
            empty(pool, i);
    }
}

int world_space_pid(const struct world_space *space)
{
    return space->pid;
}

bool world_spins(const struct world_pool *pool)
{
    return pool->costs.spin && !pool->crowd.crowded;
}

const struct world_costs *world_costs(const struct world_pool *pool)
{
    return &pool->costs;
}

int run_unchecked(struct world_space *space, struct world_regs *regs, struct world_exit *exit, struct reason *why)
{
    struct world_pool *pool = space->pool;
    int err = world_flush(space, why);

    if (!err && !pool->options.together && pool->current && pool->current != space && !pool->current->lost &&
        handover_stop(pool->current, NULL))
        pool->current =
            NULL; /* lost, and dead at the latest when it is got again; but it must not run beside this one */
    if (err)
        return err;
    pool->current = space;
    space->last_use = ++pool->uses;
    if (atomic_exchange(&pool->kicked, false)) {
        *exit = (struct world_exit){.kind = WORLD_EXIT_KICKED};
        return 0;
    }
    exits_enter(space, regs);
    err = handover_enter(space, why);
    if (!err)
        err = handover_wait(space, why);
    if (!err)
        err = exits_decode(space, regs, exit, why);
    if (!err && exit->kind == WORLD_EXIT_KICKED)
        atomic_store(&pool->kicked, false);
    return err;
}

uint64_t world_yield_at(const struct world_pool *pool)
{
    return text_at(pool, world_yield);
}

/* A kick may have found the thread there; it goes on where it was. */
static bool yields(const struct world_pool *pool, uint64_t rip)
{
    return pool->options.yield && rip - text_at(pool, world_yield) < (uint64_t)(world_call - world_yield);
}

static int check_entry(const struct world_space *space, const struct world_regs *regs, struct reason *why)
{
    const struct world_pool *pool = space->pool;

    if (!canonical(regs->rip) || !canonical(regs->fs_base) || !canonical(regs->gs_base))
        return fail(why, EINVAL, "world: can't enter at 0x%llx: RIP or a segment's base isn't canonical",
                    (unsigned long long)regs->rip);
    if ((in_hole(pool, regs->rip) && !yields(pool, regs->rip)) || in_hole(pool, regs->gpr[RSP]))
        return fail(why, EINVAL, "world: can't enter at 0x%llx: RIP or RSP is in the hole",
                    (unsigned long long)regs->rip);
    return 0;
}

int world_run(struct world_space *space, struct world_regs *regs, struct world_exit *exit, struct reason *why)
{
    int err = check_entry(space, regs, why);

    return err ? err : run_unchecked(space, regs, exit, why);
}

int world_begin(struct world_space *space, const struct world_regs *regs, struct reason *why)
{
    int err = check_entry(space, regs, why);

    if (!err)
        err = world_flush(space, why);
    if (err)
        return err;
    space->last_use = ++space->pool->uses;
    exits_enter(space, regs);
    err = handover_enter(space, why);
    space->entered = !err;
    return err;
}

int world_end(struct world_space *space, struct world_regs *regs, struct world_exit *exit, struct reason *why)
{
    int err;

    space->entered = false;
    err = handover_wait(space, why);
    return err ? err : exits_decode(space, regs, exit, why);
}

bool world_has_left(const struct world_space *space)
{
    return space->report->turn == space->entry;
}

void world_kick_entered(struct world_space *space)
{
    handover_kick(space);
}

void world_kick(struct world_pool *pool)
{
    struct world_space *space;

    atomic_fetch_add(&pool->kickers, 1);
    atomic_store(&pool->kicked, true);
    space = atomic_load(&pool->running);
    if (space)
        handover_kick(space);
    atomic_fetch_sub(&pool->kickers, 1);
}
