/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exhibit_stage.c - the virtual machine of the x86-64 exhibit, in two states that differ in all that is a supervisor's.
 *
 * A and B have the same memory map, code and ring. Everything else that an operating system sets up is different: what
 * an instruction does otherwise in B than in A, it does because of that (Popek and Goldberg's behaviour sensitivity).
 * FS and GS bases are the user's own on x86-64 and the same in both.
 *
 *   0x10000 GDT of A   0x11000 TSS of A   0x12000 IDT (A)     0x20000 page tables of A
 *   0x14000 GDT of B   0x15000 TSS of B   0x16000 IDT (B)     0x30000 page tables of B
 *   0x40000 handlers
 */
#include <string.h>

#include "exhibit_x86.h"

#define GDT_LIMIT 0x7f
#define TSS_LIMIT 0x67
/* The lists of selectors: what is 0x18 in A, a data segment, is code that can't be read in B. */
enum {
    CODE_1 = 0x08,
    CODE_2 = 0x10,
    PROBED = 0x18,
    DATA_SEG = 0x20,
    LDT_1 = 0x28,
    LDT_2 = 0x38,
    TSS_1 = 0x48,
    TSS_2 = 0x58,
    TSS_FREE = 0x68
};

static const struct place {
    uint64_t gdt, tss, idt, tables;
} places[] = {{0x10000, 0x11000, 0x12000, 0x20000}, {0x14000, 0x15000, 0x16000, 0x30000}};

static uint64_t *words_at(const struct ram *ram, uint64_t at)
{
    return ram_at(ram, gpa(at), PAGE_SIZE);
}

/* A system descriptor takes two entries (SDM 3, figure 8-4). */
static void system_descriptor(uint64_t *gdt, unsigned selector, unsigned type, uint64_t base, uint64_t limit)
{
    gdt[selector / 8] = UINT64_C(0x0000800000000000) | (uint64_t)type << 40 | limit | (base & 0xffffff) << 16 |
                        (base & 0xff000000) << 32;
    gdt[selector / 8 + 1] = base >> 32;
}

static void build_gdt(const struct ram *ram, const struct place *place, bool is_b)
{
    uint64_t *gdt = words_at(ram, place->gdt);

    gdt[CODE_1 / 8] = gdt[CODE_2 / 8] = UINT64_C(0x00209b0000000000);
    gdt[DATA_SEG / 8] = UINT64_C(0x0000930000000000);
    gdt[PROBED / 8] = is_b ? UINT64_C(0x0000990000008765) : UINT64_C(0x0000930000004321);
    system_descriptor(gdt, LDT_1, 2, 0x18000, 0x17);
    system_descriptor(gdt, LDT_2, 2, 0x19000, 0x1f);
    system_descriptor(gdt, TSS_1, 11, place->tss, TSS_LIMIT);
    system_descriptor(gdt, TSS_2, 11, place->tss, TSS_LIMIT);
    system_descriptor(gdt, TSS_FREE, 9, place->tss, TSS_LIMIT);
}

static void build_idt(const struct ram *ram, const struct place *place)
{
    uint64_t *idt = words_at(ram, place->idt);

    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t handler = EXHIBIT_HANDLERS + vector * EXHIBIT_HANDLER_SIZE;
        idt[2 * vector] = (handler & 0xffff) | CODE_1 << 16 | UINT64_C(0xee00) << 32 | (handler & 0xffff0000) << 32;
        idt[2 * vector + 1] = handler >> 32;
    }
}

/* Four levels; the first 2 MiB by a page of entries, the rest by large pages. All is open to both rings. */
static void build_page_tables(const struct ram *ram, uint64_t at)
{
    uint64_t *directory = words_at(ram, at + 0x2000);

    words_at(ram, at)[0] = (at + 0x1000) | 7;
    words_at(ram, at + 0x1000)[0] = (at + 0x2000) | 7;
    for (unsigned i = 0; i < EXHIBIT_RAM >> 21; i++)
        directory[i] = (uint64_t)i << 21 | 0x87;
}

