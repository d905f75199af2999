/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * system.c - sensitive instructions that are translated: the interrupt flag's, reads of control registers, SWAPGS, and
 * the gates into the kernel and out of it.
 *
 * CLI, STI, PUSHF and POPF are what a kernel's critical sections are made of, and a classical hypervisor traps each
 * one. Here they are a few host instructions on cpu->sysflags; statistics count each as an exit avoided. Whatever is
 * not the plain case - not in ring 0, an interrupt waiting for its window, another flag than IF changing - is left to
 * the interpreter.
 *
 * Read next: branch.c.
 */
#include "full/bt/bt.h"

enum { GUEST_RSP = R12 };

/* A 32-bit ALU instruction between memory and a constant. */
static void alu_memory(struct emitter *e, enum alu alu, struct host_mem m, uint32_t value)
{
    (void)emit_mem(e, (struct host_op){.opcode = 0x81}, (int)alu, m);
    emit32(e, value);
}

static void leave_unless_zero(struct unit *t, struct host_mem byte, const struct insn *in)
{
    (void)emit_mem(t->e, (struct host_op){.opcode = 0x80}, ALU_CMP, byte);
    emit8(t->e, 0);
    add_stub(t, STUB_LEAVE, emit_jump(t->e, IF_NE), in);
}

/* Only in ring 0 is permission certain. Flags get saved; SCRATCH_A is destroyed. */
static void begin(struct unit *t, const struct insn *in)
{
    save_flags(t);
    t->flags = IN_MEMORY;
    leave_unless_zero(t, CPU_FIELD(cpl), in);
}

static void count_avoided(struct unit *t, unsigned why)
{
    size_t at = offsetof(struct stats, exits) + why * sizeof(struct exit_count) + offsetof(struct exit_count, avoided);
    emit_load(t->e, SCRATCH_A, CPU_FIELD(stats));
    (void)emit_mem(t->e, (struct host_op){.opcode = 0xff, .w = true}, 0,
                   (struct host_mem){SCRATCH_A, NO_REG, 0, (int32_t)at}); /* INC */
}

static bool translate_cli(struct unit *t, const struct insn *in)
{
    begin(t, in);
    alu_memory(t->e, ALU_AND, CPU_FIELD(sysflags), ~(uint32_t)FLAG_IF);
    count_avoided(t, EXIT_INDEX_IF_CHANGE);
    return true;
}

/*
 * No interrupt may come before the instruction behind STI is complete. It begins a block, and native code never stops
 * between entering a block and its first instruction; where the block isn't linked yet, run.c sees to it.
 */
static bool translate_sti(struct unit *t, const struct insn *in)
{
    if (in[1].imm >= PAGE_SIZE)
        return false;
    begin(t, in);
    leave_unless_zero(t, CPU_FIELD(window_wanted), in);
    (void)emit_mem(t->e, (struct host_op){.opcode = 0xf7}, 0, CPU_FIELD(sysflags)); /* TEST: IF is set, so no shadow */
    emit32(t->e, FLAG_IF);
    add_stub(t, STUB_LEAVE, emit_jump(t->e, IF_NE), in);
    alu_memory(t->e, ALU_OR, CPU_FIELD(sysflags), FLAG_IF);
    count_avoided(t, EXIT_INDEX_IF_CHANGE);
    translate_shadowed(t, in + 1);
    return true;
}

/* 32 bits from memory, zero-extended. */
static void load32(struct emitter *e, int to, struct host_mem m)
{
    (void)emit_mem(e, (struct host_op){.opcode = 0x8b}, to, m);
}
static void load8(struct emitter *e, int to, struct host_mem m)
{
    (void)emit_mem(e, (struct host_op){.map = MAP_0F, .opcode = 0xb6}, to, m);
}

static struct host_mem saved_flags(bool overflow)
{
    struct host_mem m = CPU_FIELD(native.flags);
    m.disp += overflow ? 0 : 1;
    return m;
}

