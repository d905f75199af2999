/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify.c - instructions that take a selector apart: LAR, LSL, VERR, VERW, ARPL, and the system segments LDTR and TR.
 *
 * LAR and its kin work in any ring and fault on nothing: they answer in ZF. In a deprivileged guest kernel they tell
 * the truth about the wrong tables, which is why they head every list of x86 instructions that cannot be trapped.
 */
#include "x86/protect.h"

/* All of these are #UD where selectors are paragraphs (SDM 2). */
static void require_selectors(struct cpu *cpu, const struct insn *in)
{
    if (cpu_real_segments(cpu))
        cpu_raise(cpu, in, VEC_UD);
}

/* ZF alone changes. */
static const struct insn *answer(struct cpu *cpu, const struct insn *in, bool zf)
{
    flags_set(&cpu->lf, (flags_get(&cpu->lf) & ~FLAG_ZF) | (zf ? FLAG_ZF : 0));
    return in + 1;
}

static bool visible(const struct cpu *cpu, uint16_t selector, uint64_t raw)
{
    if (desc_is_conforming(raw))
        return true;
    return cpu->cpl <= desc_dpl(raw) && (selector & SELECTOR_RPL) <= desc_dpl(raw);
}

/* ---- LAR, LSL ---- */

#define BIT(type) (1u << (type))

/* System types with rights, and those with a limit; in long mode the 16-bit ones do not exist. */
#define LAR_LONG   (BIT(SYS_LDT) | BIT(SYS_TSS32) | BIT(SYS_TSS32_BUSY) | BIT(SYS_CALL_GATE32))
#define LAR_LEGACY (LAR_LONG | BIT(SYS_TSS16) | BIT(SYS_TSS16_BUSY) | BIT(SYS_CALL_GATE16) | BIT(SYS_TASK_GATE))
#define LSL_LONG   (BIT(SYS_LDT) | BIT(SYS_TSS32) | BIT(SYS_TSS32_BUSY))
#define LSL_LEGACY (LSL_LONG | BIT(SYS_TSS16) | BIT(SYS_TSS16_BUSY))

static bool look_up(struct cpu *cpu, const struct insn *in, uint16_t selector, unsigned system_types, uint64_t *raw)
{
    uint64_t at;
    if (!descriptor_find(cpu, selector, 8, &at))
        return false;
    *raw = sys_load(cpu, in, at, 8);
    if (!(desc_attr(*raw) & ATTR_S) && !(system_types & BIT(desc_type(*raw))))
        return false;
    return visible(cpu, selector, *raw);
}

const struct insn *op_lar(struct cpu *cpu, const struct insn *in)
{
    require_selectors(cpu, in);
    uint64_t raw;
    if (!look_up(cpu, in, (uint16_t)rm_read(cpu, in, 2), cpu_long_mode(cpu) ? LAR_LONG : LAR_LEGACY, &raw))
        return answer(cpu, in, false);
    reg_write(cpu, in->reg, in->opsize, raw >> 32 & 0x00f0ff00);
    return answer(cpu, in, true);
}

const struct insn *op_lsl(struct cpu *cpu, const struct insn *in)
{
    require_selectors(cpu, in);
    uint64_t raw;
    if (!look_up(cpu, in, (uint16_t)rm_read(cpu, in, 2), cpu_long_mode(cpu) ? LSL_LONG : LSL_LEGACY, &raw))
        return answer(cpu, in, false);
    reg_write(cpu, in->reg, in->opsize, desc_limit(raw));
    return answer(cpu, in, true);
}

/* ---- VERR, VERW, ARPL ---- */

const struct insn *op_verr(struct cpu *cpu, const struct insn *in)
{
    require_selectors(cpu, in);
    uint64_t raw;
    bool found = look_up(cpu, in, (uint16_t)rm_read(cpu, in, 2), 0, &raw);
    return answer(cpu, in, found && desc_is_readable(raw));
}

const struct insn *op_verw(struct cpu *cpu, const struct insn *in)
{
    require_selectors(cpu, in);
    uint64_t raw;
    bool found = look_up(cpu, in, (uint16_t)rm_read(cpu, in, 2), 0, &raw);
    return answer(cpu, in, found && desc_is_writable_data(raw));
}

const struct insn *op_arpl(struct cpu *cpu, const struct insn *in)
{
    require_selectors(cpu, in);
    uint16_t selector = (uint16_t)rm_read(cpu, in, 2), rpl = reg_read(cpu, in->reg, 2) & SELECTOR_RPL;
    bool weaker = (selector & SELECTOR_RPL) < rpl;
    if (weaker)
        rm_write(cpu, in, 2, (selector & ~SELECTOR_RPL) | rpl);
    return answer(cpu, in, weaker);
}

