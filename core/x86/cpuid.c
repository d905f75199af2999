/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid.c - CPUID: what this CPU says that it is (SDM 2, CPUID).
 *
 * It lists exactly what is implemented. The vendor is GenuineIntel, since where makers differ this CPU does as Intel's
 * manual says, and since a C library that does not know the vendor asks for no cache sizes and may then choose a
 * memcpy() for caches of zero bytes (glibc 2.34 to 2.36 read beyond the buffers then). That it is a virtual CPU stands
 * where guests look for it: the hypervisor bit and leaf 0x40000000.
 */
#include "x86/cpuid.h"
#include "x86/protect.h"

#define BIT(n) (UINT32_C(1) << (n))

enum feature_1_ecx {
    SSE3 = BIT(0),
    SSSE3 = BIT(9),
    CX16 = BIT(13),
    SSE4_1 = BIT(19),
    SSE4_2 = BIT(20),
    POPCNT = BIT(23),
};
#define HYPERVISOR BIT(31)

enum feature_1_edx {
    FPU = BIT(0),
    PSE = BIT(3),
    TSC = BIT(4),
    MSR = BIT(5),
    PAE = BIT(6),
    CX8 = BIT(8),
    APIC = BIT(9),
    SEP = BIT(11),
    PGE = BIT(13),
    CMOV = BIT(15),
    PAT = BIT(16),
    PSE36 = BIT(17),
    CLFSH = BIT(19),
    MMX = BIT(23),
    FXSR = BIT(24),
    SSE = BIT(25),
    SSE2 = BIT(26),
};

enum feature_7 {
    FSGSBASE = BIT(0), /* EBX */
    SMEP = BIT(7),
    ERMS = BIT(9),
    SMAP = BIT(20),
    UMIP = BIT(2),               /* ECX */
    ARCH_CAPABILITIES = BIT(29), /* EDX */
};

enum feature_extended {
    LAHF64 = BIT(0), /* ECX */
    SYSCALL = BIT(11),
    NX = BIT(20),
    PAGE1GB = BIT(26),
    RDTSCP = BIT(27),
    LM = BIT(29),
};
#define INVARIANT_TSC BIT(8)

#define LAST_BASIC      0x15u
#define LAST_EXTENDED   0x80000008u
#define HYPERVISOR_LEAF 0x40000000u
#define TIMING_LEAF     0x40000010u

#define LAPIC_TIMER_HZ 1000000000u /* the crystal: what the local APIC's timer counts (io/lapic.h) */
#define CACHE_LINE     64u

static const char vendor[] = "GenuineIntel", hypervisor[] = "VirtlabVirtl";
static const char brand[48] = "Virtlab software CPU";

static uint32_t word(const char *text, unsigned index)
{
    uint32_t value;
    memcpy(&value, text + 4 * index, sizeof(value));
    return value;
}

static struct cpuid_leaf features(bool apic)
{
    struct cpuid_leaf leaf = {
        .eax = CPU_SIGNATURE,
        .ebx = 1 << 16 | CACHE_LINE / 8 << 8, /* APIC ID 0, one logical CPU, CLFLUSH line size */
        .ecx = SSE3 | SSSE3 | CX16 | SSE4_1 | SSE4_2 | POPCNT | HYPERVISOR,
        .edx =
            FPU | PSE | TSC | MSR | PAE | CX8 | APIC | SEP | PGE | CMOV | PAT | PSE36 | CLFSH | MMX | FXSR | SSE | SSE2,
    };
    if (!apic)
        leaf.edx &= ~(uint32_t)APIC;
    return leaf;
}

/* Leaf 4: a set-associative cache; guests tune copies by these sizes, which are those of a common host. */
static struct cpuid_leaf cache(unsigned type, unsigned level, unsigned kib, unsigned ways)
{
    return (struct cpuid_leaf){.eax = type | level << 5 | 1 << 8,
                               .ebx = (CACHE_LINE - 1) | (ways - 1) << 22,
                               .ecx = kib * 1024 / (CACHE_LINE * ways) - 1};
}

static struct cpuid_leaf caches(uint32_t index)
{
    enum { DATA = 1, CODE = 2, UNIFIED = 3 };
    switch (index) {
    case 0: return cache(DATA, 1, 32, 8);
    case 1: return cache(CODE, 1, 32, 8);
    case 2: return cache(UNIFIED, 2, 512, 8);
    case 3: return cache(UNIFIED, 3, 8192, 16);
    default: return (struct cpuid_leaf){0};
    }
}

/*
 * Leaf 0x15: TSC / crystal as a fraction. Guests multiply the crystal's kHz by the numerator in 32 bits, so it must
 * stay small: the last convergent of the continued fraction that does is right to better than one part in a million.
 */
