/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c - full/trap: full virtualization by trap and emulate, with ring compression.
 *
 * The software CPU of core/x86 with the direct executor over it, which is given kernel code too. Read trap.h first.
 *
 * Next: sites.c.
 */
#include "full/trap/trap.h"
#include "x86/cpu_engine.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define STUCK_SECONDS 3 /* with interrupts off, and one waiting */

#define LOWER_HALF (UINT64_C(1) << 47)

/* ---- the executor's hooks ---- */

/*
 * Long mode with paging, and no single steps: all else that a process of the host can't be is silent, or traps. (16-
 * and 32-bit code, before that, is the software CPU's affair: a process of the host has no such segments.)
 */
static bool fits(const struct cpu *cpu)
{
    const struct paging *p = &cpu->paging;
    return cpu->code_size == CODE64 && cpu->rip < LOWER_HALF && cpu->icount_limit == UINT64_MAX &&
           !(cpu->sysflags & (FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | FLAG_AC)) &&
           (p->cr0 & (CR0_PG | CR0_PE | CR0_EM | CR0_TS)) == (CR0_PG | CR0_PE);
}

static void entering(struct direct *d)
{
    sites_follow(trap_of(d)->sites, gva(d->cpu->rip));
}

/* An instruction begins at RIP; what could not be fetched may be its second half, on the next page. */
static void code_found(struct direct *d)
{
    sites_follow(trap_of(d)->sites, gva(d->regs.rip));
}

static uint64_t code_at(struct direct *d, gpa_t frame)
{
    return sites_code_at(trap_of(d)->sites, frame);
}

static void code_written(struct direct *d, gpa_t frame)
{
    sites_forget(trap_of(d)->sites, frame);
}

static int breakpoint(struct direct *d, const struct direct_space *space, struct reason *why)
{
    const uint64_t at = d->regs.rip - 1;
    enum site site = sites_hit(trap_of(d)->sites, gva(at));
    if (site == SITE_NONE)
        return NEXT_NONE;
    d->regs.rip = at;
    if (site == SITE_SILENT)
        return silent_execute(d, space, why);
    state_from_world(d->cpu, &d->regs);
    return NEXT_ALONE;
}

static const struct direct_hooks hooks = {
    .fits = fits,
    .entering = entering,
    .code_found = code_found,
    .code_at = code_at,
    .code_written = code_written,
    .breakpoint = breakpoint,
};

/* ---- how it ends ---- */

/* What happened, then which instruction it may come from. */
static void die(struct trap *trap, struct vm_exit *exit, const char *how)
{
    const struct lie *lie = &trap->lie[0];
    char others[40] = "";
    if (trap->lies > 1)
        snprintf(others, sizeof(others), ", %u other places", trap->lies - 1);
    exit->kind = VM_EXIT_DEATH;
    exit->why.text[0] = '\0';
    fail(&exit->why, 0,
         "%s, after %s (%s) at %#llx, which doesn't trap in ring 3, gave %#llx and not %#llx (%s; %llu times%s)", how,
         lie->mnemonic, lie->bytes, (unsigned long long)lie->rip, (unsigned long long)lie->wrong,
         (unsigned long long)lie->right, lie->what, (unsigned long long)lie->count, others);
}

/* An interrupt waits, and can't be taken: for how long? */
static bool stuck(struct trap *trap, const struct cpu *cpu)
{
    uint64_t now = cpu->host->tsc(cpu->host->context, 0);
    if ((cpu->sysflags & FLAG_IF) || !cpu->window_wanted)
        trap->stuck_since = 0;
    else if (!trap->stuck_since)
        trap->stuck_since = now;
    return trap->stuck_since && now - trap->stuck_since > STUCK_SECONDS * cpu->host->tsc_hz;
}

static void run(struct engine *engine, struct vm_exit *exit, uint64_t budget)
{
    struct cpu *cpu = cpu_of(engine);
    struct trap *trap = trap_of(direct_of(cpu));
    (void)budget; /* instructions aren't counted */
    cpu_run(cpu, exit, 0);
    if (!trap->lies)
        return;
    if (exit->kind == VM_EXIT_SHUTDOWN)
        die(trap, exit, "triple fault");
    else if (exit->kind == VM_EXIT_HLT && !(cpu->sysflags & FLAG_IF))
        die(trap, exit, "HLT with interrupts off");
    else if (stuck(trap, cpu))
        die(trap, exit, "interrupts stay off");
}

/* ---- the contract ---- */

static void destroy(struct engine *engine)
{
    struct cpu *cpu = cpu_of(engine);
    struct trap *trap = cpu && cpu->executor ? trap_of(direct_of(cpu)) : NULL;
    if (cpu)
        direct_destroy(cpu);
    if (trap)
        sites_destroy(trap->sites);
    free(trap);
    cpu_destroy(cpu);
}

static struct engine *create(const struct engine_host *host, struct reason *why)
{
    struct trap *trap = calloc(1, sizeof(*trap));
    struct cpu *cpu = trap ? cpu_create(host, why) : NULL;
    if (!cpu || direct_create(cpu, DIRECT_ALWAYS, why)) {
        cpu_destroy(cpu);
        free(trap);
        fail(why, ENOMEM, "not enough memory for an engine");
        return NULL;
    }
    struct direct *d = direct_of(cpu);
    d->hooks = &hooks;
    d->context = trap;
    trap->sites = sites_create(d, why);
    if (!trap->sites) {
        destroy((struct engine *)cpu);
        return NULL;
    }
    return (struct engine *)cpu;
}

static int probe(struct reason *why)
{
    return direct_probe(why);
}

const struct engine_ops full_trap = {
    .abi = ENGINE_ABI,
    .name = "full/trap",
    .technique = "full",
    .text = "trap and emulate, kernel code in ring 3 too: fails on the instructions that don't trap",
    .capabilities = ENGINE_FLAT | ENGINE_OS | ENGINE_LEGACY,
    .counters = COUNTER_BIT(TLB_FLUSHES) | COUNTER_BIT(SHADOW_FILLS) | COUNTER_BIT(HIDDEN_FAULTS) |
                COUNTER_BIT(TRUE_FAULTS) | COUNTER_BIT(PT_WRITES) | COUNTER_BIT(INTERRUPTS) | COUNTER_BIT(EXCEPTIONS) |
                COUNTER_BIT(UNKNOWN_INSTRUCTIONS),
    .probe = probe,
    .create = create,
    .destroy = destroy,
    CPU_ENGINE_OPS_BUT_RUN,
    .run = run,
};
