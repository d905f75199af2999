/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache.c - the code cache, and the way into native code and out of it.
 *
 * The routines that change between the VMM's registers and the guest's are themselves generated, at the start of the
 * cache. While native code runs, RSP points to struct cpu; below it lies a stack of its own (CPU_STACK_SIZE), for
 * signal handlers. XMM registers are loaded when a block first wants them, and stored only if they were.
 *
 * Read next: engine.c, the interpreter's side of entering and leaving.
 */
#include "full/bt/bt.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

const int8_t host_of[16] = {RAX, RCX, RDX, RBX, R12, RBP, RSI, RDI, R8, R9, R10, R11, R13, NO_REG, NO_REG, NO_REG};

/* Registers that a function must preserve (System V ABI, 3.2.1). */
static const uint8_t preserved[] = {RBX, RBP, R12, R13, R14, R15};

static void emit_push_pop(struct emitter *e, uint8_t opcode, unsigned reg)
{
    if (reg >= 8)
        emit8(e, 0x41);
    emit8(e, opcode | (reg & 7));
}

/* MOVAPS between XMM register i and cpu->xmm[i]. */
static void emit_xmm(struct emitter *e, bool store)
{
    for (int i = 0; i < 16; i++) {
        struct host_mem m = CPU_FIELD(xmm);
        m.disp += 16 * i;
        (void)emit_mem(e, (struct host_op){.map = MAP_0F, .opcode = store ? 0x29 : 0x28}, i, m);
    }
}

static void emit_absent(struct emitter *e, uint8_t value)
{
    (void)emit_mem(e, (struct host_op){.opcode = 0xc7}, 0, CPU_FIELD(native.xmm_absent));
    emit32(e, value);
}

/* enter(cpu, code): RDI, RSI. */
static void generate_enter(struct bt *bt, struct emitter *e)
{
    bt->enter = (struct left(*)(struct cpu *, const void *))(uintptr_t)e->at;
    for (unsigned i = 0; i < ARRAY_SIZE(preserved); i++)
        emit_push_pop(e, 0x50, preserved[i]);
    struct host_mem host_sp = {RDI, NO_REG, 0, (int32_t)offsetof(struct cpu, native.host_sp)};
    emit_store(e, host_sp, RSP);
    emit_mov(e, SCRATCH_A, RSI);
    emit_mov(e, HOST_CPU, RDI);
    emit_absent(e, 1);
    for (unsigned r = 0; r < 16; r++)
        if (host_of[r] != NO_REG)
            emit_load(e, host_of[r], cpu_gpr(r));
    emit_jump_register(e, SCRATCH_A);
}

static void generate_leave(struct bt *bt, struct emitter *e)
{
    uint8_t *common = e->at;
    for (unsigned r = 0; r < 16; r++)
        if (host_of[r] != NO_REG)
            emit_store(e, cpu_gpr(r), host_of[r]);
    (void)emit_mem(e, (struct host_op){.opcode = 0x83}, ALU_CMP, CPU_FIELD(native.xmm_absent));
    emit8(e, 0);
    uint8_t *absent = emit_jump(e, IF_NE);
    emit_xmm(e, true);
    emit_patch(absent, e->at);
    emit_mov(e, RAX, SCRATCH_A);
    emit_mov(e, RDX, SCRATCH_B);
    emit_load(e, RSP, CPU_FIELD(native.host_sp));
    for (unsigned i = ARRAY_SIZE(preserved); i-- > 0;)
        emit_push_pop(e, 0x58, preserved[i]);
    emit8(e, 0xc3);

    for (unsigned why = 0; why < LEAVE_KINDS; why++) {
        bt->leave[why] = e->at;
        emit_constant(e, SCRATCH_B, why);
        emit_jump_to(e, ALWAYS, common);
    }
    /* Where a block without native code is entered, by way of the jump table: it is in SCRATCH_B. */
    bt->translator.cold = e->at;
    emit_mov(e, SCRATCH_A, SCRATCH_B);
    emit_jump_to(e, ALWAYS, bt->leave[LEAVE_BLOCK]);

    bt->no_return = e->at; /* to address 0, which such an entry holds */
    emit_constant(e, SCRATCH_A, 0);
    emit_jump_to(e, ALWAYS, bt->leave[LEAVE_RIP]);

    bt->load_xmm = e->at;
    emit_xmm(e, false);
    emit_absent(e, 0);
    emit_jump_register(e, SCRATCH_A);
}

static void blocks_flushed(struct cpu *cpu)
{
    struct bt *bt = bt_of(cpu);
    bt->code.at = bt->first;
    bt->link_count = 0;
}

struct bt *bt_create(struct reason *why)
{
    struct bt *bt = calloc(1, sizeof(*bt));
    if (!bt) {
        fail(why, ENOMEM, "not enough memory for the translator");
        return NULL;
    }
    bt->memory =
        mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bt->link = mmap(NULL, LINKS_MAX * sizeof(*bt->link), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bt->memory == MAP_FAILED || bt->link == MAP_FAILED) {
        fail(why, ENOMEM, "no memory that can be written and executed, for translated code");
        bt_destroy(bt);
        return NULL;
    }
    bt->code = (struct emitter){.at = bt->memory, .end = bt->memory + CODE_SIZE};
    generate_enter(bt, &bt->code);
    generate_leave(bt, &bt->code);
    generate_gates(bt, &bt->code);
    bt->first = bt->code.at;
    bt->translator.block_hot = op_translate;
    bt->translator.blocks_flushed = blocks_flushed;
    bt->translator.heat = 16;
    bt->slice = 16384;
    bt->samples = 8;
    bt_decoder_init(&bt->decoder);
    return bt;
}

void bt_destroy(struct bt *bt)
{
    if (!bt)
        return;
    if (bt->memory != MAP_FAILED)
        munmap(bt->memory, CODE_SIZE);
    if (bt->link != MAP_FAILED)
        munmap(bt->link, LINKS_MAX * sizeof(*bt->link));
    free(bt);
}
