/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.c - where user code runs: directly, or in software, which translates it too.
 *
 * A way out of the world costs a signal and a hand-over, some microseconds, and a translated system call tens of
 * nanoseconds; while translated code computes somewhat slower than the CPU. So what decides is the length of a *burst*,
 * the time from entering the world to leaving it, whatever for. It is known exactly where code runs directly; to know
 * it where code is translated, one has to try:
 *
 *     TRANSLATED --(time for a trial)--> TRIAL --(long bursts)--> DIRECT
 *          ^                               |                         |
 *          +------(short bursts: wait twice as long)----- (short bursts)
 *
 * One state for each address space, since a process mostly goes on as it has begun; new ones are translated until they
 * have been seen for a while, so that those that live briefly pay nothing. Trials are short and become rare where they
 * fail, so that they cost less than a hundredth.
 *
 * The break-even: a burst of B in the world costs B + E there, with E for the exit, and S * B translated.
 * docs/direct.md shows how S was found and how the rule does; E is measured when the world is made.
 */
#include "full/direct/direct.h"
#include <x86intrin.h>

#define NS_GRACE      500000  /* a new address space is translated for so long */
#define NS_WAIT_FIRST 2000000 /* behind a failed trial; then twice as long each time, up to */
#define NS_WAIT_MOST  64000000
#define TRIAL_BURSTS  8
#define TRIAL_EXITS   64 /* hidden faults included */
#define WINDOW_EXITS  32 /* in direct mode, judged together */

/* B against E: 1 / (S - 1), for a slowdown S of 1.4. */
#define EVEN_NUMERATOR   5
#define EVEN_DENOMINATOR 2

static uint64_t ticks_of(const struct direct *d, uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * d->cpu->host->tsc_hz / 1000000000u);
}

static void set_mode(struct direct *d, struct space_policy *p, enum policy_mode mode)
{
    p->mode = mode;
    p->bursts = p->exits = 0;
    p->ticks = 0;
    d->cpu->user_direct = mode != POLICY_TRANSLATED;
}

void policy_init(struct direct *d, enum direct_policy policy)
{
    d->policy.adaptive = policy == DIRECT_ADAPTIVE;
    d->policy.root = UINT64_MAX;
    d->cpu->user_direct = !d->policy.adaptive;
}

void policy_costs_known(struct direct *d)
{
    d->policy.exit_ticks = ticks_of(d, world_costs(d->pool)->exit);
    d->policy.even_ticks = d->policy.exit_ticks * EVEN_NUMERATOR / EVEN_DENOMINATOR;
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
            .root = root, .wait = ticks_of(d, NS_WAIT_FIRST), .trial_at = __rdtsc() + ticks_of(d, NS_GRACE)};
    d->policy.present = p;
    d->cpu->user_direct = p->mode != POLICY_TRANSLATED;
}

bool policy_wants(struct direct *d)
{
    struct space_policy *p = d->policy.present;
    if (!d->policy.adaptive)
        return true;
    if (p->mode == POLICY_TRANSLATED && __rdtsc() >= p->trial_at)
        set_mode(d, p, POLICY_TRIAL);
    return p->mode != POLICY_TRANSLATED;
}

/* Bursts are short: no more of it, for a while. What the shadow holds goes, with its traces, or kernels would pay. */
static void give_up(struct direct *d, struct space_policy *p, struct shadow *shadow)
{
    struct reason ignored;
    const uint64_t most = ticks_of(d, NS_WAIT_MOST);
    p->trial_at = __rdtsc() + p->wait;
    p->wait = 2 * p->wait < most ? 2 * p->wait : most;
    set_mode(d, p, POLICY_TRANSLATED);
    if (shadow_drop(shadow, &ignored))
        shadow_forget(d->shadows, shadow_key(shadow));
}

bool policy_learn(struct direct *d, struct shadow *shadow, uint64_t ticks, bool hidden)
{
    struct space_policy *p = d->policy.present;
    if (!d->policy.adaptive)
        return true;
    const uint64_t exit = d->policy.exit_ticks;
    p->ticks += ticks > exit ? ticks - exit : 0;
    p->exits++;
    p->bursts += !hidden;
    if (p->mode == POLICY_TRIAL) {
        /* Its hidden faults are those of a beginning, and don't count unless there is no end of them. */
        if (p->bursts < TRIAL_BURSTS && p->exits < TRIAL_EXITS && p->ticks < 2 * TRIAL_BURSTS * d->policy.even_ticks)
            return true;
        if (p->ticks < d->policy.even_ticks * TRIAL_BURSTS) {
            give_up(d, p, shadow);
            return false;
        }
        p->wait = ticks_of(d, NS_WAIT_FIRST);
        set_mode(d, p, POLICY_DIRECT);
        return true;
    }
    if (p->exits < WINDOW_EXITS)
        return true;
    if (p->ticks < d->policy.even_ticks * WINDOW_EXITS / 2) { /* half: lest it go to and fro */
        give_up(d, p, shadow);
        return false;
    }
    set_mode(d, p, POLICY_DIRECT);
    return true;
}
