/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid.c - CPUID: the library executes it, and its answer is amended.
 *
 * What the library's CPU offers is for the library to say. Changed is what our machine adds: that a hypervisor is
 * there, and how fast the TSC is, so that guests needn't measure it. (SDM 2, CPUID; the leaves of hypervisors are by
 * common use.)
 */
#include "emulate/unicorn/parts.h"

#define CPUID_FEATURES   1
#define HYPERVISOR_BIT   UINT32_C(0x80000000) /* in ECX of leaf 1 */
#define CPUID_TSC        0x15
#define CPUID_HYPERVISOR UINT32_C(0x40000000)
#define CPUID_TIMING     UINT32_C(0x40000010)
#define MHZ              1000000u
#define CRYSTAL_HZ       1000000000u /* what the local APIC's timer counts (io/lapic.h) */

struct leaf {
    uint32_t eax, ebx, ecx, edx;
};

static struct leaf get_leaf(const struct engine *e)
{
    return (struct leaf){(uint32_t)reg_get(e, UC_X86_REG_RAX), (uint32_t)reg_get(e, UC_X86_REG_RBX),
                         (uint32_t)reg_get(e, UC_X86_REG_RCX), (uint32_t)reg_get(e, UC_X86_REG_RDX)};
}

static void put_leaf(struct engine *e, struct leaf leaf)
{
    reg_put(e, UC_X86_REG_RAX, leaf.eax);
    reg_put(e, UC_X86_REG_RBX, leaf.ebx);
    reg_put(e, UC_X86_REG_RCX, leaf.ecx);
    reg_put(e, UC_X86_REG_RDX, leaf.edx);
}

/* Leaf 0x15: TSC / crystal in lowest terms, where it is one of whole MHz; else all zero: not enumerated. */
static struct leaf tsc_ratio(uint64_t tsc_hz)
{
    uint32_t numerator = (uint32_t)(tsc_hz / MHZ), denominator = CRYSTAL_HZ / MHZ, a = numerator, b = denominator;

    if (!numerator || tsc_hz % MHZ)
        return (struct leaf){0};
    while (b) { /* Euclid */
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return (struct leaf){.eax = denominator / a, .ebx = numerator / a, .ecx = CRYSTAL_HZ};
}

static struct leaf amended(const struct engine *e, uint32_t number, struct leaf leaf)
{
    static const char vendor[12] = "VirtlabVirtl";

    switch (number) {
    case 0: leaf.eax = leaf.eax > CPUID_TSC ? leaf.eax : CPUID_TSC; return leaf;
    case CPUID_FEATURES: leaf.ecx |= HYPERVISOR_BIT; return leaf;
    case CPUID_TSC: return tsc_ratio(e->host->tsc_hz);
    case CPUID_HYPERVISOR:
        leaf.eax = CPUID_TIMING;
        memcpy(&leaf.ebx, vendor, sizeof(vendor)); /* EBX, ECX, EDX */
        return leaf;
    case CPUID_TIMING:
        return (struct leaf){.eax = (uint32_t)(e->host->tsc_hz / 1000), .ebx = CRYSTAL_HZ / 1000}; /* in kHz */
    default: return number > CPUID_HYPERVISOR && number < CPUID_TIMING ? (struct leaf){0} : leaf;
    }
}

bool cpuid(struct engine *e, const ZydisDecodedInstruction *insn)
{
    uint32_t number = (uint32_t)reg_get(e, UC_X86_REG_RAX);
    uint64_t behind = e->rip + insn->length;
    uc_err err = run_one(e, insn->length);

    COUNT_AVOIDED(e->host->stats, CPUID);
    if (err || e->rip != behind) {
        leave_with_death(e, "CPUID failed in the Unicorn library: %s", uc_strerror(err));
        return true;
    }
    e->retired++;
    put_leaf(e, amended(e, number, get_leaf(e)));
    return false;
}
