/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_guest.c - the same few instructions on the software CPU, in a guest that has just what they need.
 *
 * The guest is in 64-bit mode, ring 3, with four-level page tables that map the pages of oracle.h at the same addresses
 * with the same permissions as the host does. Its IDT has 256 gates, each to a HLT of its own in a supervisor page; so
 * every run ends in a HLT exit, RIP says which vector it was, and the frame on the kernel stack says the rest.
 *
 *   physical memory   0x1000 .. page tables     0xa000 GDT, TSS   0xb000 IDT   0xc000 HLTs   0xd000 kernel stack
 *                     0x100000 struct oracle_memory
 */
#include "oracle.h"
#include "x86/cpu.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL       UINT64_C(0xffff800000000000) /* kernel pages: physical 0 .. 0x10000 is mapped here */
#define TABLES       UINT64_C(0x1000)
#define GDT          UINT64_C(0xa000)
#define TSS          UINT64_C(0xa800)
#define IDT          UINT64_C(0xb000)
#define HANDLERS     UINT64_C(0xc000)
#define KERNEL_STACK UINT64_C(0xe000) /* its top */
#define USER_PAGES   UINT64_C(0x100000)
#define TSS_LIMIT    0x67
#define BUDGET       200000 /* instructions, then the run counts as hung */

/* The selectors that Linux uses, so that code may look at them. */
enum { KERNEL_CS = 0x10, KERNEL_SS = 0x18, USER_SS = 0x2b, USER_CS = 0x33, TSS_SELECTOR = 0x40 };

#define PTE_P  UINT64_C(1)
#define PTE_W  UINT64_C(2)
#define PTE_U  UINT64_C(4)
#define PTE_NX (UINT64_C(1) << 63)

struct guest {
    struct oracle_cpu cpu;
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    struct cpu *software;
    struct cpu_state state; /* of every start, but for the registers */
    uint64_t next_table;
};

/* A bare machine: no devices, a clock that counts instructions. */
static uint64_t guest_tsc(void *context, uint64_t retired)
{
    (void)context;
    return retired;
}

static uint64_t *physical(struct guest *g, uint64_t at)
{
    return (uint64_t *)(void *)(g->ram.base + at);
}

/* ---- page tables ---- */

static uint64_t *table_below(struct guest *g, uint64_t *entry)
{
    if (!*entry) {
        *entry = g->next_table | PTE_P | PTE_W | PTE_U; /* the last level decides */
        g->next_table += PAGE_SIZE;
    }
    return physical(g, *entry & PAGE_MASK);
}

static void map_page(struct guest *g, uint64_t address, uint64_t frame, uint64_t rights)
{
    uint64_t *table = physical(g, TABLES);
    for (unsigned shift = 39; shift > PAGE_SHIFT; shift -= 9)
        table = table_below(g, &table[(address >> shift) & 511]);
    table[(address >> PAGE_SHIFT) & 511] = frame | rights | PTE_P;
}

static void map_region(struct guest *g, uint64_t address, size_t offset, size_t size, uint64_t rights)
{
    for (uint64_t at = 0; at < size; at += PAGE_SIZE)
        map_page(g, address + at, USER_PAGES + offset + at, rights);
}

static void map_all(struct guest *g)
{
    g->next_table = TABLES + PAGE_SIZE;
    for (uint64_t at = 0; at < KERNEL_STACK; at += PAGE_SIZE)
        map_page(g, KERNEL + at, at, PTE_W);
    map_region(g, ORACLE_CODE, offsetof(struct oracle_memory, code), ORACLE_CODE_SIZE, PTE_U);
    map_region(g, ORACLE_DATA, offsetof(struct oracle_memory, data), ORACLE_DATA_SIZE, PTE_U | PTE_W | PTE_NX);
    map_region(g, ORACLE_READONLY, offsetof(struct oracle_memory, readonly), PAGE_SIZE, PTE_U | PTE_NX);
    map_region(g, ORACLE_STACK, offsetof(struct oracle_memory, stack), ORACLE_STACK_SIZE, PTE_U | PTE_W | PTE_NX);
}

