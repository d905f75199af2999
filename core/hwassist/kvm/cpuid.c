/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid.c - which CPU the guest sees.
 *
 * Our machine's (core/x86/cpuid.h), so that a guest finds the same CPU under every engine, less what this host can't
 * give; or, as an option, the host's own, as far as KVM passes it on.
 *
 * Read next: state.c.
 */
#include "x86/cpuid.h"
#include "hwassist/kvm/kvm.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define ENTRIES_MAX 256
#define HYPERVISOR  (UINT32_C(1) << 31) /* leaf 1, ECX: not the host's to give */

/* Features of the host that need KVM's own interrupt controllers, which we don't use: leaf 1's ECX. */
#define X2APIC       (UINT32_C(1) << 21)
#define TSC_DEADLINE (UINT32_C(1) << 24)

struct cpuid_table {
    uint32_t count, padding;
    struct kvm_cpuid_entry2 entry[ENTRIES_MAX];
};
_Static_assert(offsetof(struct cpuid_table, entry) == sizeof(struct kvm_cpuid2), "struct kvm_cpuid2 with its entries");

static const struct kvm_cpuid_entry2 *find(const struct cpuid_table *table, uint32_t leaf)
{
    for (unsigned i = 0; i < table->count; i++)
        if (table->entry[i].function == leaf && table->entry[i].index == 0)
            return &table->entry[i];
    return NULL;
}

static void keep(uint32_t *promised, uint32_t offered)
{
    *promised &= offered;
}

/* Feature words: only what the host has. Words that are numbers, not features, stay. */
static void reduce(struct kvm_cpuid_entry2 *e, const struct cpuid_table *host)
{
    const struct kvm_cpuid_entry2 *h = find(host, e->function);

    if (e->function == 1 && h) {
        keep(&e->ecx, h->ecx | HYPERVISOR);
        keep(&e->edx, h->edx);
    } else if (e->function == 7) {
        keep(&e->ebx, h ? h->ebx : 0);
        keep(&e->ecx, h ? h->ecx : 0);
        keep(&e->edx, h ? h->edx : 0);
    } else if (e->function == 0x80000001 && h) {
        keep(&e->ecx, h->ecx);
        keep(&e->edx, h->edx);
    }
}

static void add(struct cpuid_table *table, struct cpuid_query q, const struct cpuid_table *host)
{
    struct cpuid_leaf leaf = machine_cpuid(q);
    struct kvm_cpuid_entry2 *e = &table->entry[table->count++];

    *e = (struct kvm_cpuid_entry2){.function = q.leaf,
                                   .index = q.subleaf,
                                   .flags = q.leaf == 4 || q.leaf == 7 ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
                                   .eax = leaf.eax,
                                   .ebx = leaf.ebx,
                                   .ecx = leaf.ecx,
                                   .edx = leaf.edx};
    reduce(e, host);
}

static void our_machine(struct cpuid_table *table, const struct cpuid_table *host, uint64_t tsc_hz)
{
    const uint32_t *leaf;
    unsigned count = machine_cpuid_leaves(&leaf);

    table->count = 0;
    for (unsigned i = 0; i < count; i++)
        for (uint32_t sub = 0; sub < (leaf[i] == 4 ? 5 : 1); sub++)
            add(table, (struct cpuid_query){leaf[i], sub, tsc_hz, true}, host);
}

static void host_machine(struct cpuid_table *table)
{
    for (unsigned i = 0; i < table->count; i++)
        if (table->entry[i].function == 1)
            table->entry[i].ecx = (table->entry[i].ecx & ~(X2APIC | TSC_DEADLINE)) | HYPERVISOR;
}

int kvm_set_cpuid(struct engine *e, struct reason *why)
{
    struct cpuid_table *host = calloc(2, sizeof(*host)), *ours = host + 1;
    int err = 0;

    if (!host)
        return fail(why, ENOMEM, "hwassist/kvm: not enough memory");
    host->count = ENTRIES_MAX;
    if (ioctl(e->kvm, KVM_GET_SUPPORTED_CPUID, host) < 0)
        err = fail(why, errno, "/dev/kvm: KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
    else if (e->variant->host_cpu)
        host_machine(host);
    else
        our_machine(ours, host, e->host->tsc_hz);
    if (!err)
        err = kvm_vcpu(e, KVM_SET_CPUID2, "KVM_SET_CPUID2", e->variant->host_cpu ? host : ours, why);
    free(host);
    return err;
}
