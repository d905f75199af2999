/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy.c - instructions that execute as they are, with other registers and another address.
 *
 * Most of x86 is translated by this one file: prefixes, opcode and immediate are copied, ModRM, SIB and REX are made
 * anew. An operand in memory becomes the host address that the probe found, so `add [mem], reg` stays one instruction.
 * Guest registers without a host register are loaded into a scratch register before and stored behind.
 *
 * LOCK is dropped: there is one virtual CPU, and devices run in its thread.
 *
 * Read next: stack.c.
 */
#include "full/bt/bt.h"

/* 16-byte operands that need not be aligned; all other instructions raise #GP (SDM 1, 10.4.1.1). */
static bool may_be_unaligned(ZydisMnemonic m)
{
    switch (m) {
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM: return true;
    default: return false;
    }
}

/* ---- operands ---- */

/* An operand in a register, and the host register that stands for it. */
struct place {
    const ZydisDecodedOperand *operand; /* NULL: there is none */
    int guest;                          /* number of a general register, or NO_REG */
    int host;
    bool kept; /* BSF and BSR of zero leave their destination as it is */
};

struct copy {
    struct host_op op;
    const ZydisDecodedOperand *rm_mem;
    struct place rm, reg, embedded; /* embedded: in the opcode's low three bits */
};

/* Fills in the host register; false for classes that aren't copied (segment, control, MMX ...). */
static bool take_register(const struct unit *t, struct copy *c, struct place *p, const ZydisDecodedOperand *o)
{
    ZydisRegister r = o->reg.value;
    *p = (struct place){.operand = o, .guest = NO_REG, .host = NO_REG};
    switch (ZydisRegisterGetClass(r)) {
    case ZYDIS_REGCLASS_XMM: p->host = ZydisRegisterGetId(r); return true;
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64: p->guest = ZydisRegisterGetId(r); break;
    case ZYDIS_REGCLASS_GPR8:
        if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH) {
            c->op.no_rex = true;
            p->host = r - ZYDIS_REGISTER_AH + 4;
            return true;
        }
        p->guest = r <= ZYDIS_REGISTER_BL ? r - ZYDIS_REGISTER_AL : r - ZYDIS_REGISTER_SPL + RSP;
        c->op.force_rex |= t->host[p->guest] >= RSP && t->host[p->guest] <= RDI;
        break;
    default: return false;
    }
    p->host = t->host[p->guest];
    return true;
}

static bool is_identical(ZydisRegister r)
{
    switch (ZydisRegisterGetClass(r)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64: {
        unsigned id = (unsigned)ZydisRegisterGetId(r);
        return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH ? true : host_of[id & 15] == (int)id;
    }
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_FLAGS: return true;
    default: return false;
    }
}

static bool take_operands(const struct unit *t, struct copy *c, const struct decoded *d)
{
    for (unsigned i = 0; i < d->z.operand_count; i++) {
        const ZydisDecodedOperand *o = &d->operand[i];
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            if (o->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM)
                return false;
            c->rm_mem = o;
        } else if (o->type == ZYDIS_OPERAND_TYPE_REGISTER) {
            bool fine;
            switch (o->encoding) {
            case ZYDIS_OPERAND_ENCODING_MODRM_RM: fine = take_register(t, c, &c->rm, o); break;
            case ZYDIS_OPERAND_ENCODING_MODRM_REG: fine = take_register(t, c, &c->reg, o); break;
            case ZYDIS_OPERAND_ENCODING_OPCODE: fine = take_register(t, c, &c->embedded, o); break;
            default: fine = is_identical(o->reg.value); break;
            }
            if (!fine)
                return false;
        } else if (o->type != ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            return false;
        }
    }
    return true;
}

static bool take_opcode(struct copy *c, const struct decoded *d)
{
    switch (d->z.opcode_map) {
    case ZYDIS_OPCODE_MAP_DEFAULT: c->op.map = MAP_PRIMARY; break;
    case ZYDIS_OPCODE_MAP_0F: c->op.map = MAP_0F; break;
    case ZYDIS_OPCODE_MAP_0F38: c->op.map = MAP_0F38; break;
    case ZYDIS_OPCODE_MAP_0F3A: c->op.map = MAP_0F3A; break;
    default: return false;
    }
    c->op.opcode = d->z.opcode;
    c->op.w = d->z.attributes & ZYDIS_ATTRIB_HAS_REX && d->z.raw.rex.W;
    /* 66 is the operand size, or belongs to the opcode, as F2 and F3 may. Other F2 and F3 mean nothing here, but would
     * to the host: F3 0F BC is TZCNT there. */
    unsigned n = 0;
    for (unsigned i = 0; i < d->z.raw.prefix_count && n < sizeof(c->op.prefix); i++) {
        uint8_t value = d->z.raw.prefixes[i].value;
        bool mandatory = d->z.raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY;
        if ((value == 0x66 && d->z.raw.prefixes[i].type != ZYDIS_PREFIX_TYPE_IGNORED) ||
            ((value == 0xf2 || value == 0xf3) && mandatory))
            c->op.prefix[n++] = value;
    }
    return true;
}

