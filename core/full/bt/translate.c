/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate.c - one block of guest code becomes host code.
 *
 * Status flags are the guest's own: translated arithmetic leaves them in the host's RFLAGS, where translated branches
 * find them. What the translator inserts (a TLB probe, the accounting of the block) destroys them; `flags` in struct
 * unit says where they are at each point (flags.c). A block has two entries, for its predecessors' two cases.
 *
 * Accounting - instructions begun, XMM registers there - happens once a block: at its top, or, where the block would
 * otherwise have to save flags that nobody reads, just before the instruction that overwrites them. Nothing before that
 * point can leave the block.
 *
 * Read next: flags.c.
 */
#include "full/bt/bt.h"
#include <string.h>
#include <virtlab/ram.h>

void bt_decoder_init(ZydisDecoder *decoder)
{
    ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    /* As core/x86/decode.c: F3 0F BC is BSF on this CPU. */
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_LZCNT, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_TZCNT, ZYAN_FALSE);
}

/* ---- accounting ---- */

static void emit_account(struct unit *t, const struct insn *at)
{
    struct emitter *e = t->e;
    t->flags = t->flags & ~(unsigned)IN_HOST ? t->flags & ~(unsigned)IN_HOST : IN_MEMORY; /* or dead */
    (void)emit_mem(e, (struct host_op){.opcode = 0x83, .w = true}, ALU_SUB, CPU_FIELD(native.budget));
    emit8(e, (uint8_t)t->count);
    add_stub(t, STUB_PAUSE, emit_jump(e, IF_L), at);
    if (t->xmm)
        emit_xmm_check(t, at);
}

/* ---- the block ---- */

/* Instruction bytes: those of one that reaches into the second page are put together in `both`. NULL: there is none. */
static const uint8_t *bytes_of(const struct unit *t, const struct insn *in, const uint8_t *page, uint8_t both[16])
{
    const unsigned here = PAGE_SIZE - in->off;
    if (in->len <= here)
        return page + in->off;
    if (!t->second)
        return NULL;
    memcpy(both, page + in->off, here);
    memcpy(both + here, t->second, in->len - here);
    return both;
}

static void decode(const struct unit *t, struct decoded *d, const struct insn *in, const uint8_t *page)
{
    uint8_t both[16];
    const uint8_t *bytes = bytes_of(t, in, page, both);
    d->code_size = CODE64;
    if (!bytes || !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&t->bt->decoder, bytes, in->len, &d->z, d->operand)))
        d->z.mnemonic = ZYDIS_MNEMONIC_INVALID; /* no translator takes it */
}

void unit_append(struct unit *t, struct block *block, const uint8_t *page)
{
    const unsigned through = t->count + block->count;
    for (unsigned i = 1; i <= block->count; i++, t->count++) {
        t->step[t->count] = (struct step){.block = block, .in = &block->insn[i], .through = through};
        decode(t, &t->bt->decoded[t->count], &block->insn[i], page);
    }
}

const struct block *next_in_unit(const struct unit *t)
{
    return goes_on_in_unit(t) ? t->step[t->now + 1].block : NULL;
}

/*
 * Where accounting is to happen: the number of the instruction that overwrites the flags if nothing before it reads
 * them or can leave the block, else 0 for the top (with flags saved: *save).
 */
