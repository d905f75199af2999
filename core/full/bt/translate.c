/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate.c - one block of guest code becomes host code.
 *
 * Status flags are the guest's own: translated arithmetic leaves them in the host's RFLAGS, where translated branches
 * find them. What the translator inserts (a TLB probe, the accounting of the block) destroys them, so they are saved
 * (LAHF, SETO) before, unless the next instruction to touch them overwrites them all. `flags` in struct unit
 * says where they are at each point; a block has two entries, for its predecessors' two cases.
 *
 * Accounting - instructions, pending events, XMM registers there - happens once a block: at its top, or, where the
 * block would otherwise have to save flags that nobody reads, just before the instruction that overwrites them. Nothing
 * before that point can leave the block.
 *
 * Read next: memory.c.
 */
#include "full/bt/bt.h"
#include "x86/fpu.h"
#include <virtlab/ram.h>

void bt_decoder_init(ZydisDecoder *decoder)
{
    ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    /* As core/x86/decode.c: F3 0F BC is BSF on this CPU. */
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_LZCNT, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_TZCNT, ZYAN_FALSE);
}

/* ---- status flags ---- */

static bool is_shift(ZydisMnemonic m)
{
    return m == ZYDIS_MNEMONIC_SHL || m == ZYDIS_MNEMONIC_SHR || m == ZYDIS_MNEMONIC_SAR || m == ZYDIS_MNEMONIC_SHLD ||
           m == ZYDIS_MNEMONIC_SHRD;
}

struct flag_use flag_use(const struct decoded *d)
{
    const ZydisAccessedFlags *f = d->z.cpu_flags;
    if (!f)
        return (struct flag_use){0};
    uint32_t writes = (f->modified | f->set_0 | f->set_1 | f->undefined) & FLAGS_STATUS;
    bool partly = writes && writes != FLAGS_STATUS;
    if (is_shift(d->z.mnemonic)) { /* a count of 0 leaves them all; one in CL may be 0 */
        const ZydisDecodedOperand *count = &d->operand[d->z.operand_count_visible - 1];
        unsigned mask = d->z.operand_width == 64 ? 63 : 31;
        partly |= count->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !(count->imm.value.u & mask);
    }
    return (struct flag_use){.reads = (f->tested & FLAGS_STATUS) || partly, .writes = writes != 0};
}

void save_flags(struct unit *t)
{
    if (t->flags & IN_MEMORY)
        return;
    struct emitter *e = t->e;
    emit_mov(e, SCRATCH_A, RAX);
    emit8(e, 0x9f);                                                             /* LAHF */
    (void)emit_reg(e, (struct host_op){.map = MAP_0F, .opcode = 0x90}, 0, RAX); /* SETO AL */
    (void)emit_mem(e, (struct host_op){.prefix = {0x66}, .opcode = 0x89}, RAX, CPU_FIELD(native.flags));
    emit_mov(e, RAX, SCRATCH_A);
    t->flags |= IN_MEMORY;
}

void restore_flags(struct unit *t, int scratch)
{
    if (t->flags & IN_HOST)
        return;
    struct emitter *e = t->e;
    emit_mov(e, scratch, RAX);
    (void)emit_mem(e, (struct host_op){.map = MAP_0F, .opcode = 0xb7}, RAX, CPU_FIELD(native.flags)); /* MOVZX */
    emit8(e, 0x04); /* ADD AL, 127: overflows when AL is 1 */
    emit8(e, 0x7f);
    emit8(e, 0x9e); /* SAHF */
    emit_mov(e, RAX, scratch);
    t->flags |= IN_HOST;
}

/* ---- code out of line ---- */

void add_stub(struct unit *t, enum stub_kind kind, uint8_t *jump, const struct insn *record)
{
    if (t->stub_count == STUBS_MAX)
        return;
    t->stub[t->stub_count++] =
        (struct stub){.kind = kind, .jump = jump, .back = t->e->at, .record = record, .flags = !(t->flags & IN_MEMORY)};
}

static void emit_leave(struct unit *t, enum leave why, const void *what)
{
    emit_pointer(t->e, SCRATCH_A, what);
    emit_jump_to(t->e, ALWAYS, t->bt->leave[why]);
}

