/* SPDX-License-Identifier: GPL-2.0-or-later */
/* protect_rig.c - see protect_rig.h. */
#include "protect_rig.h"

#define ATTR_CODE 0x9bu
#define ATTR_DATA 0x93u

uint64_t rig_descriptor(uint32_t base, uint32_t limit, uint32_t attr)
{
    if (attr & ATTR_G)
        limit >>= 12;
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xf0ff) << 40 |
           (uint64_t)(limit & 0xf0000) << 32 | (uint64_t)(base & 0xff000000) << 32;
}

void rig_put(struct rig *r, uint64_t at, unsigned size, uint64_t value)
{
    memcpy(r->ram.base + at, &value, size);
}

uint64_t rig_get(struct rig *r, uint64_t at, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, r->ram.base + at, size);
    return value;
}

void rig_gdt(struct rig *r, unsigned selector, uint64_t raw)
{
    rig_put(r, GDT + (selector & ~7u), 8, raw);
}

void rig_gate(struct rig *r, unsigned vector, unsigned selector, uint32_t offset, unsigned type, unsigned dpl,
              bool present, unsigned ist)
{
    uint64_t raw = (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)ist << 32 |
                   (uint64_t)(type | dpl << 5 | (present ? 0x80u : 0)) << 40 | (uint64_t)(offset & 0xffff0000) << 32;
    unsigned size = r->mode == LONG ? 16 : 8;
    rig_put(r, IDT + vector * size, 8, raw);
    if (size == 16)
        rig_put(r, IDT + vector * size + 8, 8, 0);
}

static uint64_t clock(void *context, uint64_t retired)
{
    (void)context;
    return retired;
}

static void build_gdt(struct rig *r)
{
    const bool l = r->mode == LONG;
    const uint32_t flat = ATTR_G | ATTR_DB, code = ATTR_G | (l ? ATTR_L : ATTR_DB);
    rig_gdt(r, CODE0, rig_descriptor(0, 0xffffffff, ATTR_CODE | code));
    rig_gdt(r, DATA0, rig_descriptor(0, 0xffffffff, ATTR_DATA | flat));
    rig_gdt(r, CODE_COMPAT3, rig_descriptor(0, 0xffffffff, ATTR_CODE | ATTR_DPL | flat));
    rig_gdt(r, DATA3, rig_descriptor(0, 0xffffffff, ATTR_DATA | ATTR_DPL | flat));
    rig_gdt(r, CODE3, rig_descriptor(0, 0xffffffff, ATTR_CODE | ATTR_DPL | code));
    rig_gdt(r, TR_SELECTOR, rig_descriptor(TSS, 0x67, ATTR_P | SYS_TSS32_BUSY));
    rig_gdt(r, LDT_SELECTOR, rig_descriptor(LDT, 0x3f, ATTR_P | SYS_LDT));
    rig_gdt(r, CODE16_SELECTOR, rig_descriptor(0, 0xffff, ATTR_CODE));
    rig_gdt(r, DATA_COMPAT0, rig_descriptor(0, 0xffffffff, ATTR_DATA | flat));
    rig_gdt(r, CODE_COMPAT0, rig_descriptor(0, 0xffffffff, ATTR_CODE | flat));
}

static void build_idt(struct rig *r)
{
    for (unsigned v = 0; v < 256; v++) {
        r->ram.base[HANDLERS + 16 * v] = 0xf4; /* HLT */
        if (v < 32)
            r->ram.base[HANDLERS16 + 16 * v] = 0xf4;
        rig_put(r, IVT + 4 * v, 4, HANDLERS16 + 16 * (v & 31));
    }
    /* Gates with DPL 0, but for vectors 0x80 and 3. */
    for (unsigned v = 0; v < 256 && r->mode != REAL; v++)
        rig_gate(r, v, CODE0, HANDLERS + 16 * v, SYS_INT_GATE32, v == 0x80 || v == 3 ? 3 : 0, true, 0);
}

static void build_tss(struct rig *r)
{
    if (r->mode == LONG) {
        rig_put(r, TSS + 4, 8, STACK0);
        rig_put(r, TSS + 36, 8, STACK_IST);
    } else {
        rig_put(r, TSS + 4, 4, STACK0);
        rig_put(r, TSS + 8, 4, DATA0);
    }
}

/* The first 4 MiB, present for everyone, in pages of 4 KiB, so that a test can take one away. */
static void build_paging(struct rig *r)
{
    rig_put(r, TABLES, 8, (TABLES + 0x1000) | 7);
    rig_put(r, TABLES + 0x1000, 8, (TABLES + 0x2000) | 7);
    rig_put(r, TABLES + 0x2000 + 8, 8, 0x200000 | 0x87);
    rig_put(r, TABLES + 0x2000, 8, (TABLES + 0x3000) | 7);
    for (unsigned i = 0; i < 512; i++)
        rig_put(r, TABLES + 0x3000 + 8 * i, 8, i << 12 | 7);
}

