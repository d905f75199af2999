/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - how translated code reaches guest memory: the software TLB's probe of x86/mem.h, as host code.
 *
 *      lea  A, [the operand]                   ; linear address
 *      mov  B, A / shr B, 10 / xor B, A        ; tlb_index(), times the size of an entry
 *      shr  B, 6 / and B, 0xffc0 / add B, [cpu->tlb_data]
 *      lea  A, [A + size - 1] / and A, -4096   ; page of its last byte
 *      cmp  A, [B->read]                       ; or ->write
 *      jne  miss                               ; out of line: the TLB is filled, and the probe begun anew
 *      mov  B, [B->addend]                     ; the instruction then uses [operand + B]
 *
 * Kernel code is mostly at home in the TLB's span, so there it comes first, and the probe above is out of line:
 *
 *      lea  A, [the operand] / sub A, [span.low]
 *      cmp  A, [span.size] / jae probe
 *      mov  B, [span.addend]
 *
 * No load there depends on the address, so a chain of loads is hardly longer than natively. Stores look in the same way
 * into a stretch of the span where no frame is guarded; when they miss it, a frame's guard byte is looked at out of
 * line.
 *
 * Read next: window.c.
 */
#include "full/bt/bt.h"

_Static_assert(sizeof(struct tlb_entry) == 64, "the probe shifts by 6");

bool effective_operand(struct unit *t, const struct insn *in, struct host_mem *m)
{
    const int64_t disp = in->disp + lag_of(t, in->base);
    if (disp != (int32_t)disp)
        return false;
    *m = (struct host_mem){NO_REG, NO_REG, in->scale, (int32_t)disp};
    if (in->base == GPR_PAGE) {
        emit_load(t->e, SCRATCH_A, cpu_gpr(GPR_PAGE));
        m->base = SCRATCH_A;
    } else if (in->base != GPR_ZERO) {
        m->base = guest_register(t, in->base, SCRATCH_A);
    }
    if (in->index != GPR_ZERO && t->host[in->index] == NO_REG)
        window_close(t);
    if (in->index != GPR_ZERO)
        m->index = guest_register(t, in->index, SCRATCH_B);
    return true;
}

static bool is_scratch(int reg)
{
    return reg == SCRATCH_A || reg == SCRATCH_B;
}

/*
 * From the linear address in SCRATCH_A: SCRATCH_B = its TLB entry. Destroys SCRATCH_A. When there is none, the TLB is
 * filled and the probe begun anew at `again`; or the interpreter executes the instruction. `miss`: enum miss.
 */
static void emit_probe(struct unit *t, const struct insn *in, struct probe p, const uint8_t *again, unsigned miss)
{
    struct emitter *e = t->e;
    window_close(t);
    emit_mov(e, SCRATCH_B, SCRATCH_A);
    emit_shift(e, SHIFT_SHR, SCRATCH_B, TLB_BITS);
    emit_alu(e, ALU_XOR, SCRATCH_B, SCRATCH_A);
    emit_shift(e, SHIFT_SHR, SCRATCH_B, PAGE_SHIFT - 6);
    emit_alu_constant(e, ALU_AND, SCRATCH_B, (TLB_SIZE - 1) << 6);
    emit_alu_mem(e, ALU_ADD, SCRATCH_B, CPU_FIELD(tlb_data));
    if (p.aligned) { /* an unaligned address keeps a low bit, and no page has that */
        emit_alu_constant(e, ALU_AND, SCRATCH_A, (int32_t)(PAGE_MASK | (p.size - 1)));
    } else {
        if (p.size > 1)
            emit_lea(e, SCRATCH_A, (struct host_mem){SCRATCH_A, NO_REG, 0, (int32_t)p.size - 1});
        emit_alu_constant(e, ALU_AND, SCRATCH_A, (int32_t)PAGE_MASK);
    }
    size_t tag = p.write ? offsetof(struct tlb_entry, write) : offsetof(struct tlb_entry, read);
    emit_alu_mem(e, ALU_CMP, SCRATCH_A, (struct host_mem){SCRATCH_B, NO_REG, 0, (int32_t)tag});
    struct stub *stub = add_stub(t, STUB_MISS, emit_jump(e, IF_NE), in);
    stub->back = again;
    stub->miss = miss | (p.write ? MISS_WRITE : 0);
}

#define ADDEND ((struct host_mem){SCRATCH_B, NO_REG, 0, (int32_t)offsetof(struct tlb_entry, addend)})

static void lea_window(struct unit *t, struct window w)
{
    emit_lea(t->e, SCRATCH_A, (struct host_mem){w.base, NO_REG, 0, w.low});
}

static void check_aligned(struct unit *t, unsigned size)
{
    (void)emit_reg(t->e, (struct host_op){.opcode = 0xf6, .force_rex = true}, 0, SCRATCH_A); /* TEST */
    emit8(t->e, (uint8_t)(size - 1));
}

