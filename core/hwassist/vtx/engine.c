/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c - hwassist/vtx: hardware-assisted virtualization on a VT-x processor in software, with and without EPT.
 *
 * The engine is the hypervisor (hypervisor/hypervisor.h) in root operation, and the processor (vmx.h) below it. This
 * file puts both behind the contract of engine.h.
 */
#include "hwassist/vtx/hypervisor/hypervisor.h"
#include <errno.h>
#include <stdlib.h>

static struct vcpu *vcpu_of(struct engine *engine)
{
    return (struct vcpu *)engine;
}

static int probe(struct reason *why)
{
    if (!__builtin_cpu_supports("sse4.2"))
        return fail(why, EOPNOTSUPP, "the host's CPU lacks SSE4.2, which carries out the guest's");
    return 0;
}

static void destroy(struct engine *engine)
{
    struct vcpu *vcpu = vcpu_of(engine);
    if (!vcpu)
        return;
    emulator_destroy(vcpu->emulator);
    vtx_shadow_destroy(vcpu->shadow);
    vmx_destroy(vcpu->vmx);
    physical_destroy(vcpu);
    free(vcpu);
}

/* What an engine of this file is made of. */
struct choice {
    bool ept, walk_cache;
    unsigned ept_shift; /* log2 of the largest page in the EPT */
};

static int build(struct vcpu *vcpu, struct choice choice, struct reason *why)
{
    int error = physical_create(vcpu, why);
    if (error)
        return error;
    vcpu->ept_shift = choice.ept_shift;
    vcpu->platform = *vcpu->machine;
    vcpu->platform.ram = &vcpu->physical;
    vcpu->platform.apic_base_changed = NULL; /* of the guest's, not of the processor's: the hypervisor tells */
    vcpu->platform.cr8_changed = NULL;
    vcpu->vmx = vmx_create(&vcpu->platform, why);
    if (vcpu->vmx)
        vcpu->physical_bits = root_cpuid(vcpu->vmx, 0x80000008, 0).eax & 0xff;
    vcpu->emulator = vcpu->vmx ? emulator_create(vcpu, why) : NULL;
    if (!vcpu->emulator)
        return -ENOMEM;
    if (choice.walk_cache)
        vmx_use_walk_cache(vcpu->vmx);
    if (!choice.ept && !(vcpu->shadow = vtx_shadow_create(vcpu, why)))
        return -ENOMEM;
    error = setup_vmx(vcpu, choice.ept, why);
    if (error)
        return error;
    struct cpu_state reset;
    cpu_state_reset(&reset);
    return vcpu_set_state(vcpu, &reset, why);
}

static struct engine *create(const struct engine_host *host, struct choice choice, struct reason *why)
{
    struct vcpu *vcpu = calloc(1, sizeof(*vcpu));
    if (!vcpu) {
        fail(why, ENOMEM, "not enough memory for a hypervisor");
        return NULL;
    }
    vcpu->machine = host;
    if (build(vcpu, choice, why)) {
        destroy((struct engine *)vcpu);
        return NULL;
    }
    return (struct engine *)vcpu;
}

static struct engine *create_ept(const struct engine_host *host, struct reason *why)
{
    return create(host, (struct choice){.ept = true, .ept_shift = LARGE_SHIFT}, why);
}

static struct engine *create_shadow(const struct engine_host *host, struct reason *why)
{
    return create(host, (struct choice){.ept = false}, why);
}

static struct engine *create_cached(const struct engine_host *host, struct reason *why)
{
    return create(host, (struct choice){.ept = true, .ept_shift = LARGE_SHIFT, .walk_cache = true}, why);
}

static struct engine *create_4k(const struct engine_host *host, struct reason *why)
{
    return create(host, (struct choice){.ept = true, .ept_shift = PAGE_SHIFT}, why);
}

static void run(struct engine *engine, struct vm_exit *exit, uint64_t budget)
{
    vcpu_run(vcpu_of(engine), exit, budget);
}
static void get_state(struct engine *engine, struct cpu_state *state)
{
    vcpu_get_state(vcpu_of(engine), state);
}
static int set_state(struct engine *engine, const struct cpu_state *state, struct reason *why)
{
    return vcpu_set_state(vcpu_of(engine), state, why);
}
static bool can_inject(struct engine *engine)
{
    return vcpu_can_inject(vcpu_of(engine));
}
static void inject(struct engine *engine, uint8_t vector)
{
    vcpu_inject(vcpu_of(engine), vector);
}
static void request_window(struct engine *engine, bool wanted)
{
    vcpu_of(engine)->window_wanted = wanted;
}
static void kick(struct engine *engine)
{
    vmx_interrupt(vcpu_of(engine)->vmx);
}
static void ram_written(struct engine *engine, gpa_t at, uint64_t len)
{
    vmx_memory_written(vcpu_of(engine)->vmx, gpa(GUEST_BASE + at.v), len);
}

#define COMMON_COUNTERS                                                                                              \
    (COUNTER_BIT(INSTRUCTIONS) | COUNTER_BIT(TLB_HITS) | COUNTER_BIT(TLB_MISSES) | COUNTER_BIT(TLB_FLUSHES) |        \
     COUNTER_BIT(WALK_REFS) | COUNTER_BIT(TRUE_FAULTS) | COUNTER_BIT(BLOCKS_DECODED) | COUNTER_BIT(BLOCKS_CHAINED) | \
     COUNTER_BIT(BLOCKS_INVALIDATED) | COUNTER_BIT(CACHE_FLUSHES) | COUNTER_BIT(INTERRUPTS) |                        \
     COUNTER_BIT(EXCEPTIONS) | COUNTER_BIT(UNKNOWN_INSTRUCTIONS))

#define COMMON_OPS                                                                                                     \
    .abi = ENGINE_ABI, .technique = "hwassist",                                                                        \
    .capabilities = ENGINE_FLAT | ENGINE_OS | ENGINE_LEGACY | ENGINE_VIRTUAL_TIME, .probe = probe, .destroy = destroy, \
    .run = run, .get_state = get_state, .set_state = set_state, .can_inject = can_inject, .inject = inject,            \
    .request_window = request_window, .kick = kick, .ram_written = ram_written

const struct engine_ops hwassist_vtx = {
    COMMON_OPS,
    .name = "hwassist/vtx",
    .text = "a software VT-x with a hypervisor on top: VMCS, exits, nested paging by EPT",
    .counters = COMMON_COUNTERS | COUNTER_BIT(EPT_REFS),
    .create = create_ept,
};

const struct engine_ops hwassist_vtx_cached = {
    COMMON_OPS,
    .name = "hwassist/vtx:cached",
    .text = "the same with paging-structure caches in the page walker",
    .counters = COMMON_COUNTERS | COUNTER_BIT(EPT_REFS),
    .create = create_cached,
};

const struct engine_ops hwassist_vtx_4k = {
    COMMON_OPS,
    .name = "hwassist/vtx:4k",
    .text = "the same with an EPT of 4 KiB pages alone",
    .counters = COMMON_COUNTERS | COUNTER_BIT(EPT_REFS),
    .create = create_4k,
};

const struct engine_ops hwassist_vtx_shadow = {
    COMMON_OPS,
    .name = "hwassist/vtx:shadow",
    .text = "without EPT, as the first generation had to: shadow page tables",
    .counters = COMMON_COUNTERS | COUNTER_BIT(SHADOW_FILLS) | COUNTER_BIT(HIDDEN_FAULTS) | COUNTER_BIT(PT_WRITES),
    .create = create_shadow,
};