static void emit_link(struct unit *t, const struct stub *stub)
{
    struct link *link = &t->bt->link[t->bt->link_count++];
    *link = (struct link){.jump = stub->jump,
                          .from = t->block,
                          .record = stub->record,
                          .flags = stub->flags,
                          .shadowed = stub->kind == STUB_SHADOWED};
    if (stub->flags)
        save_flags(t);
    emit_leave(t, LEAVE_LINK, link);
}

/* The guest's XMM registers are to be loaded, if its SSE instructions may go ahead at all. */
static void emit_xmm_wanted(struct unit *t, const struct stub *stub)
{
    struct emitter *e = t->e;
    (void)emit_mem(e, (struct host_op){.opcode = 0xf7}, 0, CPU_FIELD(fpu_guard)); /* TEST */
    emit32(e, ~(uint32_t)GUARD_X87);
    uint8_t *fine = emit_jump(e, IF_E);
    emit_leave(t, LEAVE_RECORD, stub->record);
    emit_patch(fine, e->at);
    emit_patch(emit_lea_code(e, SCRATCH_A), stub->back);
    emit_jump_to(e, ALWAYS, t->bt->load_xmm);
}

static void emit_stub(struct unit *t, const struct stub *stub)
{
    emit_patch(stub->jump, t->e->at);
    t->flags = stub->flags ? IN_HOST : IN_MEMORY;
    switch (stub->kind) {
    case STUB_LEAVE:
        save_flags(t);
        emit_leave(t, LEAVE_RECORD, stub->record);
        break;
    case STUB_LINK:
    case STUB_SHADOWED: emit_link(t, stub); break;
    case STUB_FAR: translate_far(t, stub->record); break;
    case STUB_FAR_MISSED:
        emit_load(t->e, SCRATCH_A, cpu_gpr(GPR_PAGE));
        emit_lea(t->e, SCRATCH_A, (struct host_mem){SCRATCH_A, NO_REG, 0, (int32_t)stub->record->imm});
        emit_jump_to(t->e, ALWAYS, t->bt->leave[LEAVE_RIP]);
        break;
    case STUB_RETURN: translate_return_missed(t, stub->record); break;
    case STUB_LANDING: translate_landing(t, stub->record); break;
    case STUB_CALL_MISSED: emit_leave(t, LEAVE_CALL, stub->record); break;
    case STUB_XMM: emit_xmm_wanted(t, stub); break;
    }
}

/* ---- accounting ---- */

static void emit_account(struct unit *t, const struct insn *at, bool xmm)
{
    struct emitter *e = t->e;
    t->flags = IN_MEMORY; /* or dead */
    (void)emit_mem(e, (struct host_op){.opcode = 0x83, .w = true}, ALU_SUB, CPU_FIELD(native.budget));
    emit8(e, (uint8_t)t->block->count);
    add_stub(t, STUB_LEAVE, emit_jump(e, IF_L), at);
    (void)emit_mem(e, (struct host_op){.opcode = 0x83}, ALU_CMP, CPU_FIELD(attention));
    emit8(e, 0);
    add_stub(t, STUB_LEAVE, emit_jump(e, IF_NE), at);
    if (xmm) {
        (void)emit_mem(e, (struct host_op){.opcode = 0x83}, ALU_CMP, CPU_FIELD(native.xmm_absent));
        emit8(e, 0);
        add_stub(t, STUB_XMM, emit_jump(e, IF_NE), at);
    }
}

/* ---- the block ---- */

static void decode(struct bt *bt, const struct block *block, const uint8_t *page)
{
    for (unsigned i = 0; i < block->count; i++) {
        const struct insn *in = &block->insn[i + 1];
        struct decoded *d = &bt->decoded[i];
        d->code_size = CODE64;
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&bt->decoder, page + in->off, in->len, &d->z, d->operand)))
            d->z.mnemonic = ZYDIS_MNEMONIC_INVALID; /* no translator takes it */
    }
}

/*
 * Where accounting is to happen: the number of the instruction that overwrites the flags if nothing before it reads
 * them or can leave the block, else 0 for the top (with flags saved: *save).
 */
