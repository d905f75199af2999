/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.c - what the installed library really does, found out by short guests on library CPUs of their own.
 *
 * A row of the table is a few bytes of machine code, a question and a function that prepares the CPU, lets it run and
 * looks. Each row has a fresh CPU, and each run an instruction limit. The rows marked `needed` are what the engine
 * stands on (parts.h): when one fails, probe() says so and there is no such engine here.
 */
#include "emulate/unicorn/lab.h"
#include "emulate/unicorn/parts.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

typedef unsigned long long ull;

/* ---- what the engine needs ---- */

static void stops_at_block(struct lab *lab, struct unicorn_finding *finding)
{
    lab->stop_at = CODE;
    lab_run(lab);
    found(finding, lab_get(lab, UC_X86_REG_RIP) == CODE && !lab_get(lab, UC_X86_REG_RBX),
          "rip %#llx, %llu instructions done", (ull)lab_get(lab, UC_X86_REG_RIP), (ull)lab_get(lab, UC_X86_REG_RBX));
}

/* Translated once without the address, then dropped, then with it. */
static void stops_at_address(struct lab *lab, struct unicorn_finding *finding)
{
    uint64_t at = CODE + 3;

    lab_run(lab);
    lab_put(lab, UC_X86_REG_RBX, 0);
    (void)uc_ctl_exits_enable(lab->uc);
    (void)uc_ctl_set_exits(lab->uc, &at, 1);
    (void)uc_ctl_remove_cache(lab->uc, (uint64_t)CODE, (uint64_t)CODE + 1);
    lab_run(lab);
    found(finding, lab_get(lab, UC_X86_REG_RIP) == at && lab_get(lab, UC_X86_REG_RBX) == 1,
          "rip %#llx, %llu instructions done", (ull)lab_get(lab, UC_X86_REG_RIP), (ull)lab_get(lab, UC_X86_REG_RBX));
}

static void exact_rip(struct lab *lab, struct unicorn_finding *finding)
{
    lab_put(lab, UC_X86_REG_RDX, DEVICE);
    lab_run(lab);
    found(finding, lab->rip_at_access == CODE + 3 && lab_get(lab, UC_X86_REG_RIP) == CODE + 3,
          "rip %#llx, expected %#x", (ull)lab->rip_at_access, CODE + 3);
}

/* ---- what a CPU does ---- */

/* Paging on: all 8 MiB map to themselves, but TARGET to MAPPED, and the last 2 MiB are not present. */
static void paging_on(struct lab *lab)
{
    uint64_t *table = (uint64_t *)(lab->ram + TABLES);
    uint64_t *pml4 = table, *pdpt = table + 512, *pd = table + 1024;

    pml4[0] = (TABLES + 0x1000) | 3;
    pdpt[0] = (TABLES + 0x2000) | 3;
    for (uint64_t i = 0; i < 3; i++)
        pd[i] = i << 21 | 0x83; /* 2 MiB pages */
    pd[TARGET >> 21] = MAPPED | 0x83;
    memcpy(lab->ram + TARGET, "\x01", 1);
    memcpy(lab->ram + MAPPED, "\x02", 1);
    lab_put(lab, UC_X86_REG_CR3, TABLES);
    lab_put(lab, UC_X86_REG_CR0, CR0_PE | CR0_ET | CR0_NE | CR0_PG);
}

static void translates(struct lab *lab, struct unicorn_finding *finding)
{
    paging_on(lab);
    lab_put(lab, UC_X86_REG_RDX, TARGET);
    lab_run(lab);
    uint8_t read = (uint8_t)lab_get(lab, UC_X86_REG_RAX);
    found(finding, read == 2, "virtual %#x, mapped to %#x, reads physical %#x", TARGET, MAPPED,
          read == 2   ? MAPPED
          : read == 1 ? TARGET
                      : 0);
}

static void page_faults(struct lab *lab, struct unicorn_finding *finding)
{
    paging_on(lab);
    lab_put(lab, UC_X86_REG_RDX, 0x600000);
    expect_exception(lab, finding, VEC_PF);
}

/* A flat GDT, and an IDT whose every gate leads to HANDLER. */
static void tables(struct lab *lab)
{
    const uint64_t gdt[] = {0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff};
    uc_x86_mmr gdtr = {.base = GDT, .limit = sizeof(gdt) - 1}, idtr = {.base = IDT, .limit = 0xfff};

    memcpy(lab->ram + GDT, gdt, sizeof(gdt));
    for (unsigned i = 0; i < 256; i++) {
        const uint64_t gate = HANDLER | 0x10u << 16 | UINT64_C(0xee00) << 32;

        memcpy(lab->ram + IDT + 16 * i, &gate, sizeof(gate));
    }
    (void)uc_reg_write(lab->uc, UC_X86_REG_GDTR, &gdtr);
    (void)uc_reg_write(lab->uc, UC_X86_REG_IDTR, &idtr);
    lab_put(lab, UC_X86_REG_SS, 0x18);
    lab_put(lab, UC_X86_REG_CS, 0x10);
}

