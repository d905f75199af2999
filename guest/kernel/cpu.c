/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu.c [5]: sets up the processor: GDT, TSS, IDT, the SYSCALL MSRs and SSE.
 *
 * Next: entry.S, which all of this points to.
 */
#include "cpu.h"

#include "pv_ops.h"

/* --- descriptor tables ------------------------------------------------------------------- */

static u64 gdt[] = {
    0,
    0x00209a0000000000, /* 0x08 kernel code: present, DPL 0, L */
    0x0000920000000000, /* 0x10 kernel data */
    0,                  /* 0x18 where SYSRET to 32-bit code would look */
    0x0000f20000000000, /* 0x20 user data, DPL 3 */
    0x0020fa0000000000, /* 0x28 user code, DPL 3, L */
    0,
    0, /* 0x30 TSS, 16 bytes */
};

/* SDM vol. 3A, 7.7 "Task Management in 64-bit Mode". */
static struct {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3, iomap_base;
} __attribute__((packed)) tss;

struct gate {
    u16 offset_low, selector;
    u8 ist, type;
    u16 offset_mid;
    u32 offset_high, reserved;
};
static struct gate idt[VEC_COUNT];

#define GATE_INTERRUPT 0x8e
#define GATE_USER      0x60 /* DPL 3 */
#define STUB_SIZE      16
#define VEC_NMI        2
#define VEC_BREAKPOINT 3
#define VEC_OVERFLOW   4
#define VEC_DF         8

extern u8 trap_stubs[];
extern void syscall_entry(void);
extern u64 kernel_stack_top; /* entry.S: what SYSCALL loads */

/* These two may strike when the stack pointer can't be trusted, hence stacks of their own. */
static u8 df_stack[PAGE_SIZE] __attribute__((aligned(16)));
static u8 nmi_stack[PAGE_SIZE] __attribute__((aligned(16)));

static void load_gdt(void)
{
    u64 base = (u64)&tss, limit = sizeof(tss) - 1;
    const struct pv_table_ptr ptr = {sizeof(gdt) - 1, (u64)gdt};

    /* An available 64-bit TSS, SDM vol. 3A, 7.2.3. */
    gdt[6] = limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[7] = base >> 32;
    tss.ist[0] = (u64)df_stack + sizeof(df_stack);
    tss.ist[1] = (u64)nmi_stack + sizeof(nmi_stack);
    tss.iomap_base = sizeof(tss);
    pv_lgdt(&ptr);
    pv_load_segments(KERNEL_DS);
    pv_ltr(TSS_SEL);
}

static void set_gate(unsigned vector, const void *entry)
{
    u64 offset = (u64)entry;

    idt[vector] = (struct gate){
        .offset_low = (u16)offset,
        .selector = KERNEL_CS,
        .type = GATE_INTERRUPT,
        .offset_mid = (u16)(offset >> 16),
        .offset_high = (u32)(offset >> 32),
    };
}

static void load_idt(void)
{
    const struct pv_table_ptr ptr = {sizeof(idt) - 1, (u64)idt};

    pv_lidt(&ptr);
}

void cpu_set_trap_entry(unsigned vector, const void *entry)
{
    set_gate(vector, entry);
    load_idt(); /* a hypervisor may have taken a copy */
}

static void init_idt(void)
{
    for (unsigned v = 0; v < VEC_COUNT; v++)
        set_gate(v, trap_stubs + v * STUB_SIZE);
    idt[VEC_BREAKPOINT].type |= GATE_USER;
    idt[VEC_OVERFLOW].type |= GATE_USER;
    idt[VEC_DF].ist = 1;
    idt[VEC_NMI].ist = 2;
    load_idt();
}

void cpu_set_kernel_stack(u64 top)
{
    pv_set_trap_stack(&tss, top);
    kernel_stack_top = top;
}

/* --- model-specific registers ------------------------------------------------------------ */

#define MSR_EFER    0xc0000080
#define MSR_STAR    0xc0000081
#define MSR_LSTAR   0xc0000082
#define MSR_SFMASK  0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101

#define EFER_SCE (1u << 0)
/* Cleared on SYSCALL: TF, IF, DF, NT, AC. */
#define SYSCALL_FLAGS_MASK 0x44700

void cpu_set_syscall_entry(const void *entry)
{
    pv_wrmsr(MSR_LSTAR, (u64)entry);
}

static void init_syscall(void)
{
    pv_wrmsr(MSR_STAR, (u64)(SYSRET_BASE | 3) << 48 | (u64)KERNEL_CS << 32);
    cpu_set_syscall_entry(syscall_entry);
    pv_wrmsr(MSR_SFMASK, SYSCALL_FLAGS_MASK);
    pv_wrmsr(MSR_EFER, pv_rdmsr(MSR_EFER) | EFER_SCE);
}

void cpu_set_fs_base(u64 base)
{
    pv_wrmsr(MSR_FS_BASE, base);
}

void cpu_set_gs_base(u64 base)
{
    pv_wrmsr(MSR_GS_BASE, base);
}

/* --- control registers and the FPU ------------------------------------------------------- */

#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)

#define CR4_PGE        (1u << 7)
#define CR4_OSFXSR     (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)

#define FCW_DEFAULT   0x037f
#define MXCSR_DEFAULT 0x1f80
#define FX_FCW        0
#define FX_MXCSR      24
#define FX_MXCSR_MASK 28

static u32 mxcsr_mask;
static u32 hwcap;

static void put32(u8 *p, u32 v)
{
    memcpy(p, &v, sizeof(v));
}

static u32 get32(const u8 *p)
{
    u32 v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static void init_control(void)
{
    u32 id[4];
    u8 fx[FX_SIZE] __attribute__((aligned(16)));

    pv_cpuid(1, id);
    hwcap = id[3];
    pv_write_cr0((pv_read_cr0() & ~(u64)(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE | CR0_WP);
    /* No OSXSAVE: CPUID then tells programs that AVX can't be used. */
    pv_write_cr4(pv_read_cr4() | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    memset(fx, 0, sizeof(fx));
    fpu_save(fx);
    mxcsr_mask = get32(fx + FX_MXCSR_MASK);
    if (!mxcsr_mask)
        mxcsr_mask = 0xffbf; /* SDM vol. 1, 11.6.6 */
}

u32 cpu_hwcap(void)
{
    return hwcap;
}

void fpu_save(u8 *fx)
{
    pv_fpu_save(fx);
}

void fpu_load(const u8 *fx)
{
    pv_fpu_load(fx);
}

void fpu_init_state(u8 *fx)
{
    const u16 fcw = FCW_DEFAULT;

    memset(fx, 0, FX_SIZE);
    memcpy(fx + FX_FCW, &fcw, sizeof(fcw));
    put32(fx + FX_MXCSR, MXCSR_DEFAULT);
}

void fpu_sanitize(u8 *fx)
{
    put32(fx + FX_MXCSR, get32(fx + FX_MXCSR) & mxcsr_mask);
}

void cpu_init(void)
{
    load_gdt();
    init_idt();
    init_syscall();
    init_control();
}
