/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.c - where user code runs: directly, or in software, which translates it too.
 *
 * A way out of the world costs a signal and a hand-over, some microseconds, and a translated system call tens of
 * nanoseconds; while translated code computes more slowly than the CPU does. Which is cheaper depends on the program,
 * on the host, and on what else the host has to do. So it is measured, on the program itself: a *cycle* lasts from one
 * entry into user mode to the next, whatever happens in between, user code, exits, kernel. The kernel's part is the
 * same both ways. So of two ways to run user code that one is better which makes the cycles shorter.
 *
 *     WAIT --(it is time)--> SAMPLE --(cycles timed)--> TRIAL --(shorter)--> DIRECT --(now and then, or when cycles
 *       ^                      |                         |                     ^  have become much shorter)--> SAMPLE
 *       +----------------------|---(not shorter)---------+                     |
 *                              +---(cycles are very long)----------------------+
 *
 * Compared is what is typical of some cycles, their lower quartile: one may have been long only because its code was
 * new to the translator, or because the host gave the CPU to somebody else. Very long ones aren't compared, since from
 * one timer interrupt to the next no way looks shorter than the other; there an exit is a trifle, and direct execution
 * right. (Unless it keeps trapping, on RDTSC say: policy_trap.) A process that waits for others or sleeps has no cycle
 * to be timed, and stays as it is. Nor is anything tried where a whole cycle is shorter than an exit, which is known
 * from the world's birth. A verdict is looked at again soon, and later and later as it holds.
 *
 * One account for each address space. New ones are translated at first: those that live briefly pay nothing.
 */
#include "full/direct/direct.h"
#include <stdlib.h>
#include <x86intrin.h>

#define NS_GRACE      50000   /* before the first look at an address space */
#define NS_WAIT_FIRST 2000000 /* behind a new verdict; then twice as long each time, up to */
#define NS_WAIT_MOST  128000000
#define NS_LONG       300000  /* a very long cycle */
#define NS_ENOUGH     2000000 /* timed for so long, a few cycles will do */
#define FEW           3
#define VERY_LONG     2  /* so many, one after the other, aren't by accident */
#define HOPELESS      2  /* a trial ends early if its first few cycles are so many times as long */
#define SKIPPED_MOST  24 /* cycles of a trial that are left out because of hidden faults: those of a beginning */
#define BROKEN_MOST   32 /* with those broken off by other address spaces or HLT: a look is given up */
#define TRAPS         32 /* judged together; */
#define TRAP_EXITS    5  /* too many if less than so many exits' time lies between two */

static uint64_t ticks_of(const struct direct *d, uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * d->cpu->host->tsc_hz / 1000000000u);
}

void policy_init(struct direct *d, enum direct_policy policy)
{
    d->policy.adaptive = policy == DIRECT_ADAPTIVE;
    d->policy.root = UINT64_MAX;
    d->policy.long_ticks = ticks_of(d, NS_LONG);
    d->cpu->user_direct = !d->policy.adaptive;
}

void policy_costs_known(struct direct *d)
{
    d->policy.exit_ticks = ticks_of(d, world_costs(d->pool)->exit);
}

/* ---- modes ---- */

static void forget_cycles(struct space_policy *p)
{
    p->count = p->very_long = 0;
    p->timed = 0;
}

static void set_mode(struct direct *d, struct space_policy *p, enum policy_mode mode)
{
    p->mode = mode;
    forget_cycles(p);
    p->skipped = 0;
    p->traps = 0;
    d->policy.begin = 0;                       /* a cycle belongs to one mode */
    d->cpu->user_direct = mode != POLICY_WAIT; /* else cycles aren't seen */
}

/* What the shadow holds goes, with its traces, or the kernel would go on paying for them. */
static void drop_shadow(struct direct *d)
{
    struct reason ignored;
    struct shadow *shadow = shadow_get(d->shadows, true, &ignored);
    if (shadow && shadow_drop(shadow, &ignored))
        shadow_forget(d->shadows, shadow_key(shadow));
}

/* Some verdict: it holds for a while; longer if it is what was found before. */
static void hold(struct direct *d, struct space_policy *p, bool same, uint64_t now)
{
    const uint64_t first = ticks_of(d, NS_WAIT_FIRST), most = ticks_of(d, NS_WAIT_MOST);
    p->wait = !same ? first : 2 * p->wait < most ? 2 * p->wait : most;
    p->due = now + p->wait;
}

static void give_up(struct direct *d, struct space_policy *p, uint64_t now)
{
    hold(d, p, !p->direct, now);
    p->direct = false;
    set_mode(d, p, POLICY_WAIT);
    drop_shadow(d);
}

static void go_direct(struct direct *d, struct space_policy *p, uint64_t best, uint64_t now)
{
    hold(d, p, p->direct, now);
    p->direct = true;
    p->best = best;
    set_mode(d, p, POLICY_DIRECT);
}

static void keep_verdict(struct direct *d, struct space_policy *p, uint64_t now)
{
    hold(d, p, true, now);
    set_mode(d, p, p->direct ? POLICY_DIRECT : POLICY_WAIT);
}

