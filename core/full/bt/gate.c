/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate.c - SYSCALL and SYSRET in native code: routines at the code cache's start, which translated code jumps to.
 *
 * They do what core/x86/syscall.c does and what cpu_mode_changed() derives from it, for the usual case: 64-bit code on
 * both sides, neither AC nor TF set before or behind, no interrupt that waits for its window. Everything else leaves,
 * and the interpreter executes the instruction. What changes with privilege: CS and SS, the TLB and its span, the jump
 * table's regime, the return cache.
 *
 * A routine is entered with status flags saved, the instruction's record in SCRATCH_B, and, for SYSCALL, the next
 * instruction's address in SCRATCH_A.
 *
 * Read before: system.c.
 */
#include "full/bt/bt.h"
#include "x86/protect.h"

#define AT(register_, type, field) ((struct host_mem){register_, NO_REG, 0, (int32_t)offsetof(type, field)})

enum { LESS_SPECIAL = FLAG_TF | FLAG_AC | FLAG_VM };

struct gate {
    struct bt *bt;
    struct emitter *e;
    uint8_t *refused[8]; /* jumps to where it leaves */
    unsigned count;
};

/* ---- small pieces ---- */

static void load32(struct emitter *e, int to, struct host_mem m)
{
    (void)emit_mem(e, (struct host_op){.opcode = 0x8b}, to, m);
}
static void store32(struct emitter *e, struct host_mem m, int from)
{
    (void)emit_mem(e, (struct host_op){.opcode = 0x89}, from, m);
}
static void store_constant32(struct emitter *e, struct host_mem m, uint32_t value)
{
    (void)emit_mem(e, (struct host_op){.opcode = 0xc7}, 0, m);
    emit32(e, value);
}

static void refuse_if(struct gate *g, unsigned condition)
{
    g->refused[g->count++] = emit_jump(g->e, condition);
}
/* A byte in memory that must be zero; bits of 32, refused when none (IF_E) or any (IF_NE) is set. */
static void refuse_unless_zero(struct gate *g, struct host_mem byte)
{
    (void)emit_mem(g->e, (struct host_op){.opcode = 0x80}, ALU_CMP, byte);
    emit8(g->e, 0);
    refuse_if(g, IF_NE);
}
static void test_memory(struct gate *g, struct host_mem m, uint32_t bits, unsigned refused)
{
    (void)emit_mem(g->e, (struct host_op){.opcode = 0xf7}, 0, m);
    emit32(g->e, bits);
    refuse_if(g, refused);
}

/* Refused: the interpreter's. */
static void finish(struct gate *g)
{
    for (unsigned i = 0; i < g->count; i++)
        emit_patch(g->refused[i], g->e->at);
    emit_mov(g->e, SCRATCH_A, SCRATCH_B);
    emit_jump_to(g->e, ALWAYS, g->bt->leave[LEAVE_SYSTEM]);
}

/* A flat segment; its selector is in SCRATCH_A. */
static void set_segment(struct emitter *e, struct host_mem segment, uint32_t attr)
{
    struct host_mem m = segment;
    m.disp = segment.disp + (int32_t)offsetof(struct segment_reg, selector);
    (void)emit_mem(e, (struct host_op){.prefix = {0x66}, .opcode = 0x89}, SCRATCH_A, m);
    m.disp = segment.disp + (int32_t)offsetof(struct segment_reg, attr);
    store_constant32(e, m, attr);
    m.disp = segment.disp + (int32_t)offsetof(struct segment_reg, limit);
    store_constant32(e, m, UINT32_MAX);
    m.disp = segment.disp + (int32_t)offsetof(struct segment_reg, base);
    (void)emit_mem(e, (struct host_op){.opcode = 0xc7, .w = true}, 0, m);
    emit32(e, 0);
}

/*
 * CS and SS from a selector in STAR at bit `shift` (SDM 3, 5.8.8): `code` and `stack` are added to it. Both are flat.
 */
static void set_segments(struct emitter *e, unsigned shift, unsigned code, unsigned stack, unsigned cpl)
{
    struct host_mem star = CPU_FIELD(star);
    star.disp += (int32_t)shift / 8;
    (void)emit_mem(e, (struct host_op){.map = MAP_0F, .opcode = 0xb7}, SCRATCH_A, star); /* MOVZX */
    emit_alu_constant(e, ALU_ADD, SCRATCH_A, (int32_t)code);
    emit_alu_constant(e, ALU_AND, SCRATCH_A, ~3);
    emit_alu_constant(e, ALU_OR, SCRATCH_A, (int32_t)cpl);
    set_segment(e, CPU_FIELD(seg[SEG_CS]), 0x9b | cpl << 5 | ATTR_G | ATTR_L);
    emit_lea(e, SCRATCH_A, (struct host_mem){SCRATCH_A, NO_REG, 0, (int32_t)stack - (int32_t)code});
    set_segment(e, CPU_FIELD(seg[SEG_SS]), 0x93 | cpl << 5 | ATTR_G | ATTR_DB);
}

