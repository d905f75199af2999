/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exhibit_riscv.c - the same experiment for RISC-V (RV64), on the Unicorn library's model of it.
 *
 * Unicorn starts in M-mode. It has no way to ask for another mode, so we go there as a kernel does: MRET with
 * mstatus.MPP = U. Traps reach the interrupt hook and end the run. Which mode a run ended in is found out by trying:
 * the mode decides which of mscratch and sscratch can still be read.
 * Without a processor of that kind, "user" is U-mode of the model; what the model gets wrong shows in the table, with
 * the specification's rule beside it.
 */
#include "exhibit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#define CODE        UINT64_C(0x10000) /* the instruction, and behind it the marker */
#define DATA        UINT64_C(0x12000)
#define SETUP       UINT64_C(0x13000) /* single instructions that prepare and look */
#define MEMORY_SIZE UINT64_C(0x10000)

#define READ(csr)  (0x00002573u | (uint32_t)(csr) << 20) /* csrrs a0, csr, zero */
#define WRITE(csr) (0x00059073u | (uint32_t)(csr) << 20) /* csrrw zero, csr, a1 */
#define MRET       0x30200073u
#define MARKER     0x00100893u /* li a7, 1: the instruction before it was passed */

enum { COUNTERS = 1, TW = 2, CLOSABLE = 4, MUST_TRAP = 8 };
enum mode { MODE_U, MODE_S, MODE_M = 3 };
enum { MSTATUS = 0x300, MEPC = 0x341, MSCRATCH = 0x340, SSCRATCH = 0x140, MCOUNTEREN = 0x306, SCOUNTEREN = 0x106 };

#define STATUS_FS     UINT64_C(0x6000) /* floating point on, and dirty: using it changes nothing */
#define STATUS_TW     UINT64_C(0x200000)
#define STATUS_SUM    UINT64_C(0x40000)
#define STATUS_MPP(m) ((uint64_t)(m) << 11)

/* ---- the table ---- */

struct riscv_row {
    struct exhibit_row row;
    uint32_t word;
    uint64_t value;
    unsigned setup;
};

#define GROUP(id, text) static const char group_##id[] = text;
#define ROW(...)
#include "exhibit_riscv.def"
#undef GROUP
#undef ROW

static const struct riscv_row rows[] = {
#define GROUP(id, text)
#define ROW(of, name_, word_, value_, setup_, rule_) \
    {{.group = group_##of,                           \
      .name = name_,                                 \
      .text = "",                                    \
      .shows = "",                                   \
      .rule = rule_,                                 \
      .closable = ((setup_)&CLOSABLE) != 0,          \
      .must_trap = ((setup_)&MUST_TRAP) != 0},       \
     word_,                                          \
     value_,                                         \
     setup_},
#include "exhibit_riscv.def"
#undef GROUP
#undef ROW
};

/* What belongs to the supervisor: with the values of state A and B where they can be chosen. mepc and sepc lead on. */
static const struct csr {
    const char *name;
    uint16_t number;
    bool chosen;
    uint64_t value[2];
} csrs[] = {
    {"mstatus", MSTATUS, false, {0, 0}},
    {"medeleg", 0x302, true, {0, 0x8}},
    {"mideleg", 0x303, true, {0, 0x2}},
    {"mie", 0x304, true, {0, 0xa}},
    {"mtvec", 0x305, true, {0x14000, 0x14800}},
    {"mscratch", MSCRATCH, true, {0x11, 0x22}},
    {"mcause", 0x342, true, {2, 3}},
    {"mtval", 0x343, true, {0x33, 0x44}},
    {"mip", 0x344, true, {0, 2}},
    {"pmpaddr0", 0x3b0, true, {0x1000, 0x2000}},
    {"pmpcfg0", 0x3a0, true, {0, 0x1f}},
    {"mepc", MEPC, false, {0, 0}},
    {"mcounteren", MCOUNTEREN, false, {0, 0}},
    {"scounteren", SCOUNTEREN, false, {0, 0}},
    {"stvec", 0x105, true, {0x14000, 0x14800}},
    {"sscratch", SSCRATCH, true, {0x55, 0x66}},
    {"sepc", 0x141, false, {0, 0}},
    {"scause", 0x142, true, {2, 3}},
    {"stval", 0x143, true, {0x33, 0x44}},
    {"satp", 0x180, true, {0, 1}},
};

/* ---- a CPU ---- */

struct riscv {
    uc_engine *uc;
    bool trapped;
    uint32_t cause;
};

