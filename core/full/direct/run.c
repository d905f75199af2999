/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - the executor: may the guest's code go directly, and the loop of entering and leaving the world.
 *
 * The run loop of core/x86 calls direct_run() whenever the next instruction is to be found. Next: exits.c.
 */
#include "full/direct/direct.h"
#include "x86/insn.h"
#include <errno.h>
#include <stdlib.h>

#define TRIES_MAX 4 /* to make a space anew, after errors */

/* ---- may it? ---- */

/* Of RFLAGS exactly IF: the world's own flags are like that, and PUSHF tells of them. AC would be #AC there. */
#define FLAGS_MATTER (FLAG_IF | FLAG_IOPL | FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | FLAG_AC | FLAG_VIF | FLAG_VIP)
/* SSE and x87 are there, as in any process. */
#define CR0_MATTERS (CR0_PG | CR0_PE | CR0_EM | CR0_TS)

/*
 * Would a process of the host see what the guest's CPU now shows? With an instruction budget every instruction must be
 * counted: software's affair.
 */
static bool fits(const struct cpu *cpu)
{
    const struct paging *p = &cpu->paging;
    return cpu->cpl == 3 && cpu->code_size == CODE64 && cpu->icount_limit == UINT64_MAX &&
           (cpu->sysflags & FLAGS_MATTER) == FLAG_IF && (p->cr0 & CR0_MATTERS) == (CR0_PG | CR0_PE) &&
           (p->cr4 & CR4_OSFXSR) && (p->efer & EFER_SCE);
}

/* SDM 3, tables 4-12 and 4-15. */
#define ROOT_ADDRESS  UINT64_C(0x000ffffffffff000)
#define ENTRY_PRESENT 1u

/*
 * Has the guest mapped something where the world's own pages are? An access there wouldn't fault. (Nor does one that
 * should: world.h, "the hole".) Mostly the answer is in the root table.
 */
static bool uses_hole(const struct cpu *cpu)
{
    const struct paging *p = &cpu->paging;
    const gpa_t entry = gpa((p->cr3 & ROOT_ADDRESS) + 8 * (WORLD_HOLE >> 39 & 511));
    const uint64_t *root = ram_at(cpu->host->ram, entry, sizeof(*root));
    struct translation t;
    if (!root || !(*root & ENTRY_PRESENT))
        return false;
    for (uint64_t at = 0; at < WORLD_HOLE_SIZE; at += PAGE_SIZE)
        if (mmu_peek(p, cpu->host->ram, gva(WORLD_HOLE + at), &t))
            return true;
    return false;
}

/* ---- entering and leaving ---- */

/* The engine itself can't go on. */
static bool failed(struct cpu *cpu, const struct reason *why)
{
    cpu->exit->kind = VM_EXIT_ERROR;
    cpu->exit->why = *why;
    cpu->exit_ready = true;
    return true;
}

/* The process is dead: guest code has jumped into the hole. Its registers are lost: it gets #GP where it was entered.
 */
static bool process_lost(struct cpu *cpu)
{
    cpu->event = (struct pending_event){.valid = true, .vector = VEC_GP, .type = EVENT_EXCEPTION, .has_error = true};
    cpu->trapped = true;
    return true;
}

static bool go_on(struct cpu *cpu, enum next next)
{
    if (next == NEXT_ALONE) {
        cpu->trapped = true;
        cpu_run_next_alone(cpu);
    }
    return next != NEXT_SOFTWARE;
}

/* Back at an instruction that has faulted: without this it would fault once more, because of the shadow. */
static int fill_ahead(struct direct *d, struct shadow *shadow, struct reason *why)
{
    if (d->faulted.rip != d->regs.rip || d->faulted.cr3 != d->cpu->paging.cr3)
        return 0;
    d->faulted.rip = UINT64_MAX;
    int answer = shadow_fill_ahead(shadow, gva(d->faulted.address), d->faulted.access, why);
    return answer < 0 ? answer : 0;
}