/*
 * Is the linear address in SCRATCH_A in the span, or, for stores, in the clear stretch of their kind? It becomes an
 * offset there. Otherwise on to the stub that is returned, which looks further and comes to where the caller sets its
 * `back`.
 */
static struct stub *emit_span(struct unit *t, const struct insn *in, struct probe p, enum tlb_stores store)
{
    struct emitter *e = t->e;
    emit_alu_mem(e, ALU_SUB, SCRATCH_A, p.write ? CPU_FIELD(tlb.clear[store].low) : CPU_FIELD(tlb.span.low));
    emit_alu_mem(e, ALU_CMP, SCRATCH_A, p.write ? CPU_FIELD(tlb.clear[store].size) : CPU_FIELD(tlb.span.size));
    struct stub *stub = add_stub(t, p.write ? STUB_STRAYED : STUB_TLB, emit_jump(e, IF_AE), in);
    stub->probe = p;
    stub->store = store;
    if (p.aligned) {
        check_aligned(t, p.size);
        stub->jump[1] = emit_jump(e, IF_NE);
    }
    return stub;
}

/* SCRATCH_B = the addend of a window's page, by the TLB proper. */
static void probe_window_tlb(struct unit *t, const struct insn *in, struct window w, struct probe p, unsigned miss)
{
    const uint8_t *again = t->e->at;
    lea_window(t, w);
    emit_probe(t, in, p, again, miss);
    emit_load(t->e, SCRATCH_B, ADDEND);
}

static void open_window(struct unit *t, const struct insn *in, struct window w, bool aligned, unsigned miss)
{
    struct probe p = {(unsigned)(w.high - w.low), w.write, aligned};
    if (t->kernel) {
        lea_window(t, w);
        struct stub *stub = emit_span(t, in, p, w.base == t->host[RSP] ? STORES_STACK : STORES_OTHER);
        emit_load(t->e, SCRATCH_B, CPU_FIELD(tlb.span.addend));
        stub->back = t->e->at;
        stub->miss = miss;
        stub->window = w;
        stub->window.open = true;
    } else {
        probe_window_tlb(t, in, w, p, miss);
    }
    t->window = w;
}

/* SCRATCH_A, a linear address, becomes a host address, by the TLB proper. Destroys SCRATCH_B. */
static void probe_address_tlb(struct unit *t, const struct insn *in, struct probe p)
{
    emit_store(t->e, CPU_FIELD(native.scratch), SCRATCH_A);
    const uint8_t *again = t->e->at;
    emit_load(t->e, SCRATCH_A, CPU_FIELD(native.scratch));
    emit_probe(t, in, p, again, p.write ? MISS_STORES : 0);
    emit_load(t->e, SCRATCH_A, CPU_FIELD(native.scratch));
    emit_alu_mem(t->e, ALU_ADD, SCRATCH_A, ADDEND);
}

static void probe_address(struct unit *t, const struct insn *in, struct probe p)
{
    if (!t->kernel) {
        probe_address_tlb(t, in, p);
        return;
    }
    struct stub *stub = emit_span(t, in, p, STORES_OTHER);
    emit_alu_mem(t->e, ALU_ADD, SCRATCH_A,
                 p.write ? CPU_FIELD(tlb.clear[STORES_OTHER].host) : CPU_FIELD(tlb.span.host));
    stub->back = t->e->at;
    stub->keep = t->window.open;
}

/* The TLB proper, in front of what a stub goes back to. An open window's addend is kept. */
static void probe_proper(struct unit *t, const struct stub *stub)
{
    if (stub->window.open) {
        probe_window_tlb(t, stub->record, stub->window, stub->probe, stub->miss);
    } else {
        if (stub->keep)
            emit_store(t->e, CPU_FIELD(native.kept), SCRATCH_B);
        probe_address_tlb(t, stub->record, stub->probe);
        if (stub->keep)
            emit_load(t->e, SCRATCH_B, CPU_FIELD(native.kept));
    }
    emit_patch(emit_jump(t->e, ALWAYS), stub->back);
}

/* An offset in the span is there in SCRATCH_A, and isn't one. */
void probe_tlb(struct unit *t, const struct stub *stub)
{
    if (!stub->window.open)
        emit_alu_mem(t->e, ALU_ADD, SCRATCH_A, CPU_FIELD(tlb.span.low));
    probe_proper(t, stub);
}

/*
 * A store that isn't in the clear stretch: it is noted for the next choice of one. Is it in the span, in a frame that
 * isn't guarded? Else the TLB.
 */
