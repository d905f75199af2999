/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * descriptor.c - the descriptor tables in guest memory: finding, reading, marking (SDM 3, 3.5).
 *
 * Read next: segment.c, the simplest user.
 */
#include "x86/protect.h"

void selector_fault(struct cpu *cpu, const struct insn *in, uint8_t vector, uint16_t selector, uint32_t ext)
{
    cpu_raise_error(cpu, in, vector, (selector & ~SELECTOR_RPL) | ext);
}

bool descriptor_find(const struct cpu *cpu, uint16_t selector, unsigned size, uint64_t *at)
{
    uint64_t base = cpu->gdtr.base, limit = cpu->gdtr.limit;
    if (selector_null(selector))
        return false;
    if (selector & SELECTOR_LDT) {
        const struct segment_reg *ldtr = &cpu->seg[SEG_LDTR];
        if (ldtr->attr & ATTR_UNUSABLE)
            return false;
        base = ldtr->base, limit = ldtr->limit;
    }
    uint64_t offset = selector & ~(SELECTOR_RPL | SELECTOR_LDT);
    *at = base + offset;
    return offset + size - 1 <= limit;
}

uint64_t descriptor_load(struct cpu *cpu, const struct insn *in, uint16_t selector, uint8_t vector, uint32_t ext)
{
    uint64_t at;
    if (!descriptor_find(cpu, selector, 8, &at))
        selector_fault(cpu, in, vector, selector, ext);
    return sys_load(cpu, in, at, 8);
}

uint64_t descriptor_load_high(struct cpu *cpu, const struct insn *in, uint16_t selector, uint32_t ext)
{
    uint64_t at;
    if (!descriptor_find(cpu, selector, 16, &at))
        selector_fault(cpu, in, VEC_GP, selector, ext);
    return sys_load(cpu, in, at + 8, 8);
}

void descriptor_set_type(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t raw, unsigned type)
{
    uint64_t at;
    if (descriptor_find(cpu, selector, 8, &at))
        sys_store(cpu, in, at + 5, 1, (uint8_t)((raw >> 40 & ~UINT64_C(0xf)) | type));
}

struct segment_reg segment_from(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t raw)
{
    if (!(desc_type(raw) & TYPE_ACCESSED)) {
        descriptor_set_type(cpu, in, selector, raw, desc_type(raw) | TYPE_ACCESSED);
        raw |= (uint64_t)TYPE_ACCESSED << 40;
    }
    return segment_of(selector, raw);
}
