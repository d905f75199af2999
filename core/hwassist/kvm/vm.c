/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm.c - from /dev/kvm to a virtual machine with RAM and one CPU, and back.
 *
 * Read next: run.c.
 */
#include "hwassist/kvm/kvm.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where KVM on Intel CPUs without unrestricted guests keeps its own: three pages, and one. Above all RAM and devices.
 */
#define TSS_ADDRESS      0xfffbd000u
#define IDENTITY_ADDRESS UINT64_C(0xfffbc000)

/* What the engine can't do without. */
static const struct {
    int number;
    const char *name;
} needed[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"}, {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
    {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"}, {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
    {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},
};

int kvm_vcpu(struct engine *e, unsigned long request, const char *name, void *argument, struct reason *why)
{
    if (ioctl(e->vcpu, request, argument) < 0)
        return fail(why, errno, "hwassist/kvm: %s: %s", name, strerror(errno));
    return 0;
}

static int open_device(struct engine *e, struct reason *why)
{
    e->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (e->kvm < 0) {
        int err = errno;
        return fail(why, err, "/dev/kvm: %s%s", strerror(err),
                    err == ENOENT   ? ": no hardware virtualization, or its kernel module isn't loaded"
                    : err == EACCES ? ": this user may not use it (join the group kvm)"
                                    : "");
    }
    int version = ioctl(e->kvm, KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION)
        return fail(why, ENOTSUP, "/dev/kvm speaks API version %d, not %d", version, KVM_API_VERSION);
    for (unsigned i = 0; i < ARRAY_SIZE(needed); i++)
        if (ioctl(e->kvm, KVM_CHECK_EXTENSION, needed[i].number) <= 0)
            return fail(why, ENOTSUP, "/dev/kvm lacks %s: the host's kernel is too old", needed[i].name);
    return 0;
}

static int map(struct engine *e, const struct kvm_userspace_memory_region *region, struct reason *why)
{
    if (ioctl(e->vm, KVM_SET_USER_MEMORY_REGION, region) < 0)
        return fail(why, errno, "/dev/kvm: memory of %llu bytes is refused: %s",
                    (unsigned long long)region->memory_size, strerror(errno));
    return 0;
}

int kvm_map_ram(struct engine *e, uint32_t flags, struct reason *why)
{
    const struct ram *ram = e->host->ram;

    return map(e,
               &(struct kvm_userspace_memory_region){
                   .slot = RAM_SLOT, .flags = flags, .memory_size = ram->size, .userspace_addr = (uintptr_t)ram->base},
               why);
}

static int add_open_tss(struct engine *e, struct reason *why)
{
    const uint16_t bitmap = 0x68; /* behind the 104 bytes of a 64-bit TSS */
    void *memory = mmap(NULL, OPEN_TSS_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return fail(why, errno, "hwassist/kvm: not enough memory");
    e->open_tss = memory;
    memcpy(e->open_tss + 102, &bitmap, sizeof(bitmap));
    e->open_tss[OPEN_TSS_LAST] = 0xff;
    return map(e,
               &(struct kvm_userspace_memory_region){.slot = OPEN_TSS_SLOT,
                                                     .guest_phys_addr = OPEN_TSS,
                                                     .memory_size = OPEN_TSS_SIZE,
                                                     .userspace_addr = (uintptr_t)memory},
               why);
}

static int make_vm(struct engine *e, struct reason *why)
{
    uint64_t identity = IDENTITY_ADDRESS;

    e->vm = ioctl(e->kvm, KVM_CREATE_VM, 0);
    if (e->vm < 0)
        return fail(why, errno, "/dev/kvm: KVM_CREATE_VM: %s", strerror(errno));
    /* Needed on some Intel CPUs, harmless elsewhere (KVM API 4.35, 4.41). */
    if (ioctl(e->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 && errno != ENOTTY && errno != EINVAL)
        return fail(why, errno, "/dev/kvm: KVM_SET_IDENTITY_MAP_ADDR: %s", strerror(errno));
    if (ioctl(e->vm, KVM_SET_TSS_ADDR, TSS_ADDRESS) < 0 && errno != ENOTTY && errno != EINVAL)
        return fail(why, errno, "/dev/kvm: KVM_SET_TSS_ADDR: %s", strerror(errno));
    int err = kvm_map_ram(e, 0, why);
    if (!err && e->variant->ring3)
        err = add_open_tss(e, why);
    if (!err && e->variant->chips)
        err = kvm_make_chips(e, why);
    return err;
}

static int make_vcpu(struct engine *e, struct reason *why)
{
    int size = ioctl(e->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

    e->vcpu = ioctl(e->vm, KVM_CREATE_VCPU, 0);
    if (e->vcpu < 0 || size < (int)sizeof(*e->run))
        return fail(why, errno, "/dev/kvm: KVM_CREATE_VCPU: %s", strerror(errno));
    void *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, e->vcpu, 0);
    if (run == MAP_FAILED)
        return fail(why, errno, "/dev/kvm: the vCPU's shared page: %s", strerror(errno));
    e->run = run;
    e->run_size = (size_t)size;
    e->stats_fd = ioctl(e->vcpu, KVM_GET_STATS_FD, 0); /* -1 on kernels before 5.14 */
    return kvm_set_cpuid(e, why);
}

int kvm_open(struct engine *e, struct reason *why)
{
    int err;

    e->kvm = e->vm = e->vcpu = e->stats_fd = -1;
    if ((err = open_device(e, why)) || (err = make_vm(e, why)) || (err = make_vcpu(e, why)))
        kvm_close(e);
    return err;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void kvm_close(struct engine *e)
{
    if (e->run)
        munmap(e->run, e->run_size);
    e->run = NULL;
    if (e->open_tss)
        munmap(e->open_tss, OPEN_TSS_SIZE);
    e->open_tss = NULL;
    free(e->dirty);
    e->dirty = NULL;
    kvm_close_kernel_exits(e);
    close_one(&e->stats_fd);
    close_one(&e->vcpu);
    close_one(&e->vm);
    close_one(&e->kvm);
}