static void uses_idt(struct lab *lab, struct unicorn_finding *finding)
{
    tables(lab);
    lab_run(lab);
    found(finding, lab_get(lab, UC_X86_REG_RBX) == 1 && lab->vector == NO_VECTOR,
          lab_get(lab, UC_X86_REG_RBX) == 1 ? "the handler ran" : "the handler didn't run, the hook got vector %u",
          lab->vector);
}

static void put_msr(struct lab *lab, uint32_t number, uint64_t value)
{
    uc_x86_msr msr = {.rid = number, .value = value};

    (void)uc_reg_write(lab->uc, UC_X86_REG_MSR, &msr);
}

static void enters_lstar(struct lab *lab, struct unicorn_finding *finding)
{
    tables(lab);
    put_msr(lab, 0xc0000080, EFER_SCE | EFER_LME | EFER_LMA);
    put_msr(lab, 0xc0000081, UINT64_C(0x10) << 32);
    put_msr(lab, 0xc0000082, HANDLER);
    lab_run(lab);
    found(finding, lab_get(lab, UC_X86_REG_RBX) == 1, "went on at %#llx", (ull)lab_get(lab, UC_X86_REG_RIP));
}

static void efer_sce(struct lab *lab, struct unicorn_finding *finding)
{
    lab_put(lab, UC_X86_REG_RCX, 0xc0000080);
    lab_put(lab, UC_X86_REG_RAX, EFER_SCE | EFER_LME | EFER_LMA);
    expect_value(lab, finding, UC_X86_REG_RAX, EFER_SCE | EFER_LME | EFER_LMA);
}

/* An IRETQ to ring 3, at USER, where a privileged instruction stands. */
static void cpl_by_guest(struct lab *lab, struct unicorn_finding *finding)
{
    tables(lab);
    expect_exception(lab, finding, VEC_GP);
    finding->ok &= lab_get(lab, UC_X86_REG_RIP) == USER;
}

/* The same ring, but by way of uc_reg_write(). */
static void cpl_by_host(struct lab *lab, struct unicorn_finding *finding)
{
    tables(lab);
    lab_put(lab, UC_X86_REG_CS, 0x2b);
    expect_exception(lab, finding, VEC_GP);
}

static void gp_fault(struct lab *lab, struct unicorn_finding *finding)
{
    paging_on(lab);
    lab_put(lab, UC_X86_REG_RDX, UINT64_C(0x8000000000001000));
    expect_exception(lab, finding, VEC_GP);
}

static void unaligned(struct lab *lab, struct unicorn_finding *finding)
{
    lab_put(lab, UC_X86_REG_RDX, 0x5001);
    expect_exception(lab, finding, VEC_GP);
}

static void unknown_msr(struct lab *lab, struct unicorn_finding *finding)
{
    lab_put(lab, UC_X86_REG_RCX, 0x12345678);
    expect_exception(lab, finding, VEC_GP);
}

static void divides(struct lab *lab, struct unicorn_finding *finding)
{
    expect_exception(lab, finding, VEC_DE);
}

/* Two in a row: an exception that was never delivered must not make the next one a double fault. */
static void second_exception(struct lab *lab, struct unicorn_finding *finding)
{
    lab_run(lab);
    expect_exception(lab, finding, VEC_DE);
}

static void undefined(struct lab *lab, struct unicorn_finding *finding)
{
    expect_exception(lab, finding, VEC_UD);
}

static void task_switched(struct lab *lab, struct unicorn_finding *finding)
{
    lab_put(lab, UC_X86_REG_RAX, CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_TS);
    expect_exception(lab, finding, VEC_NM);
}

static void single_step(struct lab *lab, struct unicorn_finding *finding)
{
    lab_put(lab, UC_X86_REG_RFLAGS, FLAG_ONE | FLAG_TF);
    expect_exception(lab, finding, VEC_DB);
}

static void self_modifying(struct lab *lab, struct unicorn_finding *finding)
{
    expect_value(lab, finding, UC_X86_REG_RBX, 2);
}

static void popcnt(struct lab *lab, struct unicorn_finding *finding)
{
    lab_put(lab, UC_X86_REG_RBX, 0x55);
    expect_value(lab, finding, UC_X86_REG_RAX, 4);
}

