/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port.c - IN, OUT, INS and OUTS.
 *
 * OUT and OUTS are complete when they leave; IN and INS stay at their own RIP until the next run() brings the answer.
 * Nothing of it is executed by the library (ours.c).
 */
#include "emulate/unicorn/parts.h"

typedef unsigned long long ull;

/* Of an element: 1, 2 or 4 bytes; REX.W changes nothing (SDM 2, IN). */
static unsigned port_size(const ZydisDecodedInstruction *insn)
{
    if (!(insn->opcode & 1))
        return 1;
    return insn->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE ? 2 : 4;
}

static bool leave_for_port(struct engine *e, uint64_t port, unsigned size, uint32_t count, bool in)
{
    COUNT_TAKEN(e->host->stats, IO);
    e->exit->kind = VM_EXIT_IO;
    e->exit->io.port = (uint16_t)port;
    e->exit->io.size = (uint8_t)size;
    e->exit->io.in = in;
    e->exit->io.count = count;
    e->exit->io.data = e->io;
    return true;
}

/* Opcodes e4..e7 have the port as immediate, ec..ef in DX; bit 1 tells OUT from IN. */
bool port_io(struct engine *e, const ZydisDecodedInstruction *insn)
{
    bool in = insn->mnemonic == ZYDIS_MNEMONIC_IN;
    uint64_t port = insn->opcode & 8 ? reg_get(e, UC_X86_REG_RDX) : insn->raw.imm[0].value.u & 0xff;
    uint64_t rax = reg_get(e, UC_X86_REG_RAX);
    unsigned size = port_size(insn);

    if (in) {
        e->port_read = (struct port_read){.active = true, .count = 1, .size = size, .length = insn->length};
    } else {
        memcpy(e->io, &rax, size);
        retire(e, insn->length);
    }
    return leave_for_port(e, port, size, 1, in);
}

static uint64_t string_mask(const ZydisDecodedInstruction *insn)
{
    return insn->address_width == 32 ? UINT32_MAX : UINT64_MAX;
}

static bool is_rep(const ZydisDecodedInstruction *insn)
{
    return insn->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
}

/* Moves index and count register on; with the count at 0 the instruction is complete. */
static void string_advance(struct engine *e, const ZydisDecodedInstruction *insn, int index, uint32_t count,
                           unsigned size)
{
    uint64_t mask = string_mask(insn), left = 0, step = (uint64_t)count * size;

    if (reg_get(e, UC_X86_REG_RFLAGS) & FLAG_DF)
        step = -step;
    reg_put(e, index, (reg_get(e, index) + step) & mask);
    if (is_rep(insn)) {
        left = ((reg_get(e, UC_X86_REG_RCX) & mask) - count) & mask;
        reg_put(e, UC_X86_REG_RCX, left);
    }
    if (!left)
        retire(e, insn->length);
}

/* Where the bytes of OUTS are: FS and GS are the only segments with a base in 64-bit mode. */
static uint64_t outs_base(const struct engine *e, const ZydisDecodedInstruction *insn)
{
    if (insn->attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS)
        return reg_get(e, UC_X86_REG_FS_BASE);
    return insn->attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS ? reg_get(e, UC_X86_REG_GS_BASE) : 0;
}

/* INS and OUTS, with REP a burst at a time. Downwards (DF set) they go element by element. */
bool string_io(struct engine *e, const ZydisDecodedInstruction *insn, bool in)
{
    unsigned size = port_size(insn);
    uint64_t mask = string_mask(insn), count = is_rep(insn) ? reg_get(e, UC_X86_REG_RCX) & mask : 1;
    uint64_t at = reg_get(e, in ? UC_X86_REG_RDI : UC_X86_REG_RSI) & mask;
    uint8_t *memory;

    if (!count)
        return retire(e, insn->length);
    at += in ? 0 : outs_base(e, insn);
    if (count > VM_IO_MAX / size)
        count = VM_IO_MAX / size;
    if (reg_get(e, UC_X86_REG_RFLAGS) & FLAG_DF)
        count = 1;
    while (!(memory = ram_at(e->host->ram, gpa(at), count * size)) && count > 1)
        count /= 2;
    if (!memory) {
        leave_with_death(e, "INS or OUTS at rip %#llx with its buffer at %#llx, where there is no RAM", (ull)e->rip,
                         (ull)at);
        return true;
    }
    if (in) {
        e->port_read = (struct port_read){
            .active = true, .string = true, .count = (uint32_t)count, .size = size, .length = insn->length};
    } else {
        memcpy(e->io, memory, count * size);
        string_advance(e, insn, UC_X86_REG_RSI, (uint32_t)count, size);
    }
    return leave_for_port(e, reg_get(e, UC_X86_REG_RDX), size, (uint32_t)count, in);
}

void port_read_complete(struct engine *e)
{
    struct port_read read = e->port_read;
    uint64_t rax = reg_get(e, UC_X86_REG_RAX), at, bytes = (uint64_t)read.count * read.size;
    ZydisDecodedInstruction insn;
    uint8_t *memory;

    e->port_read.active = false;
    if (!read.string) {
        if (read.size == 4)
            rax = 0; /* a 32-bit result clears the upper half */
        memcpy(&rax, e->io, read.size);
        reg_put(e, UC_X86_REG_RAX, rax);
        retire(e, read.length);
        return;
    }
    if (!insn_at(e, e->rip, &insn))
        return; /* a device wrote over it: the next turn finds out */
    at = reg_get(e, UC_X86_REG_RDI) & string_mask(&insn);
    memory = ram_at(e->host->ram, gpa(at), bytes);
    if (!memory)
        return;
    memcpy(memory, e->io, bytes);
    translation_drop(e, at, at + bytes);
    string_advance(e, &insn, UC_X86_REG_RDI, read.count, read.size);
}
