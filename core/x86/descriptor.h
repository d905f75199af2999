/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * descriptor.h - the eight bytes of a segment descriptor or gate, taken apart (SDM 3, 3.4.5 and 5.8.3).
 *
 * A descriptor is read as one 64-bit integer, `raw`. Its access rights are handed on in VT-x's form (cpu_state.h,
 * attr): the same bits, only shifted, so that nothing has to be translated anywhere.
 */
#ifndef VIRTLAB_X86_DESCRIPTOR_H
#define VIRTLAB_X86_DESCRIPTOR_H

#include <virtlab/cpu_state.h>

/* Selectors: index in bits 15:3, table indicator, requested privilege level. */
#define SELECTOR_RPL 0x0003u
#define SELECTOR_LDT 0x0004u

static inline bool selector_null(uint16_t selector)
{
    return (selector & ~SELECTOR_RPL) == 0;
}

/* Types of code and data segments (S = 1). */
#define TYPE_ACCESSED    0x1u
#define TYPE_WRITABLE    0x2u /* data */
#define TYPE_READABLE    0x2u /* code */
#define TYPE_EXPAND_DOWN 0x4u /* data */
#define TYPE_CONFORMING  0x4u /* code */
#define TYPE_CODE        0x8u

/* Types of system descriptors (S = 0); in long mode the 32-bit ones are the 64-bit ones. */
enum system_type {
    SYS_TSS16 = 1,
    SYS_LDT = 2,
    SYS_TSS16_BUSY = 3,
    SYS_CALL_GATE16 = 4,
    SYS_TASK_GATE = 5,
    SYS_INT_GATE16 = 6,
    SYS_TRAP_GATE16 = 7,
    SYS_TSS32 = 9,
    SYS_TSS32_BUSY = 11,
    SYS_CALL_GATE32 = 12,
    SYS_INT_GATE32 = 14,
    SYS_TRAP_GATE32 = 15,
};
#define SYS_TSS_BUSY 0x2u /* the bit in which busy and available TSS types differ */
#define SYS_32BIT    0x8u /* the bit in which 16- and 32-bit types differ */

static inline uint32_t desc_attr(uint64_t raw)
{
    return (uint32_t)(raw >> 40) & 0xf0ff;
}
static inline unsigned desc_type(uint64_t raw)
{
    return (raw >> 40) & 0xf;
}
static inline unsigned desc_dpl(uint64_t raw)
{
    return (raw >> 45) & 3;
}
static inline bool desc_present(uint64_t raw)
{
    return desc_attr(raw) & ATTR_P;
}
static inline uint64_t desc_base(uint64_t raw)
{
    return (raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000);
}
static inline uint32_t desc_limit(uint64_t raw)
{
    uint32_t limit = (uint32_t)((raw & 0xffff) | (raw >> 32 & 0xf0000));
    return desc_attr(raw) & ATTR_G ? limit << 12 | 0xfff : limit;
}

static inline bool desc_is_code(uint64_t raw)
{
    return (desc_attr(raw) & (ATTR_S | TYPE_CODE)) == (ATTR_S | TYPE_CODE);
}
static inline bool desc_is_conforming(uint64_t raw)
{
    return desc_is_code(raw) && (desc_type(raw) & TYPE_CONFORMING);
}
static inline bool desc_is_writable_data(uint64_t raw)
{
    return (desc_attr(raw) & (ATTR_S | TYPE_CODE | TYPE_WRITABLE)) == (ATTR_S | TYPE_WRITABLE);
}
/* Data, or code that may be read. */
static inline bool desc_is_readable(uint64_t raw)
{
    return (desc_attr(raw) & ATTR_S) && (!(desc_type(raw) & TYPE_CODE) || (desc_type(raw) & TYPE_READABLE));
}
static inline bool desc_is_system(uint64_t raw, enum system_type type)
{
    return !(desc_attr(raw) & ATTR_S) && desc_type(raw) == type;
}

/* Gates: where they lead. A 64-bit gate has the offset's upper half in the second eight bytes. */
static inline uint16_t gate_selector(uint64_t raw)
{
    return (uint16_t)(raw >> 16);
}
static inline uint32_t gate_offset(uint64_t raw)
{
    return (uint32_t)((raw & 0xffff) | (raw >> 32 & 0xffff0000));
}

/* A segment register as a descriptor makes it. */
static inline struct segment_reg segment_of(uint16_t selector, uint64_t raw)
{
    return (struct segment_reg){
        .selector = selector, .base = desc_base(raw), .limit = desc_limit(raw), .attr = desc_attr(raw)};
}

/* A segment register that holds a null selector. The DPL is kept for SS: VT-x reads the CPL from there. */
static inline struct segment_reg segment_null(uint16_t selector, unsigned dpl)
{
    return (struct segment_reg){.selector = selector, .attr = ATTR_UNUSABLE | dpl << 5};
}

#endif
