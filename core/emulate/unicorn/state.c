/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.c - the register file, in and out of the library.
 *
 * Who holds what, while the guest is in a mode that the library can run (struct engine, live):
 *  - the library: general registers, RFLAGS, CR0, CR2, CR3, CR4, the debug registers, GDTR, IDTR, LDTR, TR, selectors,
 *    the bases of FS and GS, IA32_KERNEL_GS_BASE, x87 and SSE;
 *  - we, in engine.kept: CR8, EFER and all other MSRs (RDMSR and WRMSR are carried out in ours.c), RIP, the time stamp,
 *    what is pending, and the hidden parts of ES, CS, SS, DS, FS and GS. Those are read again from the GDT when the
 *    guest has loaded another selector; that it has loaded the same one again, from a table changed since, isn't seen.
 *
 * In any other mode all of it is kept here, so that every valid state can be set and read back; run() then dies.
 *
 * Read next: segments.c, msr.c, fpu.c.
 */
#include "emulate/unicorn/parts.h"
#include <errno.h>

const int gpr_id[GPR_COUNT] = {
    UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX, UC_X86_REG_RSP, UC_X86_REG_RBP,
    UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
    UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15,
};

uint64_t reg_get(const struct engine *e, int id)
{
    uint64_t value = 0; /* the library writes as many bytes as the register has */

    (void)uc_reg_read(e->uc, id, &value);
    return value;
}

void reg_put(struct engine *e, int id, uint64_t value)
{
    (void)uc_reg_write(e->uc, id, &value);
}

uint64_t tsc_now(const struct engine *e)
{
    return e->host->tsc(e->host->context, e->retired) + (uint64_t)e->tsc_offset;
}

/* ---- the registers that are plain numbers ---- */

static const struct plain {
    int id;
    size_t at; /* in struct cpu_state */
} plain[] = {
    {UC_X86_REG_RFLAGS, offsetof(struct cpu_state, rflags)},
    {UC_X86_REG_CR2, offsetof(struct cpu_state, cr2)},
    {UC_X86_REG_CR3, offsetof(struct cpu_state, cr3)},
    {UC_X86_REG_CR4, offsetof(struct cpu_state, cr4)}, /* before CR0, which may switch paging on */
    {UC_X86_REG_CR0, offsetof(struct cpu_state, cr0)},
    {UC_X86_REG_DR0, offsetof(struct cpu_state, dr[0])},
    {UC_X86_REG_DR1, offsetof(struct cpu_state, dr[1])},
    {UC_X86_REG_DR2, offsetof(struct cpu_state, dr[2])},
    {UC_X86_REG_DR3, offsetof(struct cpu_state, dr[3])},
    {UC_X86_REG_DR6, offsetof(struct cpu_state, dr6)},
    {UC_X86_REG_DR7, offsetof(struct cpu_state, dr7)},
    {UC_X86_REG_FS_BASE, offsetof(struct cpu_state, seg[SEG_FS].base)},
    {UC_X86_REG_GS_BASE, offsetof(struct cpu_state, seg[SEG_GS].base)},
};

/* ---- whole ---- */

void unicorn_get_state(struct engine *e, struct cpu_state *state)
{
    *state = e->kept;
    state->rip = e->rip;
    state->tsc = tsc_now(e);
    if (!e->live)
        return;
    for (unsigned i = 0; i < GPR_COUNT; i++)
        state->gpr[i] = reg_get(e, gpr_id[i]);
    state->gdtr = table_get(e, UC_X86_REG_GDTR);
    state->idtr = table_get(e, UC_X86_REG_IDTR);
    segments_get(e, state);
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        *state_field(state, plain[i].at) = reg_get(e, plain[i].id);
    system_segment_get(e, UC_X86_REG_LDTR, &state->seg[SEG_LDTR]);
    system_segment_get(e, UC_X86_REG_TR, &state->seg[SEG_TR]);
    state->kernel_gs_base = library_msr(e, MSR_KERNEL_GS_BASE, NULL);
    fpu_get(e, &state->fpu);
}