static bool translate_pushf(struct unit *t, const struct insn *in)
{
    struct emitter *e = t->e;
    begin(t, in);
    window_close(t);
    load8(e, SCRATCH_A, saved_flags(false));
    emit_alu_constant(e, ALU_AND, SCRATCH_A, FLAGS_STATUS & 0xff);
    load8(e, SCRATCH_B, saved_flags(true));
    emit_shift(e, SHIFT_SHL, SCRATCH_B, 11);
    emit_alu(e, ALU_OR, SCRATCH_A, SCRATCH_B);
    load32(e, SCRATCH_B, CPU_FIELD(sysflags));
    emit_alu(e, ALU_OR, SCRATCH_A, SCRATCH_B);
    emit_alu_constant(e, ALU_OR, SCRATCH_A, FLAG_ONE);
    emit_alu_constant(e, ALU_AND, SCRATCH_A, ~(FLAG_RF | FLAG_VM));
    emit_store(e, CPU_FIELD(native.scratch), SCRATCH_A);
    struct host_mem m = probe_stack(t, in, GUEST_RSP, -8, true);
    emit_load(e, SCRATCH_A, CPU_FIELD(native.scratch));
    emit_store(e, m, SCRATCH_A);
    emit_lea(e, GUEST_RSP, (struct host_mem){GUEST_RSP, NO_REG, 0, -8});
    count_avoided(t, EXIT_INDEX_IF_CHANGE);
    return true;
}

static bool translate_popf(struct unit *t, const struct insn *in)
{
    struct emitter *e = t->e;
    begin(t, in);
    leave_unless_zero(t, CPU_FIELD(window_wanted), in);
    struct host_mem m = probe_stack(t, in, GUEST_RSP, 0, false);
    emit_load(e, SCRATCH_A, m);
    window_close(t);
    /* No flag but the status flags and IF may change. */
    load32(e, SCRATCH_B, CPU_FIELD(sysflags));
    emit_alu(e, ALU_XOR, SCRATCH_B, SCRATCH_A);
    (void)emit_reg(e, (struct host_op){.opcode = 0xf7, .w = true}, 0, SCRATCH_B); /* TEST */
    emit32(e, ~(uint32_t)(FLAGS_STATUS | FLAG_IF | FLAG_ONE));
    add_stub(t, STUB_LEAVE, emit_jump(e, IF_NE), in);
    emit_alu_constant(e, ALU_AND, SCRATCH_B, FLAG_IF);
    (void)emit_mem(e, (struct host_op){.opcode = 0x31}, SCRATCH_B, CPU_FIELD(sysflags)); /* XOR: IF, if it differs */
    (void)emit_mem(e, (struct host_op){.opcode = 0x88}, SCRATCH_A, saved_flags(false));
    emit_shift(e, SHIFT_SHR, SCRATCH_A, 11);
    emit_alu_constant(e, ALU_AND, SCRATCH_A, 1);
    (void)emit_mem(e, (struct host_op){.opcode = 0x88}, SCRATCH_A, saved_flags(true));
    emit_lea(e, GUEST_RSP, (struct host_mem){GUEST_RSP, NO_REG, 0, 8});
    count_avoided(t, EXIT_INDEX_IF_CHANGE);
    t->flags = IN_MEMORY;
    translate_end(t, in + 1);
    return true;
}

/* ---- control registers, SWAPGS ---- */

static struct host_mem control_register(unsigned number)
{
    switch (number) {
    case 0: return CPU_FIELD(paging.cr0);
    case 2: return CPU_FIELD(cr2);
    case 3: return CPU_FIELD(paging.cr3);
    case 4: return CPU_FIELD(paging.cr4);
    default: return CPU_FIELD(cr8);
    }
}

