/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io.c - IN, OUT, INS, OUTS: the instructions that always leave the CPU for the machine.
 *
 * An OUT is complete when run() returns. An IN leaves unfinished; the next run() begins it anew with the answer in
 * cpu->io_data (cpu->latch.port_valid). REP INS and OUTS leave once for a burst within a page, as KVM's do.
 */
#include "x86/operands.h"
#include "x86/protect.h"
#include "x86/string.h"

/* With CPL > IOPL the TSS' bitmap decides (SDM 1, 19.5.2). */
static bool bitmap_permits(struct cpu *cpu, const struct insn *in, unsigned port, unsigned size)
{
    const struct segment_reg *tr = &cpu->seg[SEG_TR];
    if ((tr->attr & ATTR_UNUSABLE) || !(tr->attr & 8) || tr->limit < 0x67)
        return false;
    uint64_t map = sys_load(cpu, in, tr->base + 0x66, 2) + port / 8;
    if (map + 1 > tr->limit)
        return false;
    uint64_t bits = sys_load(cpu, in, tr->base + map, 2) >> (port & 7);
    return !(bits & ((1u << size) - 1));
}

/* `how` is of enum io_qualification, for who intercepts ports. */
static void check_port(struct cpu *cpu, const struct insn *in, unsigned port, unsigned size, unsigned how)
{
    bool restricted = cpu_protected(cpu) && (cpu_v86(cpu) || cpu->cpl > cpu_iopl(cpu));
    if (restricted && !bitmap_permits(cpu, in, port, size))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    cpu_intercept(cpu, in, EXIT_INDEX_IO, io_qualification(port, size, how));
}

static unsigned immediate(const struct insn *in)
{
    return in->op ? IO_IMMEDIATE : 0;
}
static unsigned repeated(const struct insn *in)
{
    return string_repeats(in) ? IO_REP : 0;
}

static void fill_exit(struct cpu *cpu, unsigned port, unsigned size, bool input, uint64_t count)
{
    cpu->exit->kind = VM_EXIT_IO;
    cpu->exit->io.port = (uint16_t)port;
    cpu->exit->io.size = (uint8_t)size;
    cpu->exit->io.in = input;
    cpu->exit->io.count = (uint32_t)count;
    cpu->exit->io.data = cpu->io_data;
    COUNT_TAKEN(cpu->stats, IO);
}

static unsigned port_of(const struct cpu *cpu, const struct insn *in)
{
    return in->op ? (uint8_t)in->imm : (uint16_t)cpu->gpr[RDX];
}

/* ---- IN, OUT ---- */

static const struct insn *op_in(struct cpu *cpu, const struct insn *in)
{
    if (!cpu->latch.port_valid) {
        unsigned port = port_of(cpu, in);
        check_port(cpu, in, port, in->opsize, IO_IN | immediate(in));
        fill_exit(cpu, port, in->opsize, true, 1);
        cpu_unwind(cpu, in, UNWIND_EXIT);
    }
    uint64_t value = 0;
    memcpy(&value, cpu->io_data, in->opsize);
    cpu->latch.port_valid = false;
    reg_write(cpu, in->opsize == 1 ? RAX * 8 : RAX, in->opsize, value);
    return in + 1;
}

static const struct insn *op_out(struct cpu *cpu, const struct insn *in)
{
    unsigned port = port_of(cpu, in);
    check_port(cpu, in, port, in->opsize, immediate(in));
    memcpy(cpu->io_data, &cpu->gpr[RAX], in->opsize);
    fill_exit(cpu, port, in->opsize, false, 1);
    cpu->exit_ready = true;
    return end_block(cpu, cpu_next_rip(cpu, in));
}

static bool select_in(const struct decoded *d, struct insn *in)
{
    in->op = is_imm(d, 1);
    in->fn = op_in;
    return true;
}

static bool select_out(const struct decoded *d, struct insn *in)
{
    in->op = is_imm(d, 0);
    in->opsize = (uint8_t)operand_bytes(d, 1);
    in->fn = op_out;
    in->flags |= INSN_LAST;
    return true;
}