/* ---- LDTR, TR ---- */

/* In long mode their descriptors have 16 bytes, with 64 bits of base (SDM 3, 3.5.2 and 7.2.3). */
static struct segment_reg system_segment(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t raw)
{
    struct segment_reg s = segment_of(selector, raw);
    if (cpu_long_mode(cpu)) {
        uint64_t high = descriptor_load_high(cpu, in, selector, 0);
        s.base = (uint32_t)s.base | high << 32;
        if ((high >> 40 & 0x1f) || !canonical(s.base))
            selector_fault(cpu, in, VEC_GP, selector, 0);
    }
    return s;
}

static uint64_t system_descriptor(struct cpu *cpu, const struct insn *in, uint16_t selector, unsigned types)
{
    if (selector & SELECTOR_LDT)
        selector_fault(cpu, in, VEC_GP, selector, 0);
    uint64_t raw = descriptor_load(cpu, in, selector, VEC_GP, 0);
    if ((desc_attr(raw) & ATTR_S) || !(types & BIT(desc_type(raw))))
        selector_fault(cpu, in, VEC_GP, selector, 0);
    if (!desc_present(raw))
        selector_fault(cpu, in, VEC_NP, selector, 0);
    return raw;
}

const struct insn *op_lldt(struct cpu *cpu, const struct insn *in)
{
    require_selectors(cpu, in);
    require_cpl0(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_LDTR_TR, (uint64_t)in->disp);
    uint16_t selector = (uint16_t)rm_read(cpu, in, 2);
    struct segment_reg s = segment_null(selector, 0);
    if (!selector_null(selector))
        s = system_segment(cpu, in, selector, system_descriptor(cpu, in, selector, BIT(SYS_LDT)));
    cpu->seg[SEG_LDTR] = s;
    return in + 1;
}

const struct insn *op_ltr(struct cpu *cpu, const struct insn *in)
{
    require_selectors(cpu, in);
    require_cpl0(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_LDTR_TR, (uint64_t)in->disp);
    uint16_t selector = (uint16_t)rm_read(cpu, in, 2);
    if (selector_null(selector))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    unsigned types = cpu_long_mode(cpu) ? BIT(SYS_TSS32) : BIT(SYS_TSS32) | BIT(SYS_TSS16);
    uint64_t raw = system_descriptor(cpu, in, selector, types);
    struct segment_reg s = system_segment(cpu, in, selector, raw);
    descriptor_set_type(cpu, in, selector, raw, desc_type(raw) | SYS_TSS_BUSY);
    s.attr |= SYS_TSS_BUSY;
    cpu->seg[SEG_TR] = s;
    return in + 1;
}

static const struct insn *store_selector(struct cpu *cpu, const struct insn *in, unsigned seg)
{
    require_selectors(cpu, in);
    if ((cpu->paging.cr4 & CR4_UMIP) && cpu->cpl > 0)
        cpu_raise_error(cpu, in, VEC_GP, 0);
    cpu_sensitive(cpu, in, EXIT_INDEX_LDTR_TR, (uint64_t)in->disp);
    rm_write(cpu, in, in->flags & INSN_MEM ? 2 : in->opsize, cpu->seg[seg].selector);
    return in + 1;
}

const struct insn *op_sldt(struct cpu *cpu, const struct insn *in)
{
    return store_selector(cpu, in, SEG_LDTR);
}

const struct insn *op_str(struct cpu *cpu, const struct insn *in)
{
    return store_selector(cpu, in, SEG_TR);
}

/* ---- choosing ---- */

bool select_verify(const struct decoded *d, struct insn *in)
{
    static const struct {
        unsigned mnemonic;
        insn_fn *fn;
        uint8_t op; /* for who intercepts it: VT-x's number of the instruction (SDM 3, 28.2.5) */
    } handlers[] = {
        {ZYDIS_MNEMONIC_LAR, op_lar, 0},   {ZYDIS_MNEMONIC_LSL, op_lsl, 0},   {ZYDIS_MNEMONIC_VERR, op_verr, 0},
        {ZYDIS_MNEMONIC_VERW, op_verw, 0}, {ZYDIS_MNEMONIC_ARPL, op_arpl, 0}, {ZYDIS_MNEMONIC_LLDT, op_lldt, 2},
        {ZYDIS_MNEMONIC_LTR, op_ltr, 3},   {ZYDIS_MNEMONIC_SLDT, op_sldt, 0}, {ZYDIS_MNEMONIC_STR, op_str, 1},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(handlers); i++)
        if (handlers[i].mnemonic == d->arg)
            in->fn = handlers[i].fn, in->op = handlers[i].op;
    return true;
}
