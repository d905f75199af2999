/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcs.c - from a field's encoding to its slot in the region; see vmcs.h. */
#include "hwassist/vtx/vmcs.h"

const uint16_t vmcs_encoding[VMCS_SLOTS] = {
#define FIELD(encoding, name, width, kind, access) encoding,
#include "hwassist/vtx/vmcs.def"
#undef FIELD
};

static const char *const names[VMCS_SLOTS] = {
#define FIELD(encoding, name, width, kind, access) #name,
#include "hwassist/vtx/vmcs.def"
#undef FIELD
};

/* Width, kind and the five low bits of the index tell all fields apart: nine bits. */
#define KEY(encoding) (((encoding) >> 1 & 0x1f) | ((encoding) >> 10 & 3) << 5 | ((encoding) >> 13 & 3) << 7)
#define BITS_USED     UINT32_C(0x6c3f) /* width, kind, index up to 31, high */

static const uint8_t slot_after[512] = {
#define FIELD(encoding, name, width, kind, access) [KEY(encoding)] = VMCS_SLOT_##name + 1,
#include "hwassist/vtx/vmcs.def"
#undef FIELD
};
_Static_assert(VMCS_SLOTS < 255, "slots fit a byte");

int vmcs_slot(uint32_t encoding)
{
    bool high = encoding & VMCS_HIGH;
    if ((encoding & ~BITS_USED) || (high && vmcs_width(encoding) != VMCS_64))
        return -1;
    return slot_after[KEY(encoding)] - 1;
}

const char *vmcs_name(uint32_t encoding)
{
    int slot = vmcs_slot(encoding);
    return slot < 0 ? NULL : names[slot];
}

uint64_t vmcs_read(const struct vmcs *vmcs, uint32_t encoding)
{
    int slot = vmcs_slot(encoding);
    uint64_t value = slot < 0 ? 0 : vmcs->slot[slot];
    return encoding & VMCS_HIGH ? value >> 32 : value;
}

void vmcs_write(struct vmcs *vmcs, uint32_t encoding, uint64_t value)
{
    int index = vmcs_slot(encoding);
    if (index < 0)
        return;
    uint64_t *slot = &vmcs->slot[index];
    if (encoding & VMCS_HIGH) {
        *slot = (uint32_t)*slot | value << 32;
        return;
    }
    switch (vmcs_width(encoding)) {
    case VMCS_16: *slot = (uint16_t)value; break;
    case VMCS_32: *slot = (uint32_t)value; break;
    default: *slot = value; break;
    }
}