static bool writes(const struct place *p)
{
    return p->operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}
/* Is the old value needed? Also when only a part is written, or perhaps nothing. */
static bool needs_old(const struct place *p)
{
    return p->kept || p->operand->actions & (ZYDIS_OPERAND_ACTION_MASK_READ | ZYDIS_OPERAND_ACTION_CONDWRITE) ||
           p->operand->size < 32;
}

/* ---- guest registers that live in memory ---- */

static bool in_memory(const struct unit *t, const struct place *p)
{
    return p->operand && p->guest != NO_REG && t->host[p->guest] == NO_REG;
}

/* The scratch register that holds the guest register still, from the instruction before; or NO_REG. */
static int holder(const struct unit *t, const struct place *p)
{
    return !in_memory(t, p) ? NO_REG : t->held[0] == p->guest ? SCRATCH_A : t->held[1] == p->guest ? SCRATCH_B : NO_REG;
}

void lose_scratch(struct unit *t, int scratch)
{
    t->held[scratch == SCRATCH_B] = NO_REG;
}

/* The operand's value comes into `scratch`. */
static void bring(struct unit *t, struct place *p, int scratch)
{
    if (!in_memory(t, p) || p->host != NO_REG)
        return;
    int held = holder(t, p);
    p->host = scratch;
    if (held == scratch)
        return;
    if (scratch == SCRATCH_B)
        window_close(t);
    lose_scratch(t, scratch);
    if (needs_old(p) && held != NO_REG)
        emit_mov(t->e, scratch, held);
    else if (needs_old(p))
        emit_load(t->e, scratch, cpu_gpr((unsigned)p->guest));
}

static void put_back(struct unit *t, const struct place *p)
{
    if (!in_memory(t, p) || !(p->host == SCRATCH_A || p->host == SCRATCH_B))
        return;
    if (writes(p)) {
        emit_store(t->e, cpu_gpr((unsigned)p->guest), p->host);
        if (holder(t, p) != NO_REG)
            lose_scratch(t, holder(t, p));
    }
    t->held[p->host == SCRATCH_B] = p->guest;
    t->held_kept = true;
}

/* A scratch register for one operand: the one that holds it; else not the other operand's. */
static int choose(const struct unit *t, const struct place *p, const struct place *other)
{
    int held = holder(t, p), others = other->host != NO_REG ? other->host : holder(t, other);
    if (held != NO_REG && held != other->host)
        return held;
    return others == SCRATCH_A ? SCRATCH_B : SCRATCH_A;
}

/* ---- emitting ---- */

static void emit_immediates(struct emitter *e, const struct decoded *d)
{
    for (unsigned i = 0; i < 2; i++)
        for (unsigned bits = 0; bits < d->z.raw.imm[i].size; bits += 8)
            emit8(e, (uint8_t)(d->z.raw.imm[i].value.u >> bits));
}

/* Without ModRM: a register in the opcode, or none but implicit ones. */
static bool emit_short(struct emitter *e, const struct copy *c)
{
    const struct host_op *op = &c->op;
    int reg = c->embedded.operand ? c->embedded.host : 0;
    uint8_t rex = (uint8_t)(op->w << 3 | (reg >= 8));
    if (op->no_rex && (rex || op->force_rex))
        return false;
    for (unsigned i = 0; i < sizeof(op->prefix) && op->prefix[i]; i++)
        emit8(e, op->prefix[i]);
    if (rex || op->force_rex)
        emit8(e, 0x40 | rex);
    if (op->map == MAP_0F)
        emit8(e, 0x0f);
    emit8(e, c->embedded.operand ? (uint8_t)((op->opcode & 0xf8) | (reg & 7)) : op->opcode);
    return true;
}

static bool is_bit_test(const struct decoded *d)
{
    return d->z.mnemonic == ZYDIS_MNEMONIC_BT || d->z.mnemonic == ZYDIS_MNEMONIC_BTS ||
           d->z.mnemonic == ZYDIS_MNEMONIC_BTR || d->z.mnemonic == ZYDIS_MNEMONIC_BTC;
}

