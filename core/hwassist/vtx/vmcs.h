/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmcs.h - the virtual-machine control structure: its fields, and the region of memory that holds them (SDM 3,
 * chapter 25).
 *
 * A region is 4 KiB of (host-)physical memory. Only its first eight bytes are architectural: the revision identifier
 * and the abort indicator. What follows is each processor's own affair, which is why fields are reached by VMREAD and
 * VMWRITE only; here it is the launch state and one 64-bit slot for each row of vmcs.def.
 *
 * Reading order of core/hwassist/vtx: vmcs.def, vmcs.h, caps.h (what is offered), vmx.h (the instructions),
 *   instructions.c, entry.c with checks_*.c, intercepts.c (what exits), exits.c; then hypervisor/hypervisor.h.
 */
#ifndef VIRTLAB_VTX_VMCS_H
#define VIRTLAB_VTX_VMCS_H

#include <virtlab/types.h>

enum vmcs_field {
#define FIELD(encoding, name, width, kind, access) VMCS_##name = encoding,
#include "hwassist/vtx/vmcs.def"
#undef FIELD
};

/* ---- formats of fields, as both sides of the VMCS need them ---- */

/* EXIT_REASON: the basic reason, and that it was an entry that failed (table 25-18). */
#define EXIT_BASIC        UINT32_C(0x0000ffff)
#define EXIT_ENTRY_FAILED UINT32_C(0x80000000)

/* Interruption information, of entries and exits (tables 25-17, 25-19, 25-20). */
#define INTERRUPTION_VECTOR UINT32_C(0x000000ff)
#define INTERRUPTION_TYPE   UINT32_C(0x00000700)
#define INTERRUPTION_ERROR  UINT32_C(0x00000800)
#define INTERRUPTION_VALID  UINT32_C(0x80000000)
#define INTERRUPTION_OTHER  7u /* a type: pending monitor trap */

/* GUEST_INTERRUPTIBILITY and GUEST_ACTIVITY (table 25-3; 25.4.2). */
#define BLOCKING_STI    1u
#define BLOCKING_MOV_SS 2u
#define BLOCKING_SMI    4u
#define BLOCKING_NMI    8u
enum activity { ACTIVITY_ACTIVE, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, ACTIVITY_WAIT_SIPI };

/* ---- the region ---- */

/* Where each field's slot is in the region. */
enum vmcs_slot {
#define FIELD(encoding, name, width, kind, access) VMCS_SLOT_##name,
#include "hwassist/vtx/vmcs.def"
#undef FIELD
    VMCS_SLOTS
};

/* The parts of an encoding (SDM 3, table 25-21). */
enum vmcs_width { VMCS_16, VMCS_64, VMCS_32, VMCS_NATURAL };
enum vmcs_kind { VMCS_CONTROL, VMCS_EXIT_INFO, VMCS_GUEST, VMCS_HOST };
static inline enum vmcs_width vmcs_width(uint32_t encoding)
{
    return (enum vmcs_width)(encoding >> 13 & 3);
}
static inline enum vmcs_kind vmcs_kind(uint32_t encoding)
{
    return (enum vmcs_kind)(encoding >> 10 & 3);
}
#define VMCS_HIGH 1u /* in an encoding: the upper half of a 64-bit field */

enum launch_state { VMCS_CLEAR, VMCS_LAUNCHED };

struct vmcs {
    uint32_t revision; /* bit 31: a shadow VMCS, which this processor lacks */
    uint32_t abort;    /* VMX-abort indicator */
    uint32_t launch;   /* enum launch_state */
    uint32_t unused;
    uint64_t slot[VMCS_SLOTS];
};
#define VMCS_REVISION UINT32_C(0x564c0001) /* of this layout */
#define VMCS_SIZE     4096u                /* bytes of a region */
_Static_assert(sizeof(struct vmcs) <= VMCS_SIZE, "all fields fit the region");

/* The slot of an encoding (its upper half: that of the whole field), or -1: this processor has no such field. */
int vmcs_slot(uint32_t encoding);
/* Its name, for messages: "GUEST_RIP"; NULL when there is none. */
const char *vmcs_name(uint32_t encoding);
/* All encodings, in the order of vmcs.def: VMCS_SLOTS of them. */
extern const uint16_t vmcs_encoding[VMCS_SLOTS];

/* By slot, for the processor itself. vmcs_get(vmcs, GUEST_RIP); a write is cut to the field's width by the caller. */
#define vmcs_get(vmcs, name)        ((vmcs)->slot[VMCS_SLOT_##name])
#define vmcs_set(vmcs, name, value) ((void)((vmcs)->slot[VMCS_SLOT_##name] = (value)))

/* By encoding, as VMREAD and VMWRITE see it: halves of 64-bit fields, width. What doesn't exist reads as 0. */
uint64_t vmcs_read(const struct vmcs *vmcs, uint32_t encoding);
void vmcs_write(struct vmcs *vmcs, uint32_t encoding, uint64_t value);

#endif