void exhibit_stage_build(const struct ram *ram)
{
    for (unsigned which = EXHIBIT_STATE_A; which <= EXHIBIT_STATE_B; which++) {
        const struct place *place = &places[which];
        uint8_t *tss = ram_at(ram, gpa(place->tss), PAGE_SIZE);
        uint64_t stack = EXHIBIT_STACK;
        uint16_t no_ports = TSS_LIMIT + 1;

        memset(ram_at(ram, gpa(place->gdt), PAGE_SIZE), 0, PAGE_SIZE);
        build_gdt(ram, place, which == EXHIBIT_STATE_B);
        build_idt(ram, place);
        build_page_tables(ram, place->tables);
        memset(tss, 0, PAGE_SIZE);
        memcpy(tss + 4, &stack, sizeof stack); /* RSP0 */
        memcpy(tss + 0x66, &no_ports, sizeof no_ports);
    }
    memset(ram_at(ram, gpa(EXHIBIT_HANDLERS), 2 * PAGE_SIZE), 0xf4, 2 * PAGE_SIZE); /* HLT */
}

/* What is the same in A and B. */
static void common(struct cpu_state *s, const struct place *place)
{
    cpu_state_reset(s);
    s->efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
    s->cr3 = place->tables;
    s->gdtr = (struct table_reg){place->gdt, GDT_LIMIT};
    s->idtr = (struct table_reg){place->idt, 0xfff};
    s->lstar = EXHIBIT_HANDLERS + EXHIBIT_SYSCALL_ENTRY * EXHIBIT_HANDLER_SIZE;
    s->sysenter_eip = EXHIBIT_HANDLERS + EXHIBIT_SYSENTER_ENTRY * EXHIBIT_HANDLER_SIZE;
    s->sysenter_esp = EXHIBIT_STACK;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s->seg[i] = (struct segment_reg){.limit = 0xffffffff, .attr = 0xc093, .selector = DATA_SEG};
    s->seg[SEG_FS].base = 0x1000, s->seg[SEG_GS].base = 0x2000;
    s->rip = EXHIBIT_CODE;
    s->rflags = FLAG_ONE;
}

static void segments(struct cpu_state *s, const struct place *place, uint16_t cs, uint16_t data, uint16_t ldt,
                     uint16_t tss)
{
    s->seg[SEG_CS] = (struct segment_reg){.limit = 0xffffffff, .attr = 0xa09b, .selector = cs};
    s->seg[SEG_ES].selector = s->seg[SEG_SS].selector = s->seg[SEG_DS].selector = s->seg[SEG_FS].selector =
        s->seg[SEG_GS].selector = data;
    s->seg[SEG_LDTR] = (struct segment_reg){
        .base = ldt == LDT_1 ? 0x18000 : 0x19000, .limit = ldt == LDT_1 ? 0x17 : 0x1f, .attr = 0x82, .selector = ldt};
    s->seg[SEG_TR] = (struct segment_reg){.base = place->tss, .limit = TSS_LIMIT, .attr = 0x8b, .selector = tss};
}

void exhibit_stage_state(struct cpu_state *s, enum exhibit_state which)
{
    const struct place *place = &places[which];

    common(s, place);
    if (which == EXHIBIT_STATE_A) {
        segments(s, place, CODE_1, PROBED, LDT_1, TSS_1);
        s->cr0 = CR0_PE | CR0_MP | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
        s->cr4 = CR4_PAE | CR4_OSFXSR | CR4_FSGSBASE;
        s->cr2 = 0x111000, s->cr8 = 0;
        s->dr[0] = 0x1111, s->dr7 = 0x400;
        s->kernel_gs_base = 0x3000;
        s->star = UINT64_C(0x0008000800000000), s->sysenter_cs = CODE_1;
        s->tsc_aux = 1, s->tsc = 0x10000000;
    } else {
        segments(s, place, CODE_2, DATA_SEG, LDT_2, TSS_2);
        s->cr0 = CR0_PE | CR0_MP | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
        s->cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE;
        s->cr2 = 0x222000, s->cr8 = 5;
        s->dr[0] = 0x2222, s->dr7 = 0x600;
        s->kernel_gs_base = 0x4000;
        s->star = UINT64_C(0x0010001000000000), s->sysenter_cs = CODE_2;
        s->tsc_aux = 2, s->tsc = 0x20000000;
        s->rflags |= FLAG_IF | FLAG_IOPL | FLAG_AC;
    }
}
