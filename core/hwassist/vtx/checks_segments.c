/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checks_segments.c - VM entry's checks on the guest's segment registers (SDM 3, 27.3.1.2): the longest section of the
 * chapter, because the VMCS can hold hidden parts that no descriptor could have brought about.
 */
#include "hwassist/vtx/processor.h"

struct segment_reg vmcs_segment(const struct vmcs *vmcs, unsigned seg)
{
    const uint64_t *slot = vmcs->slot;
    return (struct segment_reg){.selector = (uint16_t)slot[VMCS_SLOT_GUEST_ES_SELECTOR + seg],
                                .base = slot[VMCS_SLOT_GUEST_ES_BASE + seg],
                                .limit = (uint32_t)slot[VMCS_SLOT_GUEST_ES_LIMIT + seg],
                                .attr = (uint32_t)slot[VMCS_SLOT_GUEST_ES_ATTR + seg]};
}

void vmcs_set_segment(struct vmcs *vmcs, unsigned seg, const struct segment_reg *value)
{
    uint64_t *slot = vmcs->slot;
    slot[VMCS_SLOT_GUEST_ES_SELECTOR + seg] = value->selector;
    slot[VMCS_SLOT_GUEST_ES_BASE + seg] = value->base;
    slot[VMCS_SLOT_GUEST_ES_LIMIT + seg] = value->limit;
    slot[VMCS_SLOT_GUEST_ES_ATTR + seg] = value->attr;
}

/* What the checks depend on. */
struct view {
    struct segment_reg seg[SEGMENT_COUNT];
    bool v86, long_mode, unrestricted, protected;
};

static bool usable(const struct segment_reg *s)
{
    return !(s->attr & ATTR_UNUSABLE);
}
static unsigned type_of(const struct segment_reg *s)
{
    return s->attr & ATTR_TYPE;
}
static unsigned dpl_of(const struct segment_reg *s)
{
    return (s->attr & ATTR_DPL) >> 5;
}
static unsigned rpl_of(const struct segment_reg *s)
{
    return s->selector & SELECTOR_RPL;
}

/* Bits 11:8 and 31:17 of the access rights. */
static bool reserved_clear(const struct segment_reg *s)
{
    return !(s->attr & 0xfffe0f00);
}

/* G scales the limit by 4 KiB, so some limits need it and some can't have it. */
static bool granularity_fits(const struct segment_reg *s)
{
    bool g = s->attr & ATTR_G;
    return !(g && (s->limit & 0xfff) != 0xfff) && !(!g && (s->limit & 0xfff00000));
}

/* ---- virtual-8086 mode: all six are paragraphs ---- */

static bool check_v86(struct vmx *vmx, const struct view *g)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        const struct segment_reg *s = &g->seg[i];
        REQUIRE(vmx, s->base == (uint64_t)s->selector << 4, "virtual-8086 segment: base is not 16 times the selector");
        REQUIRE(vmx, s->limit == 0xffff, "virtual-8086 segment: limit is not 64 KiB");
        REQUIRE(vmx, s->attr == 0xf3, "virtual-8086 segment: access rights are not F3H");
    }
    return true;
}

/* ---- CS ---- */

static bool cs_dpl_fits(const struct view *g)
{
    unsigned dpl = dpl_of(&g->seg[SEG_CS]), stack = dpl_of(&g->seg[SEG_SS]);
    switch (type_of(&g->seg[SEG_CS])) {
    case 3: return dpl == 0;
    case 9:
    case 11: return dpl == stack;
    default: return dpl <= stack; /* conforming */
    }
}

static bool check_cs(struct vmx *vmx, const struct view *g)
{
    const struct segment_reg *cs = &g->seg[SEG_CS];
    unsigned type = type_of(cs);
    bool accessed_code = (type & 9) == 9;
    REQUIRE(vmx, !(cs->base >> 32), "guest CS base: beyond 32 bits");
    REQUIRE(vmx, accessed_code || (g->unrestricted && type == 3), "guest CS type: no accessed code segment");
    REQUIRE(vmx, cs->attr & ATTR_S, "guest CS: a system descriptor");
    REQUIRE(vmx, cs_dpl_fits(g), "guest CS: DPL does not fit SS");
    REQUIRE(vmx, cs->attr & ATTR_P, "guest CS: not present");
    REQUIRE(vmx, reserved_clear(cs), "guest CS access rights: reserved bits");
    REQUIRE(vmx, !(g->long_mode && (cs->attr & ATTR_L) && (cs->attr & ATTR_DB)), "guest CS: L and D both set");
    REQUIRE(vmx, granularity_fits(cs), "guest CS: limit and G don't fit");
    return true;
}

/* ---- SS, DS, ES, FS, GS ---- */

