/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu_rig.h - one SSE or x87 instruction on this processor and on the software CPU, from the same state.
 *
 * The state is a struct fpu_context: general registers, flags, an FXSAVE image and some memory. On the processor a stub
 * of generated code loads all of it, executes the instruction, and stores all of it again; an exception arrives as a
 * signal, whose handler continues behind the instruction. On the software CPU the instruction's record is decoded and
 * its handler called; a TLB entry maps the context's page at its own address, so that addresses agree.
 *
 * Read next: test_sse_x87.c, which makes the instructions and the states.
 */
#ifndef VIRTLAB_FPU_RIG_H
#define VIRTLAB_FPU_RIG_H

#include "vltest.h"
#include "x86/block.h"
#include "x86/decode.h"
#include "x86/flags.h"
#include "x86/fpu.h"
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

/* The area of FXSAVE64 (SDM 1, table 10-2). */
struct fxsave_image {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    uint8_t xmm[16][16];
    uint8_t unused[96];
} __attribute__((aligned(16)));
_Static_assert(sizeof(struct fxsave_image) == 512, "an FXSAVE area has 512 bytes");

#define NO_VECTOR     (-1)
#define FPU_MEMORY    1024
#define FPU_OPERAND   64 /* where in `memory` operands lie */
#define HOST_MXCSR    0x1f80
#define RESERVED_FLAG 0x202 /* RFLAGS in user mode, status flags aside: IF and the bit that is always set */

struct fpu_context {
    struct fxsave_image fx;
    uint64_t gpr[GPR_COUNT]; /* RSP aside */
    uint64_t rflags;
    int vector; /* of the exception, or NO_VECTOR */
    uint8_t memory[FPU_MEMORY] __attribute__((aligned(64)));
};

/* One mapping at one address: a page of code, then pages at whose end the context lies, then one without access. */
struct fpu_rig {
    uint8_t *code;
    struct fpu_context *context;
    size_t size;
    uint8_t *insn, *behind; /* the instruction in the stub, and what follows it */
    uint32_t host_mxcsr;
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    struct cpu *cpu;
    struct block *block; /* of that one instruction */
};

static struct fpu_rig rig; /* a signal handler has to find it */

/* ---- on the processor ---- */

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)info;
    ucontext_t *u = context;
    if ((uint8_t *)u->uc_mcontext.gregs[REG_RIP] != rig.insn) { /* not ours: die of it */
        struct sigaction die = {.sa_handler = SIG_DFL};
        sigaction(signal, &die, NULL);
        return;
    }
    rig.context->vector = (int)u->uc_mcontext.gregs[REG_TRAPNO];
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)rig.behind;
}

static uint8_t *emit(uint8_t *at, const void *bytes, size_t count)
{
    memcpy(at, bytes, count);
    return at + count;
}

/* An instruction whose memory operand is RIP-relative: opcode bytes up to ModRM, then the distance to `target`. */
static uint8_t *emit_at(uint8_t *at, const void *bytes, size_t count, const void *target)
{
    at = emit(at, bytes, count);
    int32_t distance = (int32_t)((const uint8_t *)target - (at + 4));
    return emit(at, &distance, 4);
}

/* MOV between a general register and its place in the context: opcode 8B loads, 89 stores. */
static uint8_t *emit_mov(uint8_t *at, uint8_t opcode, unsigned reg)
{
    uint8_t bytes[] = {(uint8_t)(reg < 8 ? 0x48 : 0x4c), opcode, (uint8_t)(5 | (reg & 7) << 3)};
    return emit_at(at, bytes, sizeof(bytes), &rig.context->gpr[reg]);
}

static void emit_stub(const uint8_t *insn, size_t length)
{
    static const uint8_t save[] = {0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57}; /* PUSH rbx .. r15 */
    static const uint8_t restore[] = {0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3};
    struct fpu_context *c = rig.context;
    uint8_t *at = emit(rig.code, save, sizeof(save));
    at = emit_at(at, "\x48\x0f\xae\x0d", 4, &c->fx); /* FXRSTOR64 */
    at = emit_at(at, "\xff\x35", 2, &c->rflags);     /* PUSH, POPFQ */
    at = emit(at, "\x9d", 1);
    for (unsigned r = 0; r < GPR_COUNT; r++)
        if (r != RSP)
            at = emit_mov(at, 0x8b, r);
    rig.insn = at;
    at = rig.behind = emit(at, insn, length);
    for (unsigned r = 0; r < GPR_COUNT; r++)
        if (r != RSP)
            at = emit_mov(at, 0x89, r);
    at = emit(at, "\x9c", 1); /* PUSHFQ, POP */
    at = emit_at(at, "\x8f\x05", 2, &c->rflags);
    at = emit_at(at, "\x48\x0f\xae\x05", 4, &c->fx);               /* FXSAVE64 */
    at = emit(at, "\xdb\xe3", 2);                                  /* FNINIT */
    at = emit_at(at, "\x0f\xae\x15", 3, &rig.code[PAGE_SIZE - 8]); /* LDMXCSR */
    at = emit(at, restore, sizeof(restore));
    memcpy(&rig.code[PAGE_SIZE - 8], &rig.host_mxcsr, 4);
}

/* Executes the instruction on the context, on this processor. */
static void run_native(const uint8_t *insn, size_t length)
{
    rig.context->vector = NO_VECTOR;
    emit_stub(insn, length);
    void (*stub)(void);
    memcpy(&stub, &rig.code, sizeof(stub));
    stub();
}

/* ---- on the software CPU ---- */