static bool translate_read_control(struct unit *t, const struct insn *in)
{
    begin(t, in);
    count_avoided(t, EXIT_INDEX_CR_ACCESS);
    const int to = t->host[in->rm] == NO_REG ? SCRATCH_A : t->host[in->rm];
    emit_load(t->e, to, control_register(in->reg));
    if (t->host[in->rm] == NO_REG)
        emit_store(t->e, cpu_gpr(in->rm), to);
    return true;
}

/* The task priority that is there already: what systems write that raise and lower it. Another is told to the machine.
 */
static bool translate_write_cr8(struct unit *t, const struct insn *in)
{
    begin(t, in);
    emit_alu_mem(t->e, ALU_CMP, guest_register(t, in->rm, SCRATCH_A), CPU_FIELD(cr8));
    add_stub(t, STUB_SYSTEM, emit_jump(t->e, IF_NE), in);
    count_avoided(t, EXIT_INDEX_CR_ACCESS);
    translate_end(t, in + 1);
    return true;
}

static bool is_control(const struct decoded *d, unsigned i)
{
    return is_reg(d, i) && ZydisRegisterGetClass(d->operand[i].reg.value) == ZYDIS_REGCLASS_CONTROL;
}

static bool translate_mov_control(struct unit *t, const struct insn *in, const struct decoded *d)
{
    if (is_control(d, 1))
        return translate_read_control(t, in);
    return is_control(d, 0) && in->reg == 8 && translate_write_cr8(t, in);
}

static bool translate_swapgs(struct unit *t, const struct insn *in)
{
    struct emitter *e = t->e;
    begin(t, in);
    window_close(t);
    count_avoided(t, EXIT_INDEX_SEGMENT_LOAD);
    emit_load(e, SCRATCH_A, CPU_FIELD(kernel_gs_base));
    emit_load(e, SCRATCH_B, CPU_FIELD(seg[SEG_GS].base));
    emit_store(e, CPU_FIELD(seg[SEG_GS].base), SCRATCH_A);
    emit_store(e, CPU_FIELD(seg_base[SEG_GS]), SCRATCH_A);
    emit_store(e, CPU_FIELD(kernel_gs_base), SCRATCH_B);
    return true;
}

/* ---- SYSCALL, SYSRET ---- */

static bool translate_gate(struct unit *t, const struct insn *in, enum gate_kind kind)
{
    if (kind == GATE_SYSRET && in->opsize != 8)
        return false;
    save_flags(t);
    t->flags = IN_MEMORY;
    if (kind == GATE_SYSCALL)
        code_address(t, in->off + in->len);
    emit_pointer(t->e, SCRATCH_B, in);
    emit_jump_to(t->e, ALWAYS, t->bt->gate[kind]);
    return true;
}

/* ---- choosing ---- */

bool ends_without_branch(const struct decoded *d)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_MOV: /* to a control register or SS; others don't come here */
    case ZYDIS_MNEMONIC_INVLPG:
    case ZYDIS_MNEMONIC_WRMSR:
    case ZYDIS_MNEMONIC_STAC:
    case ZYDIS_MNEMONIC_CLAC:
    case ZYDIS_MNEMONIC_STI:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_OUT:
    case ZYDIS_MNEMONIC_HLT: return true;
    default: return false;
    }
}

bool translate_system(struct unit *t, const struct insn *in, const struct decoded *d)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_CLI: return translate_cli(t, in);
    case ZYDIS_MNEMONIC_STI: return translate_sti(t, in);
    case ZYDIS_MNEMONIC_PUSHFQ: return translate_pushf(t, in);
    case ZYDIS_MNEMONIC_POPFQ: return translate_popf(t, in);
    case ZYDIS_MNEMONIC_MOV: return translate_mov_control(t, in, d);
    case ZYDIS_MNEMONIC_SWAPGS: return translate_swapgs(t, in);
    case ZYDIS_MNEMONIC_SYSCALL: return translate_gate(t, in, GATE_SYSCALL);
    case ZYDIS_MNEMONIC_SYSRET: return translate_gate(t, in, GATE_SYSRET);
    default: return false;
    }
}