static bool check_ss(struct vmx *vmx, const struct view *g)
{
    const struct segment_reg *ss = &g->seg[SEG_SS], *cs = &g->seg[SEG_CS];
    REQUIRE(vmx, g->unrestricted || rpl_of(ss) == rpl_of(cs), "guest SS selector: RPL is not CS'");
    REQUIRE(vmx, g->unrestricted || dpl_of(ss) == rpl_of(ss), "guest SS: DPL is not RPL");
    REQUIRE(vmx, (type_of(cs) != 3 && g->protected) || dpl_of(ss) == 0, "guest SS: DPL is not 0 in real mode");
    REQUIRE(vmx, !usable(ss) || type_of(ss) == 3 || type_of(ss) == 7, "guest SS type: not accessed, writable data");
    return true;
}

/* What data segments and SS share. */
static bool check_data(struct vmx *vmx, const struct view *g, unsigned seg)
{
    const struct segment_reg *s = &g->seg[seg];
    unsigned type = type_of(s);
    if (!usable(s))
        return true;
    if (seg != SEG_SS) {
        REQUIRE(vmx, type & 1, "guest data segment type: not accessed");
        REQUIRE(vmx, !(type & 8) || (type & 2), "guest data segment type: code that can't be read");
        REQUIRE(vmx, g->unrestricted || type > 11 || dpl_of(s) >= rpl_of(s), "guest data segment: DPL below RPL");
    }
    REQUIRE(vmx, s->attr & ATTR_S, "guest data segment: a system descriptor");
    REQUIRE(vmx, s->attr & ATTR_P, "guest data segment: not present");
    REQUIRE(vmx, reserved_clear(s), "guest data segment access rights: reserved bits");
    REQUIRE(vmx, granularity_fits(s), "guest data segment: limit and G don't fit");
    if (seg == SEG_FS || seg == SEG_GS)
        return true;
    REQUIRE(vmx, !(s->base >> 32), "guest data segment base: beyond 32 bits");
    return true;
}

static bool check_ordinary(struct vmx *vmx, const struct view *g)
{
    if (!check_cs(vmx, g) || !check_ss(vmx, g))
        return false;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        if (i != SEG_CS && !check_data(vmx, g, i))
            return false;
    return true;
}

/* ---- TR, LDTR ---- */

static bool check_tr(struct vmx *vmx, const struct view *g)
{
    const struct segment_reg *tr = &g->seg[SEG_TR];
    unsigned type = type_of(tr);
    REQUIRE(vmx, !(tr->selector & SELECTOR_LDT), "guest TR selector: TI");
    REQUIRE(vmx, canonical(tr->base), "guest TR base: not canonical");
    REQUIRE(vmx, type == SYS_TSS32_BUSY || (type == SYS_TSS16_BUSY && !g->long_mode), "guest TR type: no busy TSS");
    REQUIRE(vmx, !(tr->attr & ATTR_S), "guest TR: no system descriptor");
    REQUIRE(vmx, tr->attr & ATTR_P, "guest TR: not present");
    REQUIRE(vmx, reserved_clear(tr), "guest TR access rights: reserved bits");
    REQUIRE(vmx, granularity_fits(tr), "guest TR: limit and G don't fit");
    REQUIRE(vmx, usable(tr), "guest TR: unusable");
    return true;
}

static bool check_ldtr(struct vmx *vmx, const struct view *g)
{
    const struct segment_reg *ldtr = &g->seg[SEG_LDTR];
    if (!usable(ldtr))
        return true;
    REQUIRE(vmx, !(ldtr->selector & SELECTOR_LDT), "guest LDTR selector: TI");
    REQUIRE(vmx, canonical(ldtr->base), "guest LDTR base: not canonical");
    REQUIRE(vmx, type_of(ldtr) == SYS_LDT, "guest LDTR type: no LDT");
    REQUIRE(vmx, !(ldtr->attr & ATTR_S), "guest LDTR: no system descriptor");
    REQUIRE(vmx, ldtr->attr & ATTR_P, "guest LDTR: not present");
    REQUIRE(vmx, reserved_clear(ldtr), "guest LDTR access rights: reserved bits");
    REQUIRE(vmx, granularity_fits(ldtr), "guest LDTR: limit and G don't fit");
    return true;
}

bool check_guest_segments(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    struct view g = {.v86 = vmcs_get(v, GUEST_RFLAGS) & FLAG_VM,
                     .long_mode = entry_control(vmx, ENTRY_IA32E),
                     .unrestricted = cpu2_control(vmx, CPU2_UNRESTRICTED),
                     .protected = vmcs_get(v, GUEST_CR0) & CR0_PE};
    for (unsigned i = 0; i < SEGMENT_COUNT; i++)
        g.seg[i] = vmcs_segment(v, i);
    REQUIRE(vmx, canonical(g.seg[SEG_FS].base), "guest FS base: not canonical");
    REQUIRE(vmx, canonical(g.seg[SEG_GS].base), "guest GS base: not canonical");
    return (g.v86 ? check_v86(vmx, &g) : check_ordinary(vmx, &g)) && check_tr(vmx, &g) && check_ldtr(vmx, &g);
}