static const struct insn *stop(struct cpu *cpu, const struct insn *in)
{
    (void)cpu, (void)in;
    return NULL;
}

static void load_software(struct cpu *cpu, const struct fpu_context *c)
{
    struct fpu_state state = {.fcw = c->fx.fcw,
                              .fsw = c->fx.fsw,
                              .ftw = c->fx.ftw,
                              .fop = c->fx.fop,
                              .fip = c->fx.fip,
                              .fdp = c->fx.fdp,
                              .mxcsr = c->fx.mxcsr};
    memcpy(state.st, c->fx.st, sizeof(state.st));
    memcpy(state.xmm, c->fx.xmm, sizeof(state.xmm));
    fpu_set_state(cpu, &state);
    memcpy(cpu->gpr, c->gpr, sizeof(c->gpr));
    flags_set(&cpu->lf, (uint32_t)c->rflags);
}

static void save_software(struct cpu *cpu, struct fpu_context *c)
{
    struct fpu_state state;
    fpu_get_state(cpu, &state);
    c->fx.fcw = state.fcw, c->fx.fsw = state.fsw, c->fx.ftw = state.ftw, c->fx.fop = state.fop;
    c->fx.fip = state.fip, c->fx.fdp = state.fdp, c->fx.mxcsr = state.mxcsr;
    memcpy(c->fx.st, state.st, sizeof(state.st));
    memcpy(c->fx.xmm, state.xmm, sizeof(state.xmm));
    memcpy(c->gpr, cpu->gpr, sizeof(c->gpr));
    c->rflags = RESERVED_FLAG | flags_get(&cpu->lf);
}

/* The pages of the context are mapped where they are, for loads and stores. */
static void map_context(struct cpu *cpu)
{
    tlb_flush_all(&cpu->tlb);
    for (uint8_t *page = rig.code + PAGE_SIZE; page < rig.code + rig.size; page += PAGE_SIZE) {
        struct tlb_entry *e = &cpu->tlb_data[tlb_index((uint64_t)page)];
        e->page = e->read = e->write = (uint64_t)page;
        e->addend = 0;
    }
}

static void execute_record(struct cpu *cpu, const struct insn *in)
{
    if (setjmp(cpu->unwind) == 0)
        in->fn(cpu, in);
}

/*
 * Executes the instruction on the context, on the software CPU. False: there is no handler for it. Bytes that are no
 * instruction are #UD, as they are for the processor.
 */
static bool run_software(const uint8_t *insn, size_t length)
{
    struct cpu *cpu = rig.cpu;
    uint64_t page_off = (uint64_t)rig.insn & (PAGE_SIZE - 1);
    struct insn *record = &rig.block->insn[1];
    memset(rig.block->insn, 0, 3 * sizeof(struct insn));
    rig.block->count = 1;
    record[1].fn = stop;
    cpu->block = rig.block;
    uint64_t unknown = rig.stats.counter[COUNTER_UNKNOWN_INSTRUCTIONS];
    int decoded = decode_insn(insn, (unsigned)length, CODE64, (unsigned)page_off, &record[0]);
    if (decoded != (int)length && decoded != 0)
        return false;

    load_software(cpu, rig.context);
    cpu->gpr[GPR_PAGE] = (uint64_t)rig.insn - page_off;
    cpu->event.valid = false;
    map_context(cpu);
    fpu_enter(cpu);
    execute_record(cpu, &record[0]);
    fpu_leave(cpu);
    save_software(cpu, rig.context);
    rig.context->vector = cpu->event.valid ? cpu->event.vector : NO_VECTOR;
    return rig.stats.counter[COUNTER_UNKNOWN_INSTRUCTIONS] == unknown;
}

/* ---- set-up ---- */

static uint64_t no_tsc(void *context, uint64_t retired)
{
    (void)context;
    return retired;
}

static bool rig_create(void)
{
    struct reason why = {{0}};
    rig.size = PAGE_SIZE + ((sizeof(struct fpu_context) + PAGE_SIZE - 1) & PAGE_MASK);
    rig.code = mmap(NULL, rig.size + PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (rig.code == MAP_FAILED || mprotect(rig.code + rig.size, PAGE_SIZE, PROT_NONE))
        return false;
    rig.context = (struct fpu_context *)(void *)(rig.code + rig.size - sizeof(struct fpu_context));
    rig.host_mxcsr = HOST_MXCSR;

    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
    const int signals[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS};
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], &action, NULL);

    if (ram_create(&rig.ram, RAM_MIN, &why))
        return false;
    rig.host = (struct engine_host){.ram = &rig.ram, .stats = &rig.stats, .tsc = no_tsc, .tsc_hz = 1000000000};
    rig.cpu = cpu_create(&rig.host, &why);
    rig.block = calloc(1, sizeof(struct block) + 3 * sizeof(struct insn));
    if (!rig.cpu || !rig.block)
        return false;
    struct cpu *cpu = rig.cpu;
    cpu->paging.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    cpu->paging.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu->paging.efer = EFER_LME | EFER_LMA;
    cpu->seg[SEG_CS].base = 0;
    cpu->seg[SEG_CS].attr = ATTR_P | ATTR_S | ATTR_L | 0xb;
    cpu_mode_changed(cpu);
    return true;
}

static void rig_destroy(void)
{
    rig.cpu->block = NULL;
    cpu_destroy(rig.cpu);
    free(rig.block);
    ram_destroy(&rig.ram);
    munmap(rig.code, rig.size + PAGE_SIZE);
}

#endif