/* What cpu_mode_changed() would derive, and the other privilege's return cache. Destroys both scratch registers. */
static void change_privilege(struct emitter *e, unsigned cpl)
{
    const bool user = cpl == 3;
    const enum tlb_mode mode = user ? TLB_USER : TLB_SUPERVISOR;
    (void)emit_mem(e, (struct host_op){.opcode = 0xc6}, 0, CPU_FIELD(cpl));
    emit8(e, (uint8_t)cpl);
    struct host_mem tlb = CPU_FIELD(tlb.entry);
    tlb.disp += (int32_t)(mode * TLB_SIZE * sizeof(struct tlb_entry));
    emit_lea(e, SCRATCH_A, tlb);
    emit_store(e, CPU_FIELD(tlb_data), SCRATCH_A);
    if (user)
        emit_constant(e, SCRATCH_A, 0);
    else
        emit_load(e, SCRATCH_A, CPU_FIELD(tlb.supervisor.size));
    emit_store(e, CPU_FIELD(tlb.span.size), SCRATCH_A);
    for (unsigned i = 0; i < STORES_KINDS; i++) { /* SCRATCH_A is 0 for a user */
        if (!user)
            emit_load(e, SCRATCH_A, CPU_FIELD(tlb.clear[i].known));
        emit_store(e, CPU_FIELD(tlb.clear[i].size), SCRATCH_A);
    }

    emit_load(e, SCRATCH_A, CPU_FIELD(blocks));
    struct host_mem flushes = AT(SCRATCH_A, struct block_cache, known[0].flushes);
    flushes.disp += (int32_t)(user * sizeof(struct known_code));
    emit_load(e, SCRATCH_B, flushes);
    emit_shift(e, SHIFT_SHL, SCRATCH_B, REGIME_BITS);
    emit_alu_constant(e, ALU_OR, SCRATCH_B, (int32_t)regime_of(0, user, CODE64));
    emit_store(e, AT(SCRATCH_A, struct block_cache, regime), SCRATCH_B);

    emit_load(e, SCRATCH_A, CPU_FIELD(native.top));
    emit_store(e, user ? CPU_FIELD(native.other_top[0]) : CPU_FIELD(native.other_top[1]), SCRATCH_A);
    emit_load(e, SCRATCH_A, user ? CPU_FIELD(native.other_top[1]) : CPU_FIELD(native.other_top[0]));
    emit_store(e, CPU_FIELD(native.top), SCRATCH_A);
}

static void count_avoided(struct emitter *e, unsigned why)
{
    struct host_mem count = AT(SCRATCH_A, struct stats, exits);
    count.disp += (int32_t)(why * sizeof(struct exit_count) + offsetof(struct exit_count, avoided));
    emit_load(e, SCRATCH_A, CPU_FIELD(stats));
    (void)emit_mem(e, (struct host_op){.opcode = 0xff, .w = true}, 0, count); /* INC */
}

/* Goes on at the address in SCRATCH_A, through the jump table. */
static void go_on_at(struct gate *g)
{
    struct emitter *e = g->e;
    emit_store(e, CPU_FIELD(native.scratch), SCRATCH_A);
    emit_jump_slot(e);
    emit_alu_mem(e, ALU_CMP, SCRATCH_A, AT(SCRATCH_B, struct jump_entry, rip));
    uint8_t *other = emit_jump(e, IF_NE);
    emit_load(e, SCRATCH_A, CPU_FIELD(blocks));
    emit_load(e, SCRATCH_A, AT(SCRATCH_A, struct block_cache, regime));
    emit_alu_mem(e, ALU_CMP, SCRATCH_A, AT(SCRATCH_B, struct jump_entry, regime));
    uint8_t *stale = emit_jump(e, IF_NE);
    emit_load(e, SCRATCH_A, AT(SCRATCH_B, struct jump_entry, page_base));
    emit_store(e, cpu_gpr(GPR_PAGE), SCRATCH_A);
    emit_load(e, SCRATCH_B, AT(SCRATCH_B, struct jump_entry, block));
    emit_jump_mem(e, AT(SCRATCH_B, struct block, native));
    emit_patch(other, e->at);
    emit_patch(stale, e->at);
    emit_load(e, SCRATCH_A, CPU_FIELD(native.scratch));
    emit_jump_to(e, ALWAYS, g->bt->leave[LEAVE_RIP]);
}

/* ---- SYSCALL ---- */