static void shift_by_zero(struct lab *lab, struct unicorn_finding *finding)
{
    lab_put(lab, UC_X86_REG_RFLAGS, FLAG_ONE | FLAGS_STATUS);
    lab_put(lab, UC_X86_REG_RAX, 1);
    lab_run(lab);
    uint64_t flags = lab_get(lab, UC_X86_REG_RFLAGS) & FLAGS_STATUS;
    found(finding, flags == FLAGS_STATUS, "flags %#llx, expected %#x", (ull)flags, FLAGS_STATUS);
}

/* CVTSD2SI of 1.5 with MXCSR.RC = down: 1. */
static void rounds(struct lab *lab, struct unicorn_finding *finding)
{
    const double value = 1.5;

    memcpy(lab->ram + 0x5000, &value, sizeof(value));
    lab_put(lab, UC_X86_REG_MXCSR, 0x1f80 | 1 << 13);
    lab_put(lab, UC_X86_REG_RDX, 0x5000);
    expect_value(lab, finding, UC_X86_REG_RAX, 1);
}

/* FLDPI's significand has 64 bits. */
static void extended_precision(struct lab *lab, struct unicorn_finding *finding)
{
    uint64_t significand;

    lab_put(lab, UC_X86_REG_FPCW, 0x37f);
    lab_put(lab, UC_X86_REG_RDX, 0x5000);
    lab_run(lab);
    memcpy(&significand, lab->ram + 0x5000, sizeof(significand));
    found(finding, significand == UINT64_C(0xc90fdaa22168c235), "significand %#llx", (ull)significand);
}

static void fpu_pointers(struct lab *lab, struct unicorn_finding *finding)
{
    uint64_t fip;

    lab_put(lab, UC_X86_REG_RDX, 0x5000);
    lab_run(lab);
    memcpy(&fip, lab->ram + 0x5008, sizeof(fip));
    found(finding, fip == CODE, "FXSAVE after an instruction at %#x stores FIP %#llx", CODE, (ull)fip);
}

static void mxcsr_flags(struct lab *lab, struct unicorn_finding *finding)
{
    const double value = 3;

    memcpy(lab->ram + 0x5000, &value, sizeof(value));
    lab_put(lab, UC_X86_REG_MXCSR, 0x1f80);
    lab_put(lab, UC_X86_REG_RDX, 0x5000);
    lab_run(lab);
    found(finding, lab_get(lab, UC_X86_REG_RAX) & 0x20, "MXCSR %#llx after 1/3, its PE is bit 5",
          (ull)lab_get(lab, UC_X86_REG_RAX));
}

#define CODE_BYTES(bytes) bytes "\xf4", sizeof(bytes)

