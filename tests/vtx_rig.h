/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vtx_rig.h - a VT-x processor with a VMCS that enters, for the tests of hwassist/vtx (test_vtx_*.c).
 *
 * A test changes a field or two, gives the guest a few bytes of code, enters, and looks at the exit. Guest-physical 0
 * lies at host-physical RIG_GUEST, so that whoever forgets a translation is seen; guest-virtual addresses are
 * guest-physical ones, by pages of 4 KiB. Without EPT the guest's own tables lead to host-physical memory.
 */
#ifndef VIRTLAB_TESTS_VTX_RIG_H
#define VIRTLAB_TESTS_VTX_RIG_H

#include "hwassist/vtx/vmx.h"
#include "mmu/walk.h"
#include "vltest.h"

#define RIG_MEMORY (UINT64_C(16) << 20)
#define RIG_GUEST  (UINT64_C(4) << 20) /* host-physical */

/* Host-physical: regions and bitmaps; EPT tables, one page a level. */
#define RIG_VMXON      0x1000u
#define RIG_VMCS       0x2000u
#define RIG_MSR_BITMAP 0x3000u
#define RIG_IO_A       0x4000u
#define RIG_IO_B       0x5000u
#define RIG_MSRS       0x6000u
#define RIG_SPARE      0x7000u
#define RIG_EPT        0x10000u

/* Guest-physical. */
#define RIG_TABLES   0x1000u
#define RIG_GDT      0x6000u
#define RIG_IDT      0x7000u
#define RIG_TSS      0x8000u
#define RIG_CODE     0x10000u
#define RIG_HANDLERS 0x20000u /* 16 bytes a vector, each one HLT */
#define RIG_DATA     0x30000u
#define RIG_STACK    0x40000u

enum rig_mode { RIG_LONG, RIG_PROTECTED, RIG_REAL, RIG_V86 };

struct rig {
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    struct vmx *vmx;
    bool ept;
};

bool rig_open(struct rig *r);
void rig_close(struct rig *r);

/* A VMCS for a guest in this mode, cleared; `ept`: with EPT and unrestricted guest. The code is HLT. */
void rig_vmcs(struct rig *r, enum rig_mode mode, bool ept);
void rig_code_bytes(struct rig *r, const void *bytes, size_t count);
#define RIG_RUN(r, ...)                               \
    ({                                                \
        static const uint8_t code_[] = {__VA_ARGS__}; \
        rig_code_bytes((r), code_, sizeof(code_));    \
        rig_enter(r);                                 \
    })

uint64_t rig_rd(struct rig *r, uint32_t field);
void rig_wr(struct rig *r, uint32_t field, uint64_t value);
void rig_set(struct rig *r, uint32_t field, uint64_t bits);
void rig_clear(struct rig *r, uint32_t field, uint64_t bits);
uint64_t *rig_gpr(struct rig *r, unsigned gpr);
/* Guest-physical memory. */
void *rig_guest(struct rig *r, uint64_t at);
void *rig_host(struct rig *r, uint64_t at);
/* The EPT entry of this level (4: PML4E ... 1: PTE) for a guest-physical address of the first 2 MiB. */
uint64_t *rig_ept_entry(struct rig *r, unsigned level, uint64_t at);
uint64_t *rig_guest_entry(struct rig *r, unsigned level, uint64_t at);

/* VMLAUNCH, or VMRESUME behind an exit. The exit reason with its high bits; 0x10000 | error when the entry failed. */
#define RIG_FAILED 0x10000u
uint32_t rig_enter(struct rig *r);

#endif
