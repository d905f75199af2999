/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * information.c - the VM-exit instruction-information field (SDM 3, 28.2.5, tables 28-8 to 28-14): the operands of an
 * instruction that exits, so that a hypervisor need not fetch and decode it.
 *
 * Bits that all tables share: 1:0 scaling, 6:3 first register, 9:7 address size (16, 32, 64 bits), 10 register instead
 * of memory, 17:15 segment, 21:18 index, 22 no index, 26:23 base, 27 no base.
 */
#include "hwassist/vtx/processor.h"

#define INFO_REGISTER (1u << 10)
#define INFO_NO_INDEX (1u << 22)
#define INFO_NO_BASE  (1u << 27)

static uint32_t address_size(const struct insn *in)
{
    return (uint32_t)(in->addrsize == 8 ? 2 : in->addrsize == 4 ? 1 : 0) << 7;
}

uint32_t information_memory(const struct cpu *cpu, const struct insn *in)
{
    (void)cpu;
    if (!(in->flags & INSN_MEM))
        return INFO_REGISTER | (uint32_t)in->rm << 3;
    uint32_t info = address_size(in) | (uint32_t)in->seg << 15;
    info |= in->index < GPR_COUNT ? in->scale | (uint32_t)in->index << 18 : INFO_NO_INDEX;
    info |= in->base < GPR_COUNT ? (uint32_t)in->base << 23 : INFO_NO_BASE;
    return info;
}

uint32_t information_string(const struct cpu *cpu, const struct insn *in)
{
    (void)cpu;
    return address_size(in) | (uint32_t)in->seg << 15;
}
