/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - how translated code reaches guest memory: the software TLB's probe of x86/mem.h, as host code.
 *
 *      lea  A, [the operand]                   ; linear address
 *      mov  B, A / shr B, 10 / xor B, A        ; tlb_index(), times the size of an entry
 *      shr  B, 6 / and B, 0xffc0 / add B, [cpu->tlb_data]
 *      lea  A, [A + size - 1] / and A, -4096   ; page of its last byte
 *      cmp  A, [B->read]                       ; or ->write
 *      jne  miss                               ; out of line: the TLB is filled, and the probe tried again
 *      mov  B, [B->addend]                     ; the instruction then uses [operand + B]
 *
 * Read next: window.c.
 */
#include "full/bt/bt.h"

_Static_assert(sizeof(struct tlb_entry) == 64, "the probe shifts by 6");

bool effective_operand(struct unit *t, const struct insn *in, struct host_mem *m)
{
    if (in->disp != (int32_t)in->disp)
        return false;
    *m = (struct host_mem){NO_REG, NO_REG, in->scale, (int32_t)in->disp};
    if (in->base == GPR_PAGE) {
        emit_load(t->e, SCRATCH_A, cpu_gpr(GPR_PAGE));
        m->base = SCRATCH_A;
    } else if (in->base != GPR_ZERO) {
        m->base = guest_register(t, in->base, SCRATCH_A);
    }
    if (in->index != GPR_ZERO && host_of[in->index] == NO_REG)
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
    stub->flags = false;
    stub->miss = miss | (p.write ? MISS_WRITE : 0);
    t->flags = IN_MEMORY;
}

#define ADDEND ((struct host_mem){SCRATCH_B, NO_REG, 0, (int32_t)offsetof(struct tlb_entry, addend)})

static void open_window(struct unit *t, const struct insn *in, struct window w, bool aligned, unsigned miss)
{
    const uint8_t *again = t->e->at;
    emit_lea(t->e, SCRATCH_A, (struct host_mem){w.base, NO_REG, 0, w.low});
    emit_probe(t, in, (struct probe){(unsigned)(w.high - w.low), w.write, aligned}, again, miss);
    emit_load(t->e, SCRATCH_B, ADDEND);
    t->window = w;
}

/* The probe of an operand [base + disp]: opens a window, if it isn't in one. */
static struct host_mem probe_window(struct unit *t, const struct insn *in, int base, int32_t disp, struct probe p)
{
    if (!window_covers(t, base, disp, p)) {
        save_flags(t);
        struct window w = window_for(t, in, base, disp, p);
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
    return probe_window(t, in, base, disp, (struct probe){.size = 8, .write = write});
}

bool probe_operand(struct unit *t, const struct insn *in, struct probe p, struct host_mem *m, int *free)
{
    struct emitter *e = t->e;
    bool based = in->seg == SEG_FS || in->seg == SEG_GS;
    if (in->addrsize == 8 && !based && in->index == GPR_ZERO && in->base < 16 && host_of[in->base] != NO_REG &&
        in->disp == (int32_t)in->disp) {
        *m = probe_window(t, in, host_of[in->base], (int32_t)in->disp, p);
        *free = SCRATCH_A;
        return true;
    }
    save_flags(t);
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
    bool anew = in->addrsize == 8 && !based && !is_scratch(m->base) && !is_scratch(m->index);
    if (!anew)
        emit_store(e, CPU_FIELD(native.scratch), SCRATCH_A);
    emit_probe(t, in, p, again, p.write ? MISS_STORES : 0);
    if (anew)
        emit_lea(e, SCRATCH_A, *m);
    else
        emit_load(e, SCRATCH_A, CPU_FIELD(native.scratch));
    emit_alu_mem(e, ALU_ADD, SCRATCH_A, ADDEND);
    *m = (struct host_mem){SCRATCH_A, NO_REG, 0, 0};
    *free = SCRATCH_B;
    return true;
}