/* ---- descriptor tables ---- */

static void build_tables(struct guest *g)
{
    uint64_t *gdt = physical(g, GDT), base = KERNEL + TSS;
    gdt[KERNEL_CS >> 3] = UINT64_C(0x00209b0000000000);
    gdt[KERNEL_SS >> 3] = UINT64_C(0x0000930000000000);
    gdt[USER_CS >> 3] = UINT64_C(0x0020fb0000000000);
    gdt[USER_SS >> 3] = UINT64_C(0x0000f30000000000);
    gdt[TSS_SELECTOR >> 3] =
        UINT64_C(0x00008b0000000000) | TSS_LIMIT | (base & 0xffffff) << 16 | (base & 0xff000000) << 32;
    gdt[(TSS_SELECTOR >> 3) + 1] = base >> 32;

    uint64_t stack = KERNEL + KERNEL_STACK;
    memcpy((uint8_t *)physical(g, TSS) + 4, &stack, sizeof(stack)); /* RSP0 */
    uint16_t no_ports = TSS_LIMIT + 1;
    memcpy((uint8_t *)physical(g, TSS) + 0x66, &no_ports, sizeof(no_ports)); /* no I/O permission bitmap */

    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t handler = KERNEL + HANDLERS + vector * 8, *gate = physical(g, IDT) + 2 * vector;
        bool user = vector == VEC_BP || vector == VEC_OF; /* INT3 and INTO are allowed to all, as Linux does */
        gate[0] = (handler & 0xffff) | KERNEL_CS << 16 | (user ? UINT64_C(0xee00) : UINT64_C(0x8e00)) << 32 |
                  (handler & 0xffff0000) << 32;
        gate[1] = handler >> 32;
        memset(g->ram.base + HANDLERS + vector * 8, 0xf4, 8); /* HLT */
    }
}

static void prepare_state(struct guest *g)
{
    struct cpu_state *s = &g->state;
    cpu_state_reset(s);
    s->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    s->cr3 = TABLES;
    s->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE;
    s->efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s->seg[i] = (struct segment_reg){.limit = 0xffffffff, .attr = 0xc0f3};
    s->seg[SEG_SS].selector = USER_SS;
    s->seg[SEG_CS] = (struct segment_reg){.limit = 0xffffffff, .attr = 0xa0fb, .selector = USER_CS};
    s->seg[SEG_LDTR] = (struct segment_reg){.attr = ATTR_UNUSABLE | 0x82};
    s->seg[SEG_TR] =
        (struct segment_reg){.base = KERNEL + TSS, .limit = TSS_LIMIT, .attr = 0x8b, .selector = TSS_SELECTOR};
    s->gdtr = (struct table_reg){.base = KERNEL + GDT, .limit = 0x4f};
    s->idtr = (struct table_reg){.base = KERNEL + IDT, .limit = 0xfff};
}

/* ---- a run ---- */

static void load_registers(struct guest *g, const struct oracle_regs *in)
{
    struct cpu_state *s = &g->state;
    memcpy(s->gpr, in->gpr, sizeof(s->gpr));
    memcpy(s->fpu.xmm, in->xmm, sizeof(s->fpu.xmm));
    s->fpu.mxcsr = in->mxcsr;
    s->rflags = (in->rflags & ~(uint64_t)FLAG_TF) | FLAG_ONE | FLAG_IF;
    s->rip = in->rip;
    s->seg[SEG_FS].base = in->fs_base;
    s->seg[SEG_GS].base = in->gs_base;
    s->cr2 = 0;
}

static bool has_error_code(unsigned vector)
{
    return vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC;
}