void probe_strayed(struct unit *t, const struct stub *stub)
{
    struct emitter *e = t->e;
    const struct host_mem strayed = CPU_FIELD(native.strayed[stub->store]);
    uint8_t *out[3] = {NULL};
    if (stub->window.open)
        lea_window(t, stub->window);
    else
        emit_alu_mem(e, ALU_ADD, SCRATCH_A, CPU_FIELD(tlb.clear[stub->store].low));
    emit_store(e, strayed, SCRATCH_A);
    emit_alu_mem(e, ALU_SUB, SCRATCH_A, CPU_FIELD(tlb.span.low));
    emit_alu_mem(e, ALU_CMP, SCRATCH_A, CPU_FIELD(tlb.span.size));
    out[0] = emit_jump(e, IF_AE);
    if (stub->probe.aligned) {
        check_aligned(t, stub->probe.size);
        out[1] = emit_jump(e, IF_NE);
    }
    emit_shift(e, SHIFT_SHR, SCRATCH_A, PAGE_SHIFT);
    emit_alu_mem(e, ALU_ADD, SCRATCH_A, CPU_FIELD(tlb.span.guard));
    (void)emit_mem(e, (struct host_op){.opcode = 0x80}, ALU_CMP, (struct host_mem){SCRATCH_A, NO_REG, 0, 0});
    emit8(e, 0);
    out[2] = emit_jump(e, IF_NE);
    if (stub->window.open) {
        emit_load(e, SCRATCH_B, CPU_FIELD(tlb.span.addend));
    } else {
        emit_load(e, SCRATCH_A, strayed);
        emit_alu_mem(e, ALU_ADD, SCRATCH_A, CPU_FIELD(tlb.span.addend));
    }
    emit_patch(emit_jump(e, ALWAYS), stub->back);
    for (unsigned i = 0; i < ARRAY_SIZE(out); i++)
        if (out[i])
            emit_patch(out[i], e->at);
    emit_load(e, SCRATCH_A, strayed);
    probe_proper(t, stub);
}

/* The probe of an operand [base + disp]: opens a window, if it isn't in one. */
static struct host_mem probe_window(struct unit *t, const struct insn *in, int base, int32_t disp, struct probe p)
{
    if (!window_covers(t, base, disp, p)) {
        lose_host_flags(t);
        struct window w = window_for(t, base, disp, p);
        bool several = w.high - w.low > (int32_t)p.size || w.write != p.write;
        open_window(t, in, w, p.aligned, (p.write ? MISS_STORES : 0) | (several ? MISS_WINDOW : 0));
    }
    return (struct host_mem){base, SCRATCH_B, 0, disp};
}

void probe_again(struct unit *t, const struct insn *next, struct window w)
{
    open_window(t, next, w, false, MISS_WINDOW);
}

struct host_mem probe_stack(struct unit *t, const struct insn *in, int base, int32_t disp, bool write)
{
    const int32_t lag = base == t->host[RSP] ? t->lag : 0;
    return probe_window(t, in, base, disp + lag, (struct probe){.size = 8, .write = write});
}

/* A lone load, while a window over others is open, which had better stay. */
static bool beside_window(const struct unit *t, const struct insn *in, struct probe p)
{
    const int base = t->host[in->base];
    if (!t->window.open || p.write || p.aligned || base == t->window.base)
        return false;
    struct window w = window_for(t, base, (int32_t)in->disp + lag_of(t, in->base), p);
    return w.high - w.low == (int32_t)p.size && !w.write;
}

bool probe_operand(struct unit *t, const struct insn *in, struct probe p, struct host_mem *m, int *free)
{
    struct emitter *e = t->e;
    bool based = in->seg == SEG_FS || in->seg == SEG_GS;
    const int64_t disp = in->disp + lag_of(t, in->base);
    bool simple = in->addrsize == 8 && !based && in->index == GPR_ZERO && in->base < 16 &&
                  t->host[in->base] != NO_REG && disp == (int32_t)disp;
    if (simple && !(t->kernel && beside_window(t, in, p))) {
        *m = probe_window(t, in, t->host[in->base], (int32_t)disp, p);
        *free = SCRATCH_A;
        return true;
    }
    lose_host_flags(t);
    const uint8_t *again = e->at;
    if (!effective_operand(t, in, m))
        return false;
    if (in->addrsize == 8)
        emit_lea(e, SCRATCH_A, *m);
    else
        (void)emit_mem(e, (struct host_op){.opcode = 0x8d}, SCRATCH_A, *m); /* 32 bits, upper half cleared */
    if (based) {
        struct host_mem base = CPU_FIELD(seg_base);
        base.disp += 8 * in->seg;
        emit_alu_mem(e, ALU_ADD, SCRATCH_A, base);
    }
    if (!t->kernel && in->addrsize == 8 && !based && !is_scratch(m->base) && !is_scratch(m->index)) {
        emit_probe(t, in, p, again, p.write ? MISS_STORES : 0);
        emit_lea(e, SCRATCH_A, *m); /* cheaper than to keep it */
        emit_alu_mem(e, ALU_ADD, SCRATCH_A, ADDEND);
    } else {
        probe_address(t, in, p);
    }
    *m = (struct host_mem){SCRATCH_A, NO_REG, 0, 0};
    *free = SCRATCH_B;
    return true;
}
