/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exits.c - guest code has left the world: what for, and what next.
 *
 * Nothing of an exit is trusted; it need not be, either, for all that it can do is to set the guest's own registers,
 * and to have the instruction at RIP executed by software. Faults come with RIP at the instruction, which is where
 * software takes over. Traps come with RIP behind it; it is put back.
 *
 * Next: space.c.
 */
#include "full/direct/direct.h"
#include "x86/protect.h"
#include <errno.h>

/* Linux' vsyscall page: a jump there is answered by the host's kernel without any instruction being executed. */
#define VSYSCALL_PAGE UINT64_C(0xffffffffff600000)
#define OPCODE_INT1   0xf1

static int alone(struct direct *d, uint64_t rip)
{
    state_from_world(d->cpu, &d->regs);
    d->cpu->rip = rip;
    return NEXT_ALONE;
}

/* The same for what need not lead into the guest's kernel. */
static int trap(struct direct *d, uint64_t rip)
{
    policy_trap(d);
    return alone(d, rip);
}

static int system_call(struct direct *d, const struct world_exit *exit)
{
    const uint64_t next = d->regs.rip;
    if ((next & PAGE_MASK) == VSYSCALL_PAGE || exit->in_hole) /* not by an instruction of the guest */
        return alone(d, next);
    if (exit->gate != WORLD_GATE_SYSCALL || !(d->cpu->paging.efer & EFER_SCE))
        return alone(d, next - 2); /* INT 0x80, or #UD */
    state_from_world(d->cpu, &d->regs);
    d->cpu->trapped = true;
    cpu_syscall(d->cpu, next);
    return NEXT_LOOK;
}

static int page_fault(struct direct *d, struct shadow *shadow, const struct world_exit *exit, struct reason *why)
{
    int answer = shadow_fault(shadow, gva(exit->address), shadow_access(exit->error), why);
    switch (answer) {
    case SHADOW_MAPPED: return NEXT_ENTER;
    case SHADOW_TRUE_FAULT:
        d->faulted.rip = d->regs.rip;
        d->faulted.cr3 = d->cpu->paging.cr3;
        d->faulted.address = exit->address;
        d->faulted.access = shadow_access(exit->error);
        return alone(d, d->regs.rip);
    case SHADOW_EMULATE: return trap(d, d->regs.rip);
    case SHADOW_SENSITIVE:
        policy_trap(d);
        state_from_world(d->cpu, &d->regs);
        d->sensitive.page = d->cpu->rip & PAGE_MASK;
        d->sensitive.cr3 = d->cpu->paging.cr3;
        return NEXT_SOFTWARE;
    default: return answer;
    }
}

/* Is this the guest's byte at `at`? */
static bool byte_is(const struct direct *d, uint64_t at, uint8_t value)
{
    const struct cpu *cpu = d->cpu;
    struct translation t;
    const uint8_t *byte = mmu_peek(&cpu->paging, cpu->host->ram, gva(at), &t) ? ram_at(cpu->host->ram, t.gpa, 1) : NULL;
    return byte && *byte == value;
}

/*
 * #DB: a step with TF set is complete. Without TF it was INT1; RIP is behind it (SDM 2A, INT1), but in a virtual
 * machine of AMD's under KVM at it.
 */
static int debug(struct direct *d)
{
    struct cpu *cpu = d->cpu;
    if (!(d->regs.rflags & FLAG_TF))
        return alone(d, d->regs.rip - !byte_is(d, d->regs.rip, OPCODE_INT1));
    state_from_world(cpu, &d->regs);
    cpu->dr6 |= DR6_BS;
    cpu->event = (struct pending_event){.valid = true, .vector = VEC_DB, .type = EVENT_EXCEPTION};
    cpu->trapped = true;
    return NEXT_LOOK;
}

/* #BP: behind INT3, or behind INT 3 of two bytes. */
static uint64_t breakpoint_at(const struct direct *d)
{
    return d->regs.rip - (byte_is(d, d->regs.rip - 1, VEC_BP) ? 2 : 1);
}

static int breakpoint(struct direct *d, const struct direct_space *space, struct reason *why)
{
    int next = d->hooks ? d->hooks->breakpoint(d, space, why) : NEXT_NONE;
    return next == NEXT_NONE ? alone(d, breakpoint_at(d)) : next;
}

static int exception(struct direct *d, const struct direct_space *space, const struct world_exit *exit,
                     struct reason *why)
{
    switch (exit->vector) {
    case VEC_PF: return page_fault(d, space->shadow, exit, why);
    case VEC_DB: return debug(d);
    case VEC_BP: return breakpoint(d, space, why);
    case VEC_OF: return alone(d, d->regs.rip - 2); /* INT 4: INTO is no instruction in 64-bit mode */
    default: return trap(d, d->regs.rip);
    }
}

/*
 * Not entered: a kick came first. Or guest code has jumped to where the world's own code waits for the next entry, and
 * will again each time: whoever is kicked twice at the same instruction goes on in software, where it faults.
 */
static int kicked(struct direct *d, const struct world_exit *exit)
{
    struct cpu *cpu = d->cpu;
    state_from_world(cpu, &d->regs);
    if (!exit->entered) {
        bool again = d->stuck.rip == cpu->rip && d->stuck.cr3 == cpu->paging.cr3;
        d->stuck.rip = cpu->rip;
        d->stuck.cr3 = cpu->paging.cr3;
        d->stuck.times = again ? d->stuck.times + 1 : 1;
    }
    return NEXT_LOOK;
}

int direct_exit(struct direct *d, const struct direct_space *space, const struct world_exit *exit, struct reason *why)
{
    switch (exit->kind) {
    case WORLD_EXIT_SYSCALL: return system_call(d, exit);
    case WORLD_EXIT_EXCEPTION: return exception(d, space, exit, why);
    case WORLD_EXIT_KICKED: return kicked(d, exit);
    default:
        return fail(why, ENOMEM, "the host has no memory left for the guest's page at %#llx",
                    (unsigned long long)exit->address);
    }
}