static void on_trap(uc_engine *uc, uint32_t cause, void *context)
{
    struct riscv *cpu = context;

    cpu->trapped = true;
    cpu->cause = cause;
    uc_emu_stop(uc);
}

static uint64_t get(struct riscv *cpu, int reg)
{
    uint64_t value = 0;

    uc_reg_read(cpu->uc, reg, &value);
    return value;
}

static void set(struct riscv *cpu, int reg, uint64_t value)
{
    uc_reg_write(cpu->uc, reg, &value);
}

/* Runs from `at` until `end`, at most `count` instructions; a trap ends it. */
static uc_err go(struct riscv *cpu, uint64_t at, uint64_t end, size_t count)
{
    cpu->trapped = false;
    return uc_emu_start(cpu->uc, at, end, 0, count);
}

/* One instruction of ours, in the mode that the CPU is in. False if it trapped. */
static bool step(struct riscv *cpu, uint32_t word)
{
    uc_mem_write(cpu->uc, SETUP, &word, sizeof word);
    uc_ctl_remove_cache(cpu->uc, SETUP, SETUP + 4);
    return go(cpu, SETUP, SETUP + 4, 1) == UC_ERR_OK && !cpu->trapped;
}

static bool csr_write(struct riscv *cpu, unsigned csr, uint64_t value)
{
    set(cpu, UC_RISCV_REG_A1, value);
    return step(cpu, WRITE(csr));
}

static uint64_t csr_read(struct riscv *cpu, unsigned csr, bool *ok)
{
    uint64_t kept = get(cpu, UC_RISCV_REG_A0), value;

    *ok = step(cpu, READ(csr));
    value = get(cpu, UC_RISCV_REG_A0);
    set(cpu, UC_RISCV_REG_A0, kept);
    return *ok ? value : 0;
}

static enum mode mode_of(struct riscv *cpu)
{
    bool machine, supervisor;

    csr_read(cpu, MSCRATCH, &machine);
    csr_read(cpu, SSCRATCH, &supervisor);
    return machine ? MODE_M : supervisor ? MODE_S : MODE_U;
}

static bool cpu_open(struct riscv *cpu, struct reason *why)
{
    uc_hook hook;
    uc_err err = uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &cpu->uc);

    err = err ? err : uc_mem_map(cpu->uc, CODE, MEMORY_SIZE, UC_PROT_ALL);
    err = err ? err : uc_hook_add(cpu->uc, &hook, UC_HOOK_INTR, (void *)on_trap, cpu, 1, 0);
    if (err)
        fail(why, ENODEV, "Unicorn's RISC-V: %s", uc_strerror(err));
    return !err;
}

/* ---- a run ---- */

/* The state of the supervisor in state `which`; then the instruction's registers. */
static bool arrange(struct riscv *cpu, const struct riscv_row *row, unsigned which, enum mode mode)
{
    uint64_t status = STATUS_FS | (which ? STATUS_SUM : 0) | (row->setup & TW ? STATUS_TW : 0);
    uint64_t counters = (row->setup & COUNTERS ? 7 : 0) ^ (which ? 7 : 0); /* they bind lower modes: B is M-mode only */
    uint32_t code[2] = {row->word, MARKER};
    bool ok = true;

    for (unsigned i = 0; i < ARRAY_SIZE(csrs); i++)
        ok = ok && (!csrs[i].chosen || csr_write(cpu, csrs[i].number, csrs[i].value[which]));
    ok = ok && csr_write(cpu, MCOUNTEREN, counters) && csr_write(cpu, SCOUNTEREN, counters);
    ok = ok && csr_write(cpu, 0x141, CODE + 4); /* sepc */
    uc_mem_write(cpu->uc, CODE, code, sizeof code);
    if (mode == MODE_M) /* MRET, if that is the row, goes on behind itself in U-mode */
        ok = ok && csr_write(cpu, MSTATUS, status | STATUS_MPP(MODE_U)) && csr_write(cpu, MEPC, CODE + 4);
    else
        ok = ok && csr_write(cpu, MSTATUS, status | STATUS_MPP(mode)) && csr_write(cpu, MEPC, SETUP + 4) &&
             step(cpu, MRET);
    set(cpu, UC_RISCV_REG_A0, 0);
    set(cpu, UC_RISCV_REG_A1, row->value);
    set(cpu, UC_RISCV_REG_A2, DATA);
    set(cpu, UC_RISCV_REG_A3, CODE + 4);
    return ok && mode_of(cpu) == mode;
}