static unsigned accounting_point(const struct unit *t, bool *save, bool *xmm)
{
    unsigned point = 0;
    bool found = false;
    *save = true;
    *xmm = false;
    for (unsigned i = 0; i < t->block->count; i++) {
        const struct insn *in = &t->block->insn[i + 1];
        const struct decoded *d = &t->bt->decoded[i];
        if (d->z.mnemonic == ZYDIS_MNEMONIC_INVALID)
            break;
        *xmm |= uses_xmm(d);
        if (found)
            continue;
        struct flag_use use = flag_use(d);
        bool plain = is_plain(d, in);
        found = !plain || use.reads || use.writes;
        if (plain && use.writes && !use.reads) {
            point = i;
            *save = false;
        }
    }
    return point;
}

static bool translate_one(struct unit *t, const struct insn *in, const struct decoded *d)
{
    return translate_copy(t, in, d) || translate_stack(t, in, d) || translate_division(t, in, d) ||
           translate_system(t, in, d) || translate_branch(t, in, d);
}

/* The instructions, up to the first that is left to the interpreter. Returns how many were translated. */
static unsigned translate_body(struct unit *t, unsigned point, bool xmm)
{
    for (unsigned i = 0; i < t->block->count; i++) {
        const struct insn *in = &t->block->insn[i + 1];
        const struct decoded *d = &t->bt->decoded[i];
        if (i == point)
            emit_account(t, in, xmm);
        uint8_t *at = t->e->at;
        unsigned flags = t->flags, stubs = t->stub_count;
        if (d->z.mnemonic != ZYDIS_MNEMONIC_INVALID && translate_one(t, in, d)) {
            window_follow(t, in, d);
            if (in->flags & INSN_LAST)
                return i + 1;
            continue;
        }
        emit_rewind(t->e, at);
        t->flags = flags;
        t->stub_count = stubs;
        add_stub(t, STUB_LEAVE, emit_jump(t->e, ALWAYS), in);
        return i;
    }
    translate_end(t, &t->block->insn[t->block->count + 1]);
    return t->block->count;
}

static void begin(struct unit *t, bool save)
{
    t->stub_count = 0;
    window_close(t);
    t->flags = IN_HOST;
    t->block->native_flags = t->e->at;
    if (save)
        save_flags(t);
    t->block->native = t->e->at;
}

bool bt_translate(struct cpu *cpu, struct block *block)
{
    struct bt *bt = bt_of(cpu);
    struct unit t = {.bt = bt, .e = &bt->code, .block = block};
    const uint8_t *page = ram_at(cpu->host->ram, gpa(block->gpa.v & PAGE_MASK), PAGE_SIZE);
    uint8_t *start = bt->code.at;
    bool save, xmm;
    decode(bt, block, page);
    unsigned point = accounting_point(&t, &save, &xmm);
    begin(&t, save);
    unsigned done = translate_body(&t, point, xmm);
    if (done < point) { /* left before the accounting: do that first */
        emit_rewind(&bt->code, start);
        begin(&t, true);
        done = translate_body(&t, 0, xmm);
    }
    if (!done) {
        emit_rewind(&bt->code, start);
        block->native = block->native_flags = cpu->translator->cold;
        return false;
    }
    for (unsigned i = 0; i < t.stub_count; i++) /* a stub may add others */
        emit_stub(&t, &t.stub[i]);
    block->insn[0].fn = op_enter_native;
    COUNT(cpu->stats, BLOCKS_TRANSLATED);
    return true;
}

/* The entry of a block that has got hot. The block is then looked up again, whatever came of it. */
const struct insn *op_translate(struct cpu *cpu, const struct insn *in)
{
    struct bt *bt = bt_of(cpu);
    uint64_t rip = cpu_rip(cpu, in);
    if (bt->code.end - bt->code.at < CODE_RESERVE || bt->link_count + LINKS_RESERVE > LINKS_MAX)
        block_cache_flush(cpu); /* everything goes, blocks too: what is hot comes back soon */
    else
        (void)bt_translate(cpu, in->link);
    return end_block(cpu, rip);
}
