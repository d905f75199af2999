/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registers.c - a loop has the registers that it uses.
 *
 * The host's sixteen registers are not enough for the guest's sixteen, struct cpu and two scratch registers: R13 to R15
 * are in memory, and each write is a store. A loop that uses them, and doesn't use others, swaps them at its entry:
 * RSP, say, is in memory then, and R14 where RSP was. Everything outside expects the usual places (host_of), so
 * whatever leaves the unit goes home first, and what comes back swaps again.
 *
 * Read before: trace.c.
 */
#include "full/bt/bt.h"
#include <string.h>

void own_registers(struct unit *t)
{
    memcpy(t->host, host_of, sizeof(t->host));
    t->swaps = 0;
}

static void count_register(unsigned uses[16], ZydisRegister r)
{
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
    if (ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64)
        uses[ZydisRegisterGetId(whole)]++;
}

static void count_uses(unsigned uses[16], const struct decoded *d)
{
    for (unsigned i = 0; i < d->z.operand_count; i++) {
        const ZydisDecodedOperand *o = &d->operand[i];
        if (o->type == ZYDIS_OPERAND_TYPE_REGISTER)
            count_register(uses, o->reg.value);
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            count_register(uses, o->mem.base);
            count_register(uses, o->mem.index);
        }
    }
}

/* Instructions whose translation knows no register by its place. */
static bool movable(const struct decoded *d)
{
    return is_copied(d) || d->z.meta.category == ZYDIS_CATEGORY_COND_BR ||
           (d->z.mnemonic == ZYDIS_MNEMONIC_JMP && is_imm(d, 0));
}

/* The register in memory that is used most, and one in a register that isn't used; false: there is no such pair. */
static bool find_swap(const struct unit *t, const unsigned uses[16], struct swap *swap)
{
    bool in = false, out = false;
    for (unsigned r = 0; r < 16; r++) {
        if (t->host[r] == NO_REG && uses[r] && (!in || uses[r] > uses[swap->in])) {
            swap->in = r;
            in = true;
        }
        if (t->host[r] != NO_REG && !uses[r] && !out) {
            swap->out = r;
            out = true;
        }
    }
    return in && out;
}

void choose_registers(struct unit *t)
{
    unsigned uses[16] = {0};
    if (!goes_to_top(t))
        return;
    for (unsigned i = 0; i < t->count; i++) {
        if (!movable(decoded_step(t, i)))
            return;
        count_uses(uses, decoded_step(t, i));
    }
    for (struct swap s; t->swaps < ARRAY_SIZE(t->swap) && find_swap(t, uses, &s);) {
        t->swap[t->swaps++] = s;
        t->host[s.in] = t->host[s.out];
        t->host[s.out] = NO_REG;
    }
}

static void move_rsp(struct unit *t, int32_t distance)
{
    if (distance)
        emit_lea(t->e, host_of[RSP], (struct host_mem){host_of[RSP], NO_REG, 0, distance});
}

void go_home(struct unit *t)
{
    move_rsp(t, t->lag);
    for (unsigned i = 0; i < t->swaps; i++) {
        const int host = host_of[t->swap[i].out];
        emit_store(t->e, cpu_gpr(t->swap[i].in), host);
        emit_load(t->e, host, cpu_gpr(t->swap[i].out));
    }
}

void come_back(struct unit *t)
{
    move_rsp(t, -t->lag);
    for (unsigned i = 0; i < t->swaps; i++) {
        const int host = host_of[t->swap[i].out];
        emit_store(t->e, cpu_gpr(t->swap[i].out), host);
        emit_load(t->e, host, cpu_gpr(t->swap[i].in));
    }
}