/* What is typical of cycles in the present mode is known. */
static void judge(struct direct *d, struct space_policy *p, uint64_t cycle, uint64_t now)
{
    if (cycle >= d->policy.long_ticks) {
        if (p->mode != POLICY_DIRECT)
            go_direct(d, p, d->policy.long_ticks / 2, now);
    } else if (p->mode == POLICY_SAMPLE && cycle <= d->policy.exit_ticks) {
        if (p->direct)
            give_up(d, p, now);
        else
            keep_verdict(d, p, now);
    } else if (p->mode == POLICY_SAMPLE) {
        p->translated = cycle;
        set_mode(d, p, POLICY_TRIAL);
    } else if (p->mode == POLICY_TRIAL && cycle < p->translated) {
        go_direct(d, p, cycle, now);
    } else if (p->mode == POLICY_TRIAL) {
        give_up(d, p, now);
    } else if (now >= p->due || cycle < p->best / 2) {
        set_mode(d, p, POLICY_SAMPLE);
    }
    forget_cycles(p);
}

/* ---- cycles ---- */

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool hopeless(const struct space_policy *p)
{
    bool all = p->mode == POLICY_TRIAL && p->count >= FEW;
    for (unsigned i = 0; i < p->count && all; i++)
        all = p->sample[i] >= HOPELESS * p->translated;
    return all;
}

static void add_cycle(struct direct *d, struct space_policy *p, uint64_t ticks, uint64_t now)
{
    p->sample[p->count++] = ticks;
    p->timed += ticks;
    p->very_long = ticks >= d->policy.long_ticks ? p->very_long + 1 : 0;
    if (p->very_long == VERY_LONG) {
        judge(d, p, ticks, now);
    } else if (p->count == POLICY_SAMPLES || hopeless(p) || (p->count >= FEW && p->timed >= ticks_of(d, NS_ENOUGH))) {
        qsort(p->sample, p->count, sizeof(p->sample[0]), compare);
        judge(d, p, p->sample[p->count / 4], now);
    }
}

static uint64_t kernel_returns(const struct direct *d)
{
    const struct exit_count *back = &d->cpu->stats->exits[EXIT_INDEX_KERNEL_RETURN];
    return back->taken + back->avoided;
}

/* Code that is translated without being timed shows up now and then. Has it not been in the kernel for very long? */
static void notice_computing(struct direct *d, struct space_policy *p, uint64_t now)
{
    struct policy *policy = &d->policy;
    const uint64_t returns = kernel_returns(d);
    if (!policy->begin || returns != policy->returns) {
        policy->begin = now;
        policy->returns = returns;
    } else if (now - policy->begin >= policy->long_ticks) {
        judge(d, p, now - policy->begin, now);
    }
}

/* User mode has been entered, or goes on. */
static void time_cycle(struct direct *d, struct space_policy *p, uint64_t now)
{
    struct policy *policy = &d->policy;
    const struct exit_count *exits = d->cpu->stats->exits;
    const uint64_t returns = kernel_returns(d), begin = policy->begin;
    const uint64_t halts = exits[EXIT_INDEX_HLT].taken + exits[EXIT_INDEX_HLT].avoided;
    const bool over = returns != policy->returns, halted = halts != policy->halts;
    const bool broken = !begin || halted;
    const bool skip = policy->hidden && p->mode == POLICY_TRIAL && p->skipped < SKIPPED_MOST;
    if (begin && !over) {
        if (now - begin >= policy->long_ticks) /* and no end of it */
            judge(d, p, now - begin, now);
        return;
    }
    policy->begin = now;
    policy->returns = returns;
    policy->halts = halts;
    policy->hidden = false;
    p->skipped += skip || broken;
    if (!skip && !broken)
        add_cycle(d, p, now - begin, now);
    else if (p->mode != POLICY_DIRECT && p->skipped > BROKEN_MOST)
        keep_verdict(d, p, now);
}

void policy_new_root(struct direct *d)
{
    const uint64_t root = d->cpu->paging.cr3 & PAGE_MASK;
    struct space_policy *p = &d->policy.space[(root >> PAGE_SHIFT) % ARRAY_SIZE(d->policy.space)];
    d->policy.root = d->cpu->paging.cr3;
    if (!d->policy.adaptive)
        return;
    if (p->root != root || !p->wait)
        *p = (struct space_policy){
            .root = root, .wait = ticks_of(d, NS_WAIT_FIRST), .due = __rdtsc() + ticks_of(d, NS_GRACE)};
    d->policy.present = p;
    d->policy.begin = 0;
    d->cpu->user_direct = p->mode != POLICY_WAIT;
}

bool policy_wants(struct direct *d)
{
    struct space_policy *p = d->policy.present;
    if (!d->policy.adaptive)
        return true;
    const uint64_t now = __rdtsc();
    if (p->mode != POLICY_WAIT)
        time_cycle(d, p, now);
    else if (now >= p->due)
        set_mode(d, p, POLICY_SAMPLE);
    else
        notice_computing(d, p, now);
    return p->mode == POLICY_TRIAL || p->mode == POLICY_DIRECT;
}

void policy_hidden_fault(struct direct *d)
{
    d->policy.hidden = true;
}

void policy_trap(struct direct *d)
{
    struct space_policy *p = d->policy.present;
    if (!d->policy.adaptive)
        return;
    const uint64_t now = __rdtsc();
    if (!p->traps++)
        p->traps_since = now;
    if (p->traps < TRAPS)
        return;
    if (now - p->traps_since < TRAPS * TRAP_EXITS * d->policy.exit_ticks)
        give_up(d, p, now);
    p->traps = 0;
}