static void look(struct riscv *cpu, struct exhibit_run *run)
{
    uint64_t word = 0;

    uc_mem_read(cpu->uc, DATA, &word, sizeof word);
    exhibit_add(run->seen, &run->seen_count, EXHIBIT_SEEN, "a0", get(cpu, UC_RISCV_REG_A0));
    exhibit_add(run->seen, &run->seen_count, EXHIBIT_SEEN, "a1", get(cpu, UC_RISCV_REG_A1));
    exhibit_add(run->seen, &run->seen_count, EXHIBIT_SEEN, "a2", get(cpu, UC_RISCV_REG_A2));
    exhibit_add(run->seen, &run->seen_count, EXHIBIT_SEEN, "(a2)", word);
}

/* All CSRs can be read from M-mode only: elsewhere they stay as `known` has them, and the mode says enough. */
static unsigned system_values(struct riscv *cpu, struct exhibit_value *list, const struct exhibit_value *known)
{
    enum mode mode = mode_of(cpu);
    unsigned count = 0;
    bool ok;

    exhibit_add(list, &count, EXHIBIT_SYSTEM, "mode", mode);
    for (unsigned i = 0; i < ARRAY_SIZE(csrs); i++) {
        uint64_t value = mode == MODE_M ? csr_read(cpu, csrs[i].number, &ok) : known ? known[i + 1].value : 0;
        exhibit_add(list, &count, EXHIBIT_SYSTEM, csrs[i].name, value);
    }
    return count;
}

static void tell_trap(const struct riscv *cpu, struct exhibit_run *run)
{
    static const char *const causes[] = {"misaligned fetch", "fetch access fault", "illegal instruction",
                                         "breakpoint",       "misaligned load",    "load access fault",
                                         "misaligned store", "store access fault", "environment call"};
    if (cpu->cause < ARRAY_SIZE(causes))
        snprintf(run->how, sizeof run->how, "%s", causes[cpu->cause]);
    else
        snprintf(run->how, sizeof run->how, "exception %u", cpu->cause);
}

static void run_once(const struct riscv_row *row, unsigned which, enum mode mode, struct exhibit_run *run)
{
    struct reason why = {""};
    struct riscv cpu = {0};

    if (!cpu_open(&cpu, &why) || !arrange(&cpu, row, which, mode)) {
        run->end = EXHIBIT_UNRUN;
        snprintf(run->how, sizeof run->how, "%.80s", *why.text ? why.text : "the model did not reach the mode");
        uc_close(cpu.uc);
        return;
    }
    if (mode == MODE_M)
        run->system_count = system_values(&cpu, run->before, NULL);
    set(&cpu, UC_RISCV_REG_A7, 0);
    uc_err err = go(&cpu, CODE, CODE + 8, 2);
    look(&cpu, run);
    bool passed = get(&cpu, UC_RISCV_REG_A7) == 1;
    if (cpu.trapped) {
        run->end = EXHIBIT_TRAP;
        tell_trap(&cpu, run);
    } else if (err) {
        run->end = EXHIBIT_TRAP;
        const char *text = uc_strerror(err); /* "Invalid instruction (UC_ERR_INSN_INVALID)" */
        snprintf(run->how, sizeof run->how, "Unicorn stops: %.*s", (int)strcspn(text, "("), text);
    } else if (!passed) {
        run->end = EXHIBIT_LEFT;
        snprintf(run->how, sizeof run->how, "waits for an interrupt");
    }
    if (mode == MODE_M)
        system_values(&cpu, run->after, run->before);
    uc_close(cpu.uc);
}

int exhibit_riscv(struct exhibit *exhibit, struct reason *why)
{
    unsigned major, minor;

    *exhibit = (struct exhibit){.isa = "RISC-V (RV64)"};
    if (!uc_arch_supported(UC_ARCH_RISCV))
        return fail(why, ENODEV, "this Unicorn library has no RISC-V");
    uc_version(&major, &minor);
    snprintf(exhibit->user, sizeof exhibit->user, "U-mode of Unicorn %u.%u's model, entered by MRET", major, minor);
    snprintf(exhibit->kernel, sizeof exhibit->kernel, "M-mode of the same");
    exhibit->results = calloc(ARRAY_SIZE(rows), sizeof *exhibit->results);
    if (!exhibit->results)
        return fail(why, ENOMEM, "exhibit: out of memory");
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct exhibit_result *result = &exhibit->results[exhibit->count++];
        result->row = rows[i].row;
        run_once(&rows[i], 0, MODE_U, &result->user);
        run_once(&rows[i], 0, MODE_M, &result->kernel);
        run_once(&rows[i], 1, MODE_M, &result->other);
    }
    exhibit_judge(exhibit);
    return 0;
}