/* Enters until something is to be done outside. An enum next, or -errno with why; -EAGAIN: try with a new space. */
static int enter(struct direct *d, const struct direct_space *s, struct reason *why)
{
    struct cpu *cpu = d->cpu;
    struct world_exit exit;
    for (;;) {
        int err = shadow_sync(s->shadow, why);
        if (!err)
            err = fill_ahead(d, s->shadow, why);
        if (err)
            return err;
        err = world_run(s->space, &d->regs, &exit, why);
        if (err == -EINVAL) { /* RSP in the hole, or a base that isn't canonical */
            state_from_world(cpu, &d->regs);
            return NEXT_ALONE;
        }
        if (err)
            return err == -EIO ? err : -EAGAIN;
        int next = direct_exit(d, s, &exit, why);
        if (next != NEXT_ENTER)
            return next;
        policy_hidden_fault(d);
        if (cpu->attention) {
            state_from_world(cpu, &d->regs);
            return NEXT_LOOK;
        }
    }
}

static bool run_in_world(struct cpu *cpu)
{
    struct direct *d = direct_of(cpu);
    struct direct_space s;
    struct reason why = {""};
    if (d->hooks)
        d->hooks->entering(d);
    state_to_world(cpu, &d->regs);
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        if (space_present(d, &s, &why))
            return failed(cpu, &why);
        int next = enter(d, &s, &why);
        if (next >= 0)
            return go_on(cpu, next);
        if (next == -EIO)
            return process_lost(cpu);
        if (next != -EAGAIN)
            break;
        shadow_forget(d->shadows, shadow_key(s.shadow)); /* nothing is mapped there any more */
    }
    return failed(cpu, &why);
}

/* Has it been entered twice here without effect (exits.c)? Then software takes the next step. */
static bool is_stuck(struct direct *d)
{
    const struct cpu *cpu = d->cpu;
    if (likely(d->stuck.times < 2) || d->stuck.rip != cpu->rip || d->stuck.cr3 != cpu->paging.cr3)
        return false;
    d->stuck.times = 0;
    return true;
}

/* It could be entered, but must not. */
static bool must_stay_out(struct direct *d)
{
    const struct cpu *cpu = d->cpu;
    const bool sensitive = (cpu->rip & PAGE_MASK) == d->sensitive.page && cpu->paging.cr3 == d->sensitive.cr3;
    return sensitive || uses_hole(cpu) || is_stuck(d);
}

static bool direct_run(struct cpu *cpu)
{
    struct direct *d = direct_of(cpu);
    struct reason why = {""};
    if (unlikely(cpu->paging.cr3 != d->policy.root))
        policy_new_root(d);
    if (!(d->hooks ? d->hooks->fits : fits)(cpu))
        return false;
    /* The world measures itself for some milliseconds: better now, when the first process starts, than in its midst. */
    if (unlikely(!d->pool) && space_pool(d, &why))
        return failed(cpu, &why);
    return policy_wants(d) && !must_stay_out(d) && run_in_world(cpu);
}

static void direct_kick(struct cpu *cpu)
{
    struct world_pool *pool = direct_of(cpu)->pool;
    if (pool)
        world_kick(pool);
}

/* ---- life ---- */

int direct_probe(struct reason *why)
{
    return world_probe(why);
}

int direct_create(struct cpu *cpu, enum direct_policy policy, struct reason *why)
{
    struct direct *d = calloc(1, sizeof(*d));
    if (!d)
        return fail(why, ENOMEM, "not enough memory for direct execution");
    *d = (struct direct){.executor = {.run = direct_run, .kick = direct_kick}, .cpu = cpu};
    d->sensitive.page = d->faulted.rip = UINT64_MAX;
    cpu->executor = &d->executor;
    d->scan = scan_create(cpu->host->ram, why);
    if (!d->scan || space_ops_create(d, why)) {
        direct_destroy(cpu);
        return -ENOMEM;
    }
    cpu->watch = shadow_watch(d->shadows);
    policy_init(d, policy);
    return 0;
}

void direct_destroy(struct cpu *cpu)
{
    struct direct *d = cpu ? direct_of(cpu) : NULL;
    if (!d)
        return;
    cpu->executor = NULL;
    cpu->watch = NULL;
    world_destroy(d->pool);
    shadow_destroy(d->shadows);
    scan_destroy(d->scan);
    free(d);
}
