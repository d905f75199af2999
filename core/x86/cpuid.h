/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid.h - what our machine's CPU says that it is; the same under every engine that can make a guest believe it.
 *
 * The software CPU answers CPUID from here (cpuid.c), and hwassist/kvm gives KVM the same leaves.
 */
#ifndef VIRTLAB_X86_CPUID_H
#define VIRTLAB_X86_CPUID_H

#include <virtlab/types.h>

#define APIC_BASE_ENABLE 0x800u /* in IA32_APIC_BASE: the local APIC is switched on (SDM 3, 11.4.4) */

struct cpuid_leaf {
    uint32_t eax, ebx, ecx, edx;
};

struct cpuid_query {
    uint32_t leaf, subleaf; /* EAX and ECX */
    uint64_t tsc_hz;        /* of the guest's time-stamp counter */
    bool apic;              /* the local APIC is switched on */
};

/* Any query has an answer, as on a CPU. */
struct cpuid_leaf machine_cpuid(struct cpuid_query query);

/* The leaves that hold something; their number. Of leaf 4 and 7 there are subleaves. */
unsigned machine_cpuid_leaves(const uint32_t **leaf);

#endif