static void take_registers(const struct cpu_state *s, struct oracle_regs *regs)
{
    memcpy(regs->gpr, s->gpr, sizeof(regs->gpr));
    memcpy(regs->xmm, s->fpu.xmm, sizeof(regs->xmm));
    regs->mxcsr = s->fpu.mxcsr;
    regs->fs_base = s->seg[SEG_FS].base;
    regs->gs_base = s->seg[SEG_GS].base;
    regs->rip = s->rip;
    regs->rflags = s->rflags;
}

/* After an exception most registers are still as they were; the frame holds the others. */
static void take_frame(struct guest *g, const struct cpu_state *s, struct oracle_outcome *out)
{
    out->vector = (int)((s->rip - 1 - KERNEL - HANDLERS) / 8);
    const uint64_t *frame = physical(g, KERNEL_STACK - (has_error_code((unsigned)out->vector) ? 48 : 40));
    if (has_error_code((unsigned)out->vector))
        out->error = (uint32_t)*frame++;
    out->cr2 = out->vector == VEC_PF ? s->cr2 : 0;
    out->regs.rip = frame[0];
    out->regs.rflags = frame[2];
    out->regs.gpr[RSP] = frame[3];
}

static void guest_run(struct oracle_cpu *cpu, const struct oracle_regs *in, struct oracle_outcome *out)
{
    struct guest *g = (struct guest *)cpu;
    struct reason why = {""};
    struct vm_exit exit = {.kind = VM_EXIT_INTERRUPTED};
    struct cpu_state end;
    *out = (struct oracle_outcome){.vector = ORACLE_DEAD};
    load_registers(g, in);
    if (cpu_set_state(g->software, &g->state, &why)) {
        snprintf(out->dead, sizeof(out->dead), "%.120s", why.text);
        return;
    }
    cpu_run(g->software, &exit, BUDGET);
    cpu_get_state(g->software, &end);
    take_registers(&end, &out->regs);
    if (exit.kind == VM_EXIT_HLT && end.rip > KERNEL + HANDLERS && end.rip <= KERNEL + HANDLERS + 256 * 8) {
        take_frame(g, &end, out);
    } else if (exit.kind == VM_EXIT_INTERRUPTED) {
        out->vector = ORACLE_HUNG;
    } else {
        snprintf(out->dead, sizeof(out->dead), "exit %d at RIP 0x%llx %.60s", (int)exit.kind,
                 (unsigned long long)end.rip, exit.why.text);
    }
}

static void guest_code_changed(struct oracle_cpu *cpu)
{
    struct guest *g = (struct guest *)cpu;
    cpu_ram_written(g->software, gpa(USER_PAGES + offsetof(struct oracle_memory, code)), ORACLE_CODE_SIZE);
}

static void guest_close(struct oracle_cpu *cpu)
{
    struct guest *g = (struct guest *)cpu;
    cpu_destroy(g->software);
    ram_destroy(&g->ram);
    free(g);
}

struct oracle_cpu *oracle_guest_open(struct reason *why)
{
    struct guest *g = calloc(1, sizeof(*g));
    if (!g) {
        fail(why, ENOMEM, "oracle: out of memory");
        return NULL;
    }
    g->cpu = (struct oracle_cpu){
        .name = "guest", .run = guest_run, .code_changed = guest_code_changed, .close = guest_close, .has_bases = true};
    if (ram_create(&g->ram, RAM_MIN, why)) {
        free(g);
        return NULL;
    }
    map_all(g);
    build_tables(g);
    prepare_state(g);
    g->cpu.memory = ram_at(&g->ram, gpa(USER_PAGES), sizeof(struct oracle_memory));
    g->host = (struct engine_host){.ram = &g->ram, .stats = &g->stats, .tsc = guest_tsc, .tsc_hz = 1000000000};
    g->software = cpu_create(&g->host, why);
    if (!g->software) {
        guest_close(&g->cpu);
        return NULL;
    }
    return &g->cpu;
}

struct cpu *oracle_guest_cpu(struct oracle_cpu *guest)
{
    return ((struct guest *)guest)->software;
}