static const struct row {
    const char *name;
    bool needed;
    void (*look)(struct lab *lab, struct unicorn_finding *finding);
    const char *code; /* and HLT */
    size_t size;
} rows[] = {
    {"stops at a block's start", true, stops_at_block, CODE_BYTES("\x48\xff\xc3\x48\xff\xc3")},   /* inc rbx (twice) */
    {"stops at a given address", true, stops_at_address, CODE_BYTES("\x48\xff\xc3\x48\xff\xc3")}, /* inc rbx (twice) */
    {"gives a device access's RIP", true, exact_rip,
     CODE_BYTES("\x48\xff\xc3\x8b\x02\x48\xff\xc3")}, /* mov eax,[rdx] */
    {"runs self-modified code", true, self_modifying,
     CODE_BYTES("\xc6\x05\x01\x00\x00\x00\x02\xbb\x01\x00\x00\x00")},         /* mov byte [imm],2; mov ebx,1 */
    {"translates addresses", false, translates, CODE_BYTES("\x8a\x02")},      /* mov al,[rdx] */
    {"faults on absent pages", false, page_faults, CODE_BYTES("\x8a\x02")},   /* mov al,[rdx] */
    {"uses the IDT", false, uses_idt, CODE_BYTES("\xcd\x40")},                /* int 40h */
    {"SYSCALL enters LSTAR", false, enters_lstar, CODE_BYTES("\x0f\x05")},    /* syscall */
    {"EFER.SCE can be set", false, efer_sce, CODE_BYTES("\x0f\x30\x0f\x32")}, /* wrmsr; rdmsr */
    {"CPL honoured, set by the guest", false, cpl_by_guest,                   /* iretq; mov rax,cr3 */
     CODE_BYTES("\x6a\x23\x54\x83\x04\x24\x08\x9c\x6a\x2b\x68\x13\x10\x00\x00\x48\xcf\x90\x90\x0f\x20\xd8")},
    {"CPL honoured, set by the host", false, cpl_by_host, CODE_BYTES("\x0f\x20\xd8")}, /* mov rax,cr3 */
    {"IOPL honoured", false, cpl_by_guest,                                             /* iretq; in al,80h */
     CODE_BYTES("\x6a\x23\x54\x83\x04\x24\x08\x9c\x6a\x2b\x68\x13\x10\x00\x00\x48\xcf\x90\x90\xe4\x80")},
    {"DIV by 0 is #DE", false, divides, CODE_BYTES("\x31\xc9\xf7\xf1")}, /* xor ecx,ecx; div ecx */
    {"a second #DE is #DE", false, second_exception, CODE_BYTES("\x31\xc9\xf7\xf1")},
    {"a non-canonical address is #GP", false, gp_fault, CODE_BYTES("\x8a\x02")},      /* mov al,[rdx] */
    {"an unaligned MOVDQA is #GP", false, unaligned, CODE_BYTES("\x66\x0f\x6f\x02")}, /* movdqa xmm0,[rdx] */
    {"an unknown MSR is #GP", false, unknown_msr, CODE_BYTES("\x0f\x32")},            /* rdmsr */
    {"AVX without OSXSAVE is #UD", false, undefined, CODE_BYTES("\xc5\xf8\x77")},     /* vzeroupper */
    {"CR0.TS makes SSE #NM", false, task_switched,
     CODE_BYTES("\x0f\x22\xc0\x0f\x28\xc1")},                                     /* mov cr0,rax; movaps xmm0,xmm1 */
    {"RFLAGS.TF is #DB", false, single_step, CODE_BYTES("\x90\x90")},             /* nop (twice) */
    {"POPCNT", false, popcnt, CODE_BYTES("\xf3\x0f\xb8\xc3")},                    /* popcnt eax,ebx */
    {"SHL by CL = 0 leaves flags", false, shift_by_zero, CODE_BYTES("\xd3\xe0")}, /* shl eax,cl */
    {"MXCSR rounding", false, rounds, CODE_BYTES("\xf2\x0f\x2d\x02")},            /* cvtsd2si eax,[rdx] */
    {"MXCSR exception flags", false, mxcsr_flags, /* push 1; cvtsi2sd; divsd xmm0,[rdx]; stmxcsr; mov eax,[rsp] */
     CODE_BYTES("\x6a\x01\xf2\x0f\x2a\x04\x24\xf2\x0f\x5e\x02\x0f\xae\x1c\x24\x8b\x04\x24")},
    {"x87 has 64-bit significands", false, extended_precision, CODE_BYTES("\xd9\xeb\xdb\x3a")}, /* fldpi; fstp */
    {"x87 keeps FIP", false, fpu_pointers, CODE_BYTES("\xd9\xe8\x0f\xae\x02")},                 /* fld1; fxsave */
};

static struct unicorn_finding findings[ARRAY_SIZE(rows)];
static pthread_once_t needed_once = PTHREAD_ONCE_INIT, rest_once = PTHREAD_ONCE_INIT;

static void try_rows(bool needed)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct lab lab;

        if (rows[i].needed != needed)
            continue;
        findings[i].name = rows[i].name;
        findings[i].needed = needed;
        if (lab_open(&lab)) {
            memcpy(lab.ram + CODE, rows[i].code, rows[i].size);
            rows[i].look(&lab, &findings[i]);
        } else {
            found(&findings[i], false, "the library gave no CPU to try it on");
        }
        lab_close(&lab);
    }
}

/* Each library CPU takes some 5 ms to make: an engine's start needs only the first. */
static void try_needed(void)
{
    try_rows(true);
}
static void try_rest(void)
{
    try_rows(false);
}

const struct unicorn_finding *unicorn_findings(size_t *count)
{
    (void)pthread_once(&needed_once, try_needed);
    (void)pthread_once(&rest_once, try_rest);
    *count = ARRAY_SIZE(findings);
    return findings;
}

const char *unicorn_version_text(void)
{
    static __thread char text[24];
    unsigned version = uc_version(NULL, NULL); /* major, minor, patch in bytes 3, 2, 1 */

    snprintf(text, sizeof(text), "%u.%u.%u", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff);
    return text;
}

int unicorn_probe(struct reason *why)
{
    (void)pthread_once(&needed_once, try_needed);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].needed && !findings[i].ok)
            return fail(why, ENOTSUP, "Unicorn %s can't be used, it fails '%s': %s; Debian 12's 2.0.1 works",
                        unicorn_version_text(), findings[i].name, findings[i].seen);
    return 0;
}
