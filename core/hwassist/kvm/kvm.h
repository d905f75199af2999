/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm.h - hwassist/kvm: the processor's own virtualization, by way of Linux' /dev/kvm.
 *
 * VT-x or AMD-V runs the guest; the host's kernel handles what needs its rights (second-level page tables, the
 * switches); we are the user-space half, in the role that QEMU plays. RAM is one memory slot, devices and, but for one
 * variant, interrupt controllers stay ours. For this folder only; reading order: engine.c, vm.c (making it), run.c
 * (exits), state.c, cpuid.c, chips.c, dirty_log.c, kernel_stats.c, kernel_exits.c, probe.c (is this KVM faithful?),
 * probe_guest.c.
 *
 * The kernel's interface is described in its Documentation/virt/kvm/api.rst; sections are cited as "KVM API 4.10".
 */
#ifndef VIRTLAB_HWASSIST_KVM_KVM_H
#define VIRTLAB_HWASSIST_KVM_KVM_H

#include <linux/kvm.h>
#include <virtlab/engine.h>

/* What a variant asks for. */
struct kvm_variant {
    const char *name;
    bool host_cpu; /* CPUID shows the host's CPU instead of our machine's */
    bool chips;    /* the kernel has the interrupt controllers and the timer (chips.c) */
    bool ring3;    /* ring 0 code of a flat guest runs in ring 3: for a KVM that emulates ring 0 */
};

/*
 * For ring3, which must use ports: IOPL 3, and a TSS whose I/O bitmap lets ring 3 use every port (SDM 1, 19.5), in
 * memory of its own above RAM. Either would do on a faithful CPU; kvm_pvm forgets IOPL, QEMU's CPU a TSS that is busy.
 */
#define OPEN_TSS      UINT64_C(0xfff00000)
#define OPEN_TSS_SIZE UINT64_C(0x3000)
#define OPEN_TSS_LAST 0x2068u /* the last byte of TSS, bitmap, and the byte of ones behind it */

enum { RAM_SLOT, OPEN_TSS_SLOT };

#define KVM_STATISTICS 4 /* that kernel_stats.c asks for */

struct engine {
    const struct engine_host *host;
    const struct kvm_variant *variant;
    int kvm, vm, vcpu;                 /* file descriptors, -1: none */
    int stats_fd;                      /* the kernel's counts of this vCPU (kernel_stats.c), or -1 */
    struct kernel_exits *kernel_exits; /* kernel_exits.c; NULL: not counted */
    uint64_t counted[KVM_STATISTICS];  /* of them, what is in the machine's statistics already */
    struct kvm_run *run;
    size_t run_size;
    uint64_t *dirty;       /* where the kernel puts the log of written pages (dirty_log.c); NULL: none is kept */
    uint8_t *open_tss;     /* ring3 */
    struct segment_reg tr; /* what the guest has there instead */
    int thread;            /* that called run() last */
    volatile bool kicked;  /* kick() was called and run() hasn't come back since */
    bool unfinished;       /* the instruction of the last exit is completed by the next KVM_RUN (KVM API 5, "NOTE") */
    bool injected;         /* an interrupt was queued since the last run() */
    bool halted;
    uint8_t mmio_left;       /* bytes of an odd-sized MMIO access that are still to be asked for */
    uint64_t cr8, apic_base; /* as the machine was last told */
};

/* vm.c: opens /dev/kvm and makes a VM with one vCPU. 0 or -errno with why; kvm_close() undoes it at any stage. */
int kvm_open(struct engine *e, struct reason *why) MUST_CHECK;
void kvm_close(struct engine *e);
/* RAM, as one memory slot; again to change its flags (KVM_MEM_LOG_DIRTY_PAGES). */
int kvm_map_ram(struct engine *e, uint32_t flags, struct reason *why) MUST_CHECK;
/* An ioctl of the vCPU that must not fail; else the reason names it. */
int kvm_vcpu(struct engine *e, unsigned long request, const char *name, void *argument, struct reason *why) MUST_CHECK;

/* cpuid.c */
int kvm_set_cpuid(struct engine *e, struct reason *why) MUST_CHECK;

/* run.c: engine_ops' functions. */
void kvm_run(struct engine *e, struct vm_exit *exit, uint64_t budget);
bool kvm_can_inject(struct engine *e);
void kvm_inject(struct engine *e, uint8_t vector);
void kvm_request_window(struct engine *e, bool wanted);
void kvm_kick(struct engine *e);
/* Lets the kernel complete the instruction of the last exit, and no more: the state is whole then. */
void kvm_finish(struct engine *e);

/* chips.c: makes them, before the vCPU; and what the machine calls. */
int kvm_make_chips(struct engine *e, struct reason *why) MUST_CHECK;
extern const struct engine_chips kvm_chips;

/* dirty_log.c: what the machine calls. */
extern const struct engine_dirty_log kvm_dirty_log;

/* state.c */
void kvm_get_state(struct engine *e, struct cpu_state *s);
int kvm_set_state(struct engine *e, const struct cpu_state *s, struct reason *why);

/*
 * kernel_exits.c: exits by reason, from the kernel's tracepoint. Opened by the thread that runs the guest, which is the
 * one that is counted; whether that went well stands in the statistics.
 */
void kvm_open_kernel_exits(struct engine *e);
void kvm_close_kernel_exits(struct engine *e);
void kvm_sync_kernel_exits(struct engine *e);

/* kernel_stats.c: brings the counters that only the kernel knows up to date. */
void kvm_sync_stats(struct engine *e);

/*
 * probe.c: opening /dev/kvm proves nothing, so a guest that checks itself is run in it. 0, or -errno with the name of
 * the back-end and what it gets wrong.
 */
int kvm_probe(const struct kvm_variant *variant, struct reason *why) MUST_CHECK;
/* The kernel module behind /dev/kvm: "kvm_intel", "kvm_amd", another one, or "unknown". */
const char *kvm_backend(void);

struct engine *kvm_create(const struct engine_host *host, const struct kvm_variant *variant, struct reason *why);
void kvm_destroy(struct engine *e);

#endif
