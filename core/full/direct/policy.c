/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.c - where user code runs: directly, or in software, which translates it too.
 *
 * A way out of the world costs a signal and a hand-over, some microseconds, and a translated system call tens of
 * nanoseconds; while translated code computes more slowly than the CPU does. So what decides is the length of a
 * *burst*, the time from entering the world to leaving it, whatever for. A burst of B costs B + E directly, E being the
 * exit, and S * B translated: they break even at B = E / (S - 1). E is measured when the world is made. S is a constant
 * here; docs/direct.md shows where it comes from.
 *
 * A burst is known exactly where code runs directly. To know it where code is translated, one has to try:
 *
 *     translated --(it is time)--> direct, with a small credit; each burst longer than the break-even adds to it,
 *          ^                         |    each shorter one takes away
 *          +---(no credit left)------+
 *
 * Credit has an upper bound, so that a change of habits is soon noticed, and so has what one burst can earn: one that
 * was long only because the host gave the CPU to somebody else must not count for many. Trials that fail become rare,
 * down to a fraction of a percent of the time.
 *
 * One account for each address space, since a process mostly goes on as it has begun. New ones are translated at first:
 * those that live briefly pay nothing.
 */
#include "full/direct/direct.h"
#include <x86intrin.h>

#define NS_GRACE      500000  /* before the first trial of an address space */
#define NS_WAIT_FIRST 4000000 /* behind a failed trial; then twice as long each time, up to */
#define NS_WAIT_MOST  128000000

/* The break-even in exits, 1 / (S - 1), for a slowdown S of 1.4. */
#define EVEN_NUMERATOR   5
#define EVEN_DENOMINATOR 2

/* In break-even bursts. A hidden fault is dear, too, but mostly one of a beginning. */
#define CREDIT_TRIAL    3
#define CREDIT_MOST     12
#define EARNED_MOST     1
#define HIDDEN_FRACTION 10 /* what a hidden fault costs: this fraction of one */

static uint64_t ticks_of(const struct direct *d, uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * d->cpu->host->tsc_hz / 1000000000u);
}

static void set_direct(struct direct *d, struct space_policy *p, bool direct)
{
    p->direct = direct;
    p->credit = CREDIT_TRIAL * d->policy.even_ticks;
    d->cpu->user_direct = direct;
}

void policy_init(struct direct *d, enum direct_policy policy)
{
    d->policy.adaptive = policy == DIRECT_ADAPTIVE;
    d->policy.root = UINT64_MAX;
    d->cpu->user_direct = !d->policy.adaptive;
}

void policy_costs_known(struct direct *d)
{
    d->policy.exit_ticks = (int64_t)ticks_of(d, world_costs(d->pool)->exit);
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
    d->cpu->user_direct = p->direct;
}

bool policy_wants(struct direct *d)
{
    struct space_policy *p = d->policy.present;
    if (!d->policy.adaptive)
        return true;
    if (!p->direct && __rdtsc() >= p->trial_at)
        set_direct(d, p, true);
    return p->direct;
}

/* What the shadow holds goes, with its traces, or the kernel would pay for them. */
static void give_up(struct direct *d, struct space_policy *p, struct shadow *shadow)
{
    struct reason ignored;
    const uint64_t most = ticks_of(d, NS_WAIT_MOST);
    p->trial_at = __rdtsc() + p->wait;
    p->wait = 2 * p->wait < most ? 2 * p->wait : most;
    set_direct(d, p, false);
    if (shadow_drop(shadow, &ignored))
        shadow_forget(d->shadows, shadow_key(shadow));
}

bool policy_learn(struct direct *d, struct shadow *shadow, uint64_t ticks, bool hidden)
{
    struct space_policy *p = d->policy.present;
    const int64_t even = d->policy.even_ticks, most = CREDIT_MOST * even;
    int64_t earned = (int64_t)ticks - d->policy.exit_ticks - even;
    if (!d->policy.adaptive)
        return true;
    if (hidden && earned < 0)
        earned = -even / HIDDEN_FRACTION;
    p->credit += earned < EARNED_MOST * even ? earned : EARNED_MOST * even;
    if (p->credit >= most) {
        p->credit = most;
        p->wait = ticks_of(d, NS_WAIT_FIRST);
    }
    if (p->credit > 0)
        return true;
    give_up(d, p, shadow);
    return false;
}