static unsigned accounting_point(struct unit *t, bool *save)
{
    unsigned point = 0;
    bool found = false;
    *save = true;
    t->xmm = false;
    for (unsigned i = 0; i < t->count; i++) {
        const struct insn *in = t->step[i].in;
        const struct decoded *d = decoded_step(t, i);
        if (d->z.mnemonic == ZYDIS_MNEMONIC_INVALID)
            break;
        t->xmm |= uses_xmm(d);
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
    return translate_stack(t, in, d) || translate_copy(t, in, d) || translate_division(t, in, d) ||
           translate_system(t, in, d) || translate_branch(t, in, d);
}

static void lose_scratches(struct unit *t)
{
    lose_scratch(t, SCRATCH_A);
    lose_scratch(t, SCRATCH_B);
}

/* One instruction; false: it is the interpreter's, and native code leaves in front of it. */
static bool translate_or_leave(struct unit *t, unsigned i, bool after_left)
{
    struct insn *in = (struct insn *)t->step[i].in;
    const struct decoded *d = decoded_step(t, i);
    flags_before(t, in, d);
    const bool lagging = keeps_lag(d);
    if (!lagging)
        settle_stack(t);
    const int32_t lag = t->lag;
    uint8_t *at = t->e->at;
    unsigned flags = t->flags, stubs = t->stub_count;
    const struct decoded *replay = t->replay;
    const bool replay_was_stack = t->replay_stack;
    const int32_t replay_lag = t->replay_lag;
    t->held_kept = false;
    if (d->z.mnemonic != ZYDIS_MNEMONIC_INVALID && !(in->flags & INSN_ODD) && translate_one(t, in, d)) {
        window_follow(t, in, d, lagging);
        if (!t->held_kept)
            lose_scratches(t);
        return true;
    }
    lose_scratches(t);
    emit_rewind(t->e, at);
    t->flags = flags;
    t->replay = replay;
    t->replay_stack = replay_was_stack;
    t->replay_lag = replay_lag;
    t->lag = lag;
    t->stub_count = stubs;
    bool system = (in->flags & INSN_LAST) && ends_without_branch(d);
    if (after_left && !(in->flags & INSN_LAST))
        in->flags |= INSN_LEFT; /* one way out and back for both */
    else
        add_stub(t, system ? STUB_SYSTEM : STUB_LEAVE, emit_jump(t->e, ALWAYS), in);
    window_close(t);
    t->flags = IN_MEMORY;
    t->lag = 0;
    return false;
}

/* The instructions; accounting stands before the one at `point`. Returns how many became native code. */
static unsigned translate_body(struct unit *t, unsigned point)
{
    unsigned done = 0;
    bool left = false;
    t->first_left = BLOCK_MAX;
    lose_scratches(t);
    for (unsigned i = 0; i < t->count; i++) {
        const struct insn *in = t->step[i].in;
        t->now = i;
        if (i == point) {
            emit_account(t, in);
            lose_scratches(t); /* where a pause comes back to */
        }
        left = !translate_or_leave(t, i, left);
        done += !left;
        if (left && i < t->first_left)
            t->first_left = i;
        t->behind[i] = (struct point){t->e->at, t->flags, t->window, {t->held[0], t->held[1]}, t->lag};
        if (left && t->trace)
            return 0;
    }
    if (!(t->step[t->now].in->flags & INSN_LAST))
        translate_end(t, t->step[t->now].in + 1);
    return done;
}

/*
 * A block that goes back to its own top does so with flags that can be made again, mostly. Then the way round is
 * translated once more, as a loop that needs not save them.
 */
static void translate_loop(struct unit *t)
{
    uint8_t *jump = t->loop_jump;
    const struct decoded *replay = t->loop_replay;
    t->stub_count = 0;
    memset(t->resume, 0, sizeof(t->resume));
    window_close(t);
    t->flags = IN_REPLAY;
    t->replay = replay;
    t->replay_stack = false;
    t->lag = 0;
    t->loop_top = t->e->at;
    emit_patch(jump, t->loop_top);
    (void)translate_body(t, 0);
    emit_stubs(t);
}

static void begin(struct unit *t, bool save)
{
    t->stub_count = 0;
    memset(t->resume, 0, sizeof(t->resume));
    window_close(t);
    t->flags = IN_HOST;
    t->lag = 0;
    t->replay_stack = false;
    t->loop_top = t->loop_jump = NULL;
    t->block->native_flags = t->e->at;
    if (save)
        save_flags(t);
    t->block->native = t->e->at;
    come_back(t);
    t->top = t->e->at;
}

/* Translates the unit. On failure nothing is changed, but for the entries of its first block. */
bool translate_unit(struct cpu *cpu, struct unit *t)
{
    uint8_t *start = t->e->at;
    bool save;
    unsigned point = accounting_point(t, &save);
    begin(t, save);
    unsigned done = translate_body(t, point);
    if (t->first_left < point) { /* left before the accounting: do that first */
        emit_rewind(t->e, start);
        begin(t, true);
        done = translate_body(t, 0);
    }
    if (done)
        emit_stubs(t);
    if (done && t->loop_jump)
        translate_loop(t);
    if (!done || t->failed) {
        emit_rewind(t->e, start);
        return false;
    }
    if (!t->block->crossing) /* it must be looked at, unless the jump table knows it */
        t->block->insn[0].fn = op_enter_native;
    dump_translation(t, start);
    cpu->stats->counter[t->trace ? COUNTER_TRACES : COUNTER_BLOCKS_TRANSLATED]++;
    return true;
}

struct unit *unit_begin(struct cpu *cpu, struct block *first, bool trace)
{
    struct bt *bt = bt_of(cpu);
    struct unit *t = &bt->unit;
    t->bt = bt, t->e = &bt->code, t->block = first, t->trace = trace;
    t->failed = false;
    t->count = 0;
    t->kernel = cpu->cpl != 3;
    t->second = first->crossing ? ram_at(cpu->host->ram, first->second, PAGE_SIZE) : NULL;
    own_registers(t);
    return t;
}

const uint8_t *code_of(const struct cpu *cpu, const struct block *block)
{
    return ram_at(cpu->host->ram, gpa(block->gpa.v & PAGE_MASK), PAGE_SIZE);
}

bool bt_translate(struct cpu *cpu, struct block *block)
{
    struct unit *t = unit_begin(cpu, block, false);
    unit_append(t, block, code_of(cpu, block));
    if (translate_unit(cpu, t))
        return true;
    block->native = block->native_flags = cpu->translator->cold;
    return false;
}

/* The entry of a block that has got hot. The block is then looked up again, whatever came of it. */
const struct insn *op_translate(struct cpu *cpu, const struct insn *in)
{
    struct bt *bt = bt_of(cpu);
    uint64_t rip = cpu_rip(cpu, in);
    if (!bt_has_room(bt))
        block_cache_flush(cpu); /* everything goes, blocks too: what is hot comes back soon */
    else
        (void)bt_translate(cpu, in->link);
    return end_block(cpu, rip);
}