/* What no CPU can be in (SDM 3, 2.5 and 2.2.1). */
static int check(const struct cpu_state *s, struct reason *why)
{
    bool lma = (s->efer & EFER_LME) && (s->cr0 & CR0_PG);

    if (((s->cr0 & CR0_PG) && !(s->cr0 & CR0_PE)) || ((s->cr0 & CR0_NW) && !(s->cr0 & CR0_CD)))
        return fail(why, EINVAL, "state refused: CR0 has PG without PE, or NW without CD");
    if (lma != !!(s->efer & EFER_LMA) || (lma && !(s->cr4 & CR4_PAE)))
        return fail(why, EINVAL, "state refused: EFER.LMA is not EFER.LME and CR0.PG, or lacks CR4.PAE");
    if (s->rflags >> 32 || s->cr0 >> 32 || s->cr8 > 15)
        return fail(why, EINVAL, "state refused: reserved bits of RFLAGS, CR0 or CR8 are set");
    return 0;
}

/* Can the library run it? */
static bool runnable(const struct cpu_state *s)
{
    return (s->efer & EFER_LMA) && (s->seg[SEG_CS].attr & ATTR_L) && !(s->seg[SEG_CS].attr & ATTR_DPL) &&
           !(s->seg[SEG_SS].attr & ATTR_DPL) && !(s->rflags & FLAG_VM) && !s->event.valid;
}

/* Segments and paging are set once in the life of a library CPU: going back and forth confuses it. */
static bool needs_new_library(struct engine *e, const struct cpu_state *s)
{
    struct cpu_state now;

    if (!e->live || e->spoiled)
        return true;
    unicorn_get_state(e, &now);
    return memcmp(now.seg, s->seg, sizeof(now.seg)) || now.cr0 != s->cr0 || now.cr3 != s->cr3 || now.cr4 != s->cr4;
}

static int put_all(struct engine *e, const struct cpu_state *s, struct reason *why)
{
    if (needs_new_library(e, s)) {
        int err = library_open(e, why);

        if (!err)
            err = selectors_put(e, s, why);
        if (err)
            return err;
    }
    for (unsigned i = 0; i < GPR_COUNT; i++)
        reg_put(e, gpr_id[i], s->gpr[i]);
    table_put(e, UC_X86_REG_GDTR, &s->gdtr);
    table_put(e, UC_X86_REG_IDTR, &s->idtr);
    system_segment_put(e, UC_X86_REG_LDTR, &s->seg[SEG_LDTR]);
    system_segment_put(e, UC_X86_REG_TR, &s->seg[SEG_TR]);
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        reg_put(e, plain[i].id, *state_field(s, plain[i].at));
    library_msr(e, MSR_KERNEL_GS_BASE, &s->kernel_gs_base);
    fpu_put(e, &s->fpu);
    return 0;
}

int unicorn_set_state(struct engine *e, const struct cpu_state *state, struct reason *why)
{
    struct cpu_state before;
    int err = check(state, why);

    if (err)
        return err;
    unicorn_get_state(e, &before);
    if (runnable(state)) {
        err = put_all(e, state, why);
        if (err) { /* what was there goes back in */
            struct reason ignored = {""};

            e->spoiled = true;
            e->live = e->live && !put_all(e, &before, &ignored);
            e->kept = before;
            return err;
        }
    }
    e->live = runnable(state);
    e->kept = *state;
    e->rip = state->rip;
    e->tsc_offset += (int64_t)(state->tsc - tsc_now(e));
    e->port_read.active = e->replay.active = e->replay.wants = false;
    e->posted_count = e->posted_next = 0;
    if (e->host->apic_base_changed)
        e->host->apic_base_changed(e->host->context, state->apic_base);
    return 0;
}