static struct segment_reg from_gdt(struct rig *r, unsigned selector)
{
    return segment_of((uint16_t)selector, rig_get(r, GDT + (selector & ~7u), 8));
}

static void build_state(struct rig *r, unsigned cpl)
{
    struct cpu_state *s = &r->s;
    cpu_state_reset(s);
    s->rip = r->code_at = CODE;
    s->gpr[RSP] = cpl ? STACK3 : STACK0;
    s->cr0 = CR0_ET | CR0_NE;
    if (r->mode == REAL) {
        s->seg[SEG_CS].base = s->seg[SEG_CS].selector = 0;
        s->seg[SEG_CS].limit = 0xffff;
        s->seg[SEG_CS].attr = 0x9b;
        s->gpr[RSP] = 0x7000;
        s->idtr = (struct table_reg){.base = IVT, .limit = 0x3ff};
        s->gdtr = (struct table_reg){.base = GDT, .limit = GDT_END - 1};
        return;
    }
    s->cr0 |= CR0_PE | CR0_WP;
    s->gdtr = (struct table_reg){.base = GDT, .limit = GDT_END - 1};
    s->idtr = (struct table_reg){.base = IDT, .limit = r->mode == LONG ? 0xfff : 0x7ff};
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s->seg[i] = from_gdt(r, cpl ? DATA3 | cpl : DATA0);
    s->seg[SEG_CS] = from_gdt(r, cpl ? CODE3 | cpl : CODE0);
    s->seg[SEG_TR] = from_gdt(r, TR_SELECTOR);
    s->seg[SEG_LDTR] = from_gdt(r, LDT_SELECTOR);
    if (r->mode == LONG) {
        s->cr0 |= CR0_PG;
        s->cr4 = CR4_PAE;
        s->cr3 = TABLES;
        s->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
    }
}

void rig_init(struct rig *r, enum rig_mode mode, unsigned cpl)
{
    struct reason why = {{0}};
    memset(r, 0, sizeof(*r));
    r->mode = mode;
    if (ram_create(&r->ram, RIG_RAM, &why)) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
    r->host = (struct engine_host){.ram = &r->ram, .stats = &r->stats, .tsc = clock, .tsc_hz = 1000000000};
    build_gdt(r);
    build_tss(r);
    build_idt(r);
    build_paging(r);
    build_state(r, cpl);
    r->cpu = cpu_create(&r->host, &why);
    if (!r->cpu) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
}

void rig_free(struct rig *r)
{
    cpu_destroy(r->cpu);
    ram_destroy(&r->ram);
}

void rig_code(struct rig *r, const void *bytes, size_t count)
{
    memcpy(r->ram.base + r->code_at, bytes, count);
    r->code_at += (unsigned)count;
}

struct outcome rig_go(struct rig *r, unsigned limit)
{
    struct outcome o = {.vector = -1};
    struct reason why = {{0}};
    cpu_ram_written(r->cpu, gpa(0), RIG_RAM);
    if (cpu_set_state(r->cpu, &r->s, &why))
        vltest_check(false, __FILE__, __LINE__, "%s", why.text);
    cpu_run(r->cpu, &r->exit, limit);
    o.kind = r->exit.kind;
    cpu_get_state(r->cpu, &r->s);
    uint64_t at = r->s.seg[SEG_CS].base + r->s.rip, first = r->mode == REAL ? HANDLERS16 : HANDLERS;
    if (at > first && at < first + 16 * 256 && at % 16 == 1)
        o.vector = (int)((at - first) / 16);
    unsigned size = r->mode == LONG ? 8 : r->mode == PROTECTED ? 4 : 2;
    uint64_t sp = r->s.seg[SEG_SS].base + r->s.gpr[RSP];
    for (unsigned i = 0; i < ARRAY_SIZE(o.top) && sp + 8 * 6 < RIG_RAM; i++)
        o.top[i] = rig_get(r, sp + size * i, size);
    return o;
}

void rig_expect(struct rig *r, int vector, uint64_t error)
{
    struct outcome o = rig_go(r, 1000);
    vltest_check(o.kind == VM_EXIT_HLT && o.vector == vector, __FILE__, __LINE__,
                 "exit %d in the handler of vector %d, expected a halt in that of %d", o.kind, o.vector, vector);
    if (error != NO_ERROR)
        vltest_check(o.top[0] == error, __FILE__, __LINE__, "error code 0x%" PRIx64 ", expected 0x%" PRIx64, o.top[0],
                     error);
}
