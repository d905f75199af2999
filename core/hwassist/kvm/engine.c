/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c - hwassist/kvm behind the contract of engine.h, in its variants.
 *
 *   hwassist/kvm        our machine's CPU, as under every engine
 *   hwassist/kvm:host   CPUID shows the host's CPU
 *   hwassist/kvm:irqchip  interrupt controllers and timer are the kernel's too
 *   hwassist/kvm:ring3  flat guests, in ring 3: what is left where a software back-end of KVM emulates ring 0
 *
 * Read next: vm.c.
 */
#include "hwassist/kvm/kvm.h"
#include <errno.h>
#include <stdlib.h>

void kvm_destroy(struct engine *e)
{
    if (!e)
        return;
    kvm_close(e);
    free(e);
}

struct engine *kvm_create(const struct engine_host *host, const struct kvm_variant *variant, struct reason *why)
{
    struct engine *e = calloc(1, sizeof(*e));
    struct cpu_state reset;

    if (!e) {
        fail(why, ENOMEM, "hwassist/kvm: not enough memory");
        return NULL;
    }
    e->host = host;
    e->variant = variant;
    cpu_state_reset(&reset);
    if (kvm_open(e, why) || kvm_set_state(e, &reset, why)) {
        kvm_destroy(e);
        return NULL;
    }
    return e;
}

/* The kernel's own second-level tables and decoded instructions follow writes by any process. */
static void ram_written(struct engine *e, gpa_t at, uint64_t len)
{
    (void)e, (void)at, (void)len;
}

#define KERNELS \
    (COUNTER_BIT(KVM_EXITS) | COUNTER_BIT(KVM_PAGE_FAULTS) | COUNTER_BIT(KVM_EMULATIONS) | COUNTER_BIT(KVM_TLB_FLUSHES))
#define KEPT (KERNELS | COUNTER_BIT(INTERRUPTS)) /* with the chips in the kernel nobody tells us of interrupts */

/* `what` names the field of struct kvm_variant in which it differs; `own_chips` is &kvm_chips, or NULL. */
#define VARIANT(symbol, variant_name, what, own_chips, kept, offers, line)                           \
    static const struct kvm_variant symbol##_variant = {.name = variant_name, what};                 \
    static int symbol##_probe(struct reason *why)                                                    \
    {                                                                                                \
        return kvm_probe(&symbol##_variant, why);                                                    \
    }                                                                                                \
    static struct engine *symbol##_create(const struct engine_host *engine_host, struct reason *why) \
    {                                                                                                \
        return kvm_create(engine_host, &symbol##_variant, why);                                      \
    }                                                                                                \
    const struct engine_ops symbol = {                                                               \
        .abi = ENGINE_ABI,                                                                           \
        .name = variant_name,                                                                        \
        .technique = "hwassist",                                                                     \
        .text = line,                                                                                \
        .capabilities = offers,                                                                      \
        .counters = kept,                                                                            \
        .probe = symbol##_probe,                                                                     \
        .create = symbol##_create,                                                                   \
        .destroy = kvm_destroy,                                                                      \
        .run = kvm_run,                                                                              \
        .get_state = kvm_get_state,                                                                  \
        .set_state = kvm_set_state,                                                                  \
        .can_inject = kvm_can_inject,                                                                \
        .inject = kvm_inject,                                                                        \
        .request_window = kvm_request_window,                                                        \
        .kick = kvm_kick,                                                                            \
        .ram_written = ram_written,                                                                  \
        .sync_stats = kvm_sync_stats,                                                                \
        .dirty_log = &kvm_dirty_log,                                                                 \
        .chips = own_chips,                                                                          \
    };

#define FULL (ENGINE_FLAT | ENGINE_OS | ENGINE_LEGACY)

VARIANT(hwassist_kvm, "hwassist/kvm", .host_cpu = false, NULL, KEPT, FULL,
        "hardware assist by Linux' KVM: VT-x or AMD-V")
VARIANT(hwassist_kvm_host, "hwassist/kvm:host", .host_cpu = true, NULL, KEPT, FULL,
        "the same, with the host's CPU shown to the guest")
VARIANT(hwassist_kvm_irqchip, "hwassist/kvm:irqchip", .chips = true, &kvm_chips, KERNELS, FULL,
        "the same, with the host kernel's interrupt controllers and timer")
VARIANT(hwassist_kvm_ring3, "hwassist/kvm:ring3", .ring3 = true, NULL, KEPT, ENGINE_FLAT,
        "flat guests in ring 3 of a KVM that emulates ring 0 in software")