/* R11 = RFLAGS, put together from where its parts are. Destroys SCRATCH_A. */
static void gather_rflags(struct emitter *e)
{
    struct host_mem low = CPU_FIELD(native.flags);
    low.disp++;
    (void)emit_mem(e, (struct host_op){.map = MAP_0F, .opcode = 0xb6}, R11, low); /* MOVZX */
    emit_alu_constant(e, ALU_AND, R11, FLAGS_STATUS & 0xff);
    (void)emit_mem(e, (struct host_op){.map = MAP_0F, .opcode = 0xb6}, SCRATCH_A, CPU_FIELD(native.flags));
    emit_shift(e, SHIFT_SHL, SCRATCH_A, 11);
    emit_alu(e, ALU_OR, R11, SCRATCH_A);
    load32(e, SCRATCH_A, CPU_FIELD(sysflags));
    emit_alu(e, ALU_OR, R11, SCRATCH_A);
    emit_alu_constant(e, ALU_OR, R11, FLAG_ONE);
}

/* RFLAGS, from SCRATCH_A, to where its parts are. */
static void spread_rflags(struct emitter *e)
{
    struct host_mem low = CPU_FIELD(native.flags);
    low.disp++;
    (void)emit_mem(e, (struct host_op){.opcode = 0x88}, SCRATCH_A, low);
    emit_mov(e, SCRATCH_B, SCRATCH_A);
    emit_shift(e, SHIFT_SHR, SCRATCH_B, 11);
    emit_alu_constant(e, ALU_AND, SCRATCH_B, 1);
    (void)emit_mem(e, (struct host_op){.opcode = 0x88}, SCRATCH_B, CPU_FIELD(native.flags));
    emit_alu_constant(e, ALU_AND, SCRATCH_A, (int32_t)(FLAGS_LOADABLE & ~FLAGS_STATUS));
    store32(e, CPU_FIELD(sysflags), SCRATCH_A);
}

static void generate_syscall(struct bt *bt, struct emitter *e)
{
    struct gate g = {.bt = bt, .e = e};
    bt->gate[GATE_SYSCALL] = e->at;
    test_memory(&g, CPU_FIELD(paging.efer), EFER_SCE, IF_E);
    test_memory(&g, CPU_FIELD(sysflags), LESS_SPECIAL, IF_NE);
    emit_mov(e, RCX, SCRATCH_A);
    gather_rflags(e);
    load32(e, SCRATCH_A, CPU_FIELD(sfmask));
    (void)emit_reg(e, (struct host_op){.opcode = 0xf7, .w = true}, 2, SCRATCH_A); /* NOT */
    emit_alu(e, ALU_AND, SCRATCH_A, R11);
    spread_rflags(e);
    set_segments(e, 32, 0, 8, 0);
    change_privilege(e, 0);
    count_avoided(e, EXIT_INDEX_SYSCALL);
    emit_load(e, SCRATCH_A, CPU_FIELD(lstar));
    go_on_at(&g);
    finish(&g);
}

/* ---- SYSRET with a 64-bit operand ---- */

static void generate_sysret(struct bt *bt, struct emitter *e)
{
    struct gate g = {.bt = bt, .e = e};
    bt->gate[GATE_SYSRET] = e->at;
    test_memory(&g, CPU_FIELD(paging.efer), EFER_SCE, IF_E);
    test_memory(&g, CPU_FIELD(sysflags), LESS_SPECIAL, IF_NE);
    refuse_unless_zero(&g, CPU_FIELD(cpl));
    refuse_unless_zero(&g, CPU_FIELD(window_wanted));
    test_memory(&g, CPU_FIELD(user_direct), UINT32_MAX, IF_NE);
    (void)emit_reg(e, (struct host_op){.opcode = 0xf7}, 0, R11); /* TEST */
    emit32(e, FLAG_TF | FLAG_AC);
    refuse_if(&g, IF_NE);
    emit_mov(e, SCRATCH_A, RCX); /* canonical: bits 63 to 47 alike */
    emit_shift(e, SHIFT_SHL, SCRATCH_A, 16);
    emit_shift(e, SHIFT_SAR, SCRATCH_A, 16);
    emit_alu(e, ALU_CMP, SCRATCH_A, RCX);
    refuse_if(&g, IF_NE);
    emit_mov(e, SCRATCH_A, R11);
    spread_rflags(e);
    set_segments(e, 48, 16, 8, 3);
    change_privilege(e, 3);
    count_avoided(e, EXIT_INDEX_KERNEL_RETURN);
    emit_mov(e, SCRATCH_A, RCX);
    go_on_at(&g);
    finish(&g);
}

void generate_gates(struct bt *bt, struct emitter *e)
{
    generate_syscall(bt, e);
    generate_sysret(bt, e);
}