static struct cpuid_leaf tsc_ratio(uint64_t tsc_hz)
{
    const uint64_t largest = UINT32_MAX / (LAPIC_TIMER_HZ / 1000);
    uint64_t numerator = 1, denominator = 0, last_numerator = 0, last_denominator = 1;
    for (uint64_t a = tsc_hz, b = LAPIC_TIMER_HZ; b;) {
        uint64_t n = a / b * numerator + last_numerator, d = a / b * denominator + last_denominator, rest = a % b;
        if (n > largest)
            break;
        last_numerator = numerator, last_denominator = denominator;
        numerator = n, denominator = d;
        a = b, b = rest;
    }
    return (struct cpuid_leaf){.eax = (uint32_t)denominator, .ebx = (uint32_t)numerator, .ecx = LAPIC_TIMER_HZ};
}

static struct cpuid_leaf basic(struct cpuid_query q)
{
    switch (q.leaf <= LAST_BASIC ? q.leaf : LAST_BASIC) { /* beyond: the last basic leaf, as Intel's */
    case 0: return (struct cpuid_leaf){LAST_BASIC, word(vendor, 0), word(vendor, 2), word(vendor, 1)};
    case 1: return features(q.apic);
    case 2: return (struct cpuid_leaf){.eax = 0x00ff0001}; /* descriptor 0xff: caches are told by leaf 4 */
    case 4: return caches(q.subleaf);
    case 7:
        if (q.subleaf)
            break;
        return (struct cpuid_leaf){
            .ebx = FSGSBASE | SMEP | ERMS | SMAP, .ecx = UMIP, .edx = (uint32_t)ARCH_CAPABILITIES};
    case 0x15: return tsc_ratio(q.tsc_hz);
    }
    return (struct cpuid_leaf){0};
}

static struct cpuid_leaf extended(uint32_t number)
{
    switch (number) {
    case 0x80000000: return (struct cpuid_leaf){.eax = LAST_EXTENDED};
    case 0x80000001: return (struct cpuid_leaf){.ecx = LAHF64, .edx = SYSCALL | NX | PAGE1GB | RDTSCP | LM};
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: {
        unsigned first = (number - 0x80000002) * 4;
        return (struct cpuid_leaf){word(brand, first), word(brand, first + 1), word(brand, first + 2),
                                   word(brand, first + 3)};
    }
    case 0x80000006: return (struct cpuid_leaf){.ecx = 512u << 16 | 6u << 12 | CACHE_LINE}; /* L2: KiB, 8-way */
    case 0x80000007: return (struct cpuid_leaf){.edx = INVARIANT_TSC};
    case 0x80000008: return (struct cpuid_leaf){.eax = 48 << 8 | CPU_PHYSICAL_BITS};
    default: return (struct cpuid_leaf){0};
    }
}

static struct cpuid_leaf virtual(struct cpuid_query q)
{
    switch (q.leaf) {
    case HYPERVISOR_LEAF:
        return (struct cpuid_leaf){TIMING_LEAF, word(hypervisor, 0), word(hypervisor, 1), word(hypervisor, 2)};
    case TIMING_LEAF: /* frequencies in kHz, as VMware defined it */
        return (struct cpuid_leaf){.eax = (uint32_t)(q.tsc_hz / 1000), .ebx = LAPIC_TIMER_HZ / 1000};
    default: return (struct cpuid_leaf){0};
    }
}

struct cpuid_leaf machine_cpuid(struct cpuid_query q)
{
    if (q.leaf >= HYPERVISOR_LEAF && q.leaf <= TIMING_LEAF)
        return virtual(q);
    if (q.leaf >= 0x80000000 && q.leaf <= LAST_EXTENDED)
        return extended(q.leaf);
    return basic(q);
}

static const uint32_t leaves[] = {
    0,          1,          2,          4,          7,          0x15,       HYPERVISOR_LEAF, TIMING_LEAF,
    0x80000000, 0x80000001, 0x80000002, 0x80000003, 0x80000004, 0x80000006, 0x80000007,      0x80000008,
};

unsigned machine_cpuid_leaves(const uint32_t **leaf)
{
    *leaf = leaves;
    return ARRAY_SIZE(leaves);
}

const struct insn *op_cpuid(struct cpu *cpu, const struct insn *in)
{
    cpu_sensitive(cpu, in, EXIT_INDEX_CPUID, 0);
    struct cpuid_leaf leaf = machine_cpuid((struct cpuid_query){.leaf = (uint32_t)cpu->gpr[RAX],
                                                                .subleaf = (uint32_t)cpu->gpr[RCX],
                                                                .tsc_hz = cpu->host->tsc_hz,
                                                                .apic = cpu->apic_base & APIC_BASE_ENABLE});
    cpu->gpr[RAX] = leaf.eax;
    cpu->gpr[RBX] = leaf.ebx;
    cpu->gpr[RCX] = leaf.ecx;
    cpu->gpr[RDX] = leaf.edx;
    return in + 1;
}
