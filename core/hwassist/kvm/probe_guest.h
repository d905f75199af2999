/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_guest.h - the guest that probe.c runs: a handful of snippets that each do one thing a faithful CPU must do.
 *
 * The code (probe_guest.c) is position independent and is copied to PROBE_CODE. Each snippet ends with HLT, and
 * leaves what it saw in RBX and RCX.
 */
#ifndef VIRTLAB_HWASSIST_KVM_PROBE_GUEST_H
#define VIRTLAB_HWASSIST_KVM_PROBE_GUEST_H

#include <stdint.h>

#define PROBE_CODE  0x1000u
#define PROBE_LOOPS 20000 /* turns of the loops whose time is taken */

extern const uint8_t probe_guest_start[], probe_guest_end[];
extern const uint8_t probe_syscall[], probe_syscall_entry[], probe_fault[], probe_fault_handler[], probe_wait[],
    probe_interrupt_handler[], probe_paging32[], probe_loop[], probe_user_loop[];

/* Where a snippet stands in the guest. */
static inline uint64_t probe_address(const uint8_t *snippet)
{
    return PROBE_CODE + (uint64_t)(snippet - probe_guest_start);
}

#endif