static bool copy_memory(struct unit *t, const struct insn *in, const struct decoded *d, struct copy *c)
{
    struct probe p = {.size = c->rm_mem->size / 8u, .write = c->rm_mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE};
    if (!p.size || p.size > 16 || (p.size & (p.size - 1)))
        return false;
    if (is_bit_test(d) && c->reg.operand)
        return false; /* the bit may lie far from the address */
    p.aligned = p.size == 16 && !may_be_unaligned(d->z.mnemonic);
    struct host_mem m;
    int free;
    if (!probe_operand(t, in, p, &m, &free))
        return false;
    if (flag_use(d).reads)
        restore_flags(t, free);
    t->held[0] = t->held[1] = NO_REG;
    bring(t, &c->reg, free);
    if (!emit_mem(t->e, c->op, c->reg.operand ? c->reg.host : d->z.raw.modrm.reg, m))
        return false;
    emit_immediates(t->e, d);
    put_back(t, &c->reg);
    return true;
}

/* May the register that is only read as well be read in memory? */
static bool read_in_place(const struct unit *t, const struct decoded *d, const struct place *p)
{
    return in_memory(t, p) && !writes(p) && p->host == NO_REG && holder(t, p) == NO_REG && !is_bit_test(d);
}

static bool emit_modrm_form(struct unit *t, const struct decoded *d, struct copy *c)
{
    bool same = in_memory(t, &c->rm) && c->reg.operand && c->rm.guest == c->reg.guest;
    if (same) { /* one value, in one scratch register */
        struct place *reader = needs_old(&c->reg) ? &c->reg : &c->rm;
        bring(t, reader, choose(t, reader, &c->embedded));
        c->rm.host = c->reg.host = reader->host;
    }
    bring(t, &c->reg, choose(t, &c->reg, &c->rm));
    int reg = c->reg.operand ? c->reg.host : d->z.raw.modrm.reg;
    if (read_in_place(t, d, &c->rm))
        return emit_mem(t->e, c->op, reg, cpu_gpr((unsigned)c->rm.guest));
    bring(t, &c->rm, choose(t, &c->rm, &c->reg));
    return emit_reg(t->e, c->op, reg, c->rm.operand ? c->rm.host : d->z.raw.modrm.rm);
}

static bool copy_registers(struct unit *t, const struct decoded *d, struct copy *c)
{
    if (flag_use(d).reads)
        restore_flags(t, SCRATCH_A);
    t->held_kept = true; /* nothing else here changes a scratch register */
    if (d->z.attributes & ZYDIS_ATTRIB_HAS_MODRM) {
        if (!emit_modrm_form(t, d, c))
            return false;
    } else {
        bring(t, &c->embedded, choose(t, &c->embedded, &c->rm));
        if (!emit_short(t->e, c))
            return false;
    }
    emit_immediates(t->e, d);
    put_back(t, &c->rm);
    put_back(t, &c->reg);
    put_back(t, &c->embedded);
    return true;
}

/* LEA touches no memory and no flags. */
static bool copy_lea(struct unit *t, const struct insn *in, const struct decoded *d)
{
    struct host_mem m;
    unsigned to = (unsigned)ZydisRegisterGetId(d->operand[0].reg.value), size = d->operand[0].size / 8u;
    if (size == 2 || !effective_operand(t, in, &m))
        return false;
    int host = t->host[to] == NO_REG ? SCRATCH_A : t->host[to];
    (void)emit_mem(t->e, (struct host_op){.opcode = 0x8d, .w = size == 8 && in->addrsize == 8}, host, m);
    if (t->host[to] == NO_REG)
        emit_store(t->e, cpu_gpr(to), host);
    t->held_kept = host != SCRATCH_A && m.base != SCRATCH_A && m.index != SCRATCH_B;
    return true;
}

bool translate_copy(struct unit *t, const struct insn *in, const struct decoded *d)
{
    if (!copyable(d))
        return false;
    if (is_nop(d))
        return true;
    if (d->z.mnemonic == ZYDIS_MNEMONIC_LEA)
        return copy_lea(t, in, d);
    struct copy c = {.op = {.map = MAP_PRIMARY}};
    if (!take_operands(t, &c, d) || !take_opcode(&c, d))
        return false;
    c.reg.kept = d->z.mnemonic == ZYDIS_MNEMONIC_BSF || d->z.mnemonic == ZYDIS_MNEMONIC_BSR;
    bool done = c.rm_mem ? copy_memory(t, in, d, &c) : copy_registers(t, d, &c);
    if (done && flag_use(d).writes)
        flags_written(t, d);
    return done;
}

void copy_again(struct unit *t, const struct decoded *d)
{
    struct copy c = {.op = {.map = MAP_PRIMARY}};
    if (take_operands(t, &c, d) && take_opcode(&c, d))
        (void)copy_registers(t, d, &c);
}