/* ---- INS, OUTS ---- */

/* Behind a burst: on to the next one, which begins the instruction anew, or behind the instruction. */
static const struct insn *burst_done(struct cpu *cpu, const struct insn *in, unsigned index, uint64_t count)
{
    string_advance(cpu, in, index, count);
    if (!string_repeats(in))
        return end_block(cpu, cpu_next_rip(cpu, in));
    string_count_down(cpu, in, count);
    return string_count(cpu, in) ? cpu_stop_at(cpu, in) : end_block(cpu, cpu_next_rip(cpu, in));
}

static const struct insn *op_ins(struct cpu *cpu, const struct insn *in)
{
    if (string_repeats(in) && !string_count(cpu, in))
        return end_block(cpu, cpu_next_rip(cpu, in));
    unsigned size = in->opsize, port = (uint16_t)cpu->gpr[RDX];
    uint64_t at = string_address(cpu, in, SEG_ES, RDI, ACCESS_WRITE);
    uint64_t count = string_burst(cpu, in, at, VM_IO_MAX / size);
    if (!cpu->latch.port_valid) {
        check_port(cpu, in, port, size, IO_IN | IO_STRING | repeated(in));
        mem_probe_write(cpu, in, at, (unsigned)count * size); /* a fault must come before the device is asked */
        fill_exit(cpu, port, size, true, count);
        cpu_unwind(cpu, in, UNWIND_EXIT);
    }
    uint8_t *direct = string_direct(cpu, at, true);
    if (direct && count > 1) {
        memcpy(direct, cpu->io_data, count * size);
    } else {
        for (uint64_t i = 0; i < count; i++) {
            uint64_t value = 0;
            memcpy(&value, cpu->io_data + i * size, size);
            mem_store(cpu, in, at + i * size, size, value);
        }
    }
    cpu->latch.port_valid = false;
    return burst_done(cpu, in, RDI, count);
}

static const struct insn *op_outs(struct cpu *cpu, const struct insn *in)
{
    if (string_repeats(in) && !string_count(cpu, in))
        return end_block(cpu, cpu_next_rip(cpu, in));
    unsigned size = in->opsize, port = (uint16_t)cpu->gpr[RDX];
    check_port(cpu, in, port, size, IO_STRING | repeated(in));
    uint64_t at = string_address(cpu, in, in->seg, RSI, ACCESS_READ);
    uint64_t count = string_burst(cpu, in, at, VM_IO_MAX / size);
    const uint8_t *direct = string_direct(cpu, at, false);
    if (direct && count > 1) {
        memcpy(cpu->io_data, direct, count * size);
    } else {
        for (uint64_t i = 0; i < count; i++) {
            uint64_t value = mem_load(cpu, in, at + i * size, size);
            memcpy(cpu->io_data + i * size, &value, size);
        }
    }
    fill_exit(cpu, port, size, false, count);
    cpu->exit_ready = true;
    return burst_done(cpu, in, RSI, count);
}

static bool select_io_string(const struct decoded *d, struct insn *in)
{
    in->opsize = (uint8_t)(d->arg & 7);
    in->fn = d->arg & 8 ? op_outs : op_ins;
    in->flags |= INSN_LAST;
    string_segment(d, in);
    return true;
}

const struct family_row family_io[] = {
    {ZYDIS_MNEMONIC_IN, select_in, 0},
    {ZYDIS_MNEMONIC_OUT, select_out, 0},
    {ZYDIS_MNEMONIC_INSB, select_io_string, 1},
    {ZYDIS_MNEMONIC_INSW, select_io_string, 2},
    {ZYDIS_MNEMONIC_INSD, select_io_string, 4},
    {ZYDIS_MNEMONIC_OUTSB, select_io_string, 8 | 1},
    {ZYDIS_MNEMONIC_OUTSW, select_io_string, 8 | 2},
    {ZYDIS_MNEMONIC_OUTSD, select_io_string, 8 | 4},
    {0, NULL, 0},
};
