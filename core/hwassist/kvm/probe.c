/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.c - is this KVM the real thing? Asked by running a guest in it (probe_guest.h).
 *
 * A virtual machine of a cloud may have a /dev/kvm with no VT-x behind it: kvm_pvm, say, which runs the guest's ring 3
 * natively and emulates its ring 0 one instruction at a time. It opens, makes VMs, and then gets details wrong, or runs
 * a kernel a hundred times slower than an interpreter would. Each check here is one thing that a guest relies on.
 *
 * Read next: probe_guest.c.
 */
#include "hwassist/kvm/kvm.h"
#include "hwassist/kvm/probe_guest.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LAB_BYTES  RAM_MIN
#define GDT        0x2000u
#define IDT        0x3000u
#define TABLES     0x4000u /* PML4, PDPT, PD of the first GiB and of the fourth */
#define TABLES32   0x8000u /* PD, PT for 0, PT for 4 MiB */
#define STACK      0x10000u
#define MARKED     0x50000u
#define MARK       0x600d600du
#define RUNS_MAX   64  /* exits until a snippet is given up */
#define HOPELESS   500 /* so many times slower is no noise */
#define SPEED_RUNS 10
#define SLOWEST    8 /* how many times slower than native a faithful ring may run the loop */

/* One vCPU in a RAM of its own, in 64-bit mode with low memory mapped one to one for all rings. */
struct lab {
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    struct engine *engine;
    struct cpu_state state;
    struct vm_exit exit;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t no_tsc(void *context, uint64_t retired)
{
    (void)context, (void)retired;
    return 0;
}
static void nobody(void *context, uint64_t value)
{
    (void)context, (void)value;
}

static void put(struct lab *lab, uint64_t at, uint64_t value)
{
    memcpy(lab->ram.base + at, &value, sizeof(value));
}
static void put32(struct lab *lab, uint64_t at, uint32_t value)
{
    memcpy(lab->ram.base + at, &value, sizeof(value));
}

/* A 64-bit interrupt gate in ring 0's code segment (SDM 3, 6.14.1). */
static void put_gate(struct lab *lab, unsigned vector, uint64_t handler)
{
    put(lab, IDT + 16 * vector, (handler & 0xffff) | UINT64_C(0x8) << 16 | UINT64_C(0x8e00) << 32);
}

static void fill_ram(struct lab *lab)
{
    enum { PRESENT_WRITE_USER = 7, LARGE = 0x80 };

    memset(lab->ram.base, 0, LAB_BYTES);
    memcpy(lab->ram.base + PROBE_CODE, probe_guest_start, (size_t)(probe_guest_end - probe_guest_start));
    put(lab, GDT + 8, UINT64_C(0x00209b0000000000));
    put(lab, GDT + 16, UINT64_C(0x0000930000000000));
    put_gate(lab, VEC_PF, probe_address(probe_fault_handler));
    put_gate(lab, 0x40, probe_address(probe_interrupt_handler));
    put(lab, TABLES, (TABLES + 0x1000) | PRESENT_WRITE_USER);
    put(lab, TABLES + 0x1000, (TABLES + 0x2000) | PRESENT_WRITE_USER);
    put(lab, TABLES + 0x1000 + 3 * 8, (TABLES + 0x3000) | PRESENT_WRITE_USER);
    put(lab, TABLES + 0x2000, 0 | LARGE | PRESENT_WRITE_USER); /* 2 MiB; nothing beyond, but for the open TSS */
    put(lab, TABLES + 0x3000 + 511 * 8, (OPEN_TSS & ~UINT64_C(0x1fffff)) | LARGE | PRESENT_WRITE_USER);
    put32(lab, TABLES32, (TABLES32 + 0x1000) | PRESENT_WRITE_USER);
    put32(lab, TABLES32 + 4, (TABLES32 + 0x2000) | PRESENT_WRITE_USER);
    for (uint32_t page = 0; page < 256; page++)
        put32(lab, TABLES32 + 0x1000 + 4 * page, page << PAGE_SHIFT | PRESENT_WRITE_USER);
    put32(lab, TABLES32 + 0x2000, MARKED | PRESENT_WRITE_USER);
    put32(lab, MARKED, MARK);
}

static void start_at(struct lab *lab, const uint8_t *snippet, unsigned ring)
{
    struct cpu_state *s = &lab->state;
    uint32_t dpl = ring << 5;

    cpu_state_reset(s);
    s->rip = probe_address(snippet);
    s->rflags = FLAG_ONE | (ring ? FLAG_IOPL : 0); /* it may use ports: by IOPL, or by the open TSS */
    s->gpr[RSP] = STACK;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s->seg[i] =
            (struct segment_reg){.selector = (uint16_t)(ring ? 0x23 : 0x10), .limit = UINT32_MAX, .attr = 0xc093 | dpl};
    s->seg[SEG_CS] =
        (struct segment_reg){.selector = (uint16_t)(ring ? 0x2b : 0x8), .limit = UINT32_MAX, .attr = 0xa09b | dpl};
    s->seg[SEG_LDTR].attr |= ATTR_UNUSABLE;
    s->gdtr = (struct table_reg){.base = GDT, .limit = 0x17};
    s->idtr = (struct table_reg){.base = IDT, .limit = 0x41 * 16 - 1};
    s->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    s->cr3 = TABLES;
    s->cr4 = CR4_PAE | CR4_OSFXSR;
    s->efer = EFER_LME | EFER_LMA | EFER_SCE;
    s->star = UINT64_C(0x0018000800000000);
    s->lstar = probe_address(probe_syscall_entry);
}

/* Runs from the prepared state until HLT, port 0x80, or something unforeseen; then lab->state is what it is. */
static bool run(struct lab *lab, struct reason *wrong)
{
    if (kvm_set_state(lab->engine, &lab->state, wrong))
        return false;
    for (unsigned i = 0; i < RUNS_MAX; i++) {
        lab->exit.kind = VM_EXIT_INTERRUPTED;
        kvm_run(lab->engine, &lab->exit, 0);
        if (lab->exit.kind == VM_EXIT_WINDOW && kvm_can_inject(lab->engine)) {
            kvm_inject(lab->engine, 0x40);
            kvm_request_window(lab->engine, false);
        } else if (lab->exit.kind != VM_EXIT_INTERRUPTED) {
            break;
        }
    }
    kvm_get_state(lab->engine, &lab->state);
    if (lab->exit.kind == VM_EXIT_HLT || lab->exit.kind == VM_EXIT_IO)
        return true;
    fail(wrong, EIO, "%s", lab->exit.kind == VM_EXIT_SHUTDOWN ? "triple fault" : lab->exit.why.text);
    return false;
}

static bool expect(struct lab *lab, uint64_t rbx, uint64_t rcx, struct reason *wrong)
{
    if (!run(lab, wrong))
        return false;
    const uint64_t *gpr = lab->state.gpr;
    if (gpr[RBX] == rbx && gpr[RCX] == rcx)
        return true;
    fail(wrong, EIO, "saw %#llx, %#llx instead of %#llx, %#llx", (unsigned long long)gpr[RBX],
         (unsigned long long)gpr[RCX], (unsigned long long)rbx, (unsigned long long)rcx);
    return false;
}

/* ---- the checks ---- */

static bool check_syscall(struct lab *lab, struct reason *wrong)
{
    const unsigned length = 2; /* of SYSCALL */

    start_at(lab, probe_syscall, 3);
    /* RCX: behind the second SYSCALL, which stands 10 bytes behind the first one's start. */
    return expect(lab, 2, probe_address(probe_syscall) + 3 + length + 5 + length, wrong);
}

static bool check_page_fault(struct lab *lab, struct reason *wrong)
{
    start_at(lab, probe_fault, 0);
    return expect(lab, 0, 0x700123, wrong);
}

static bool check_interrupt(struct lab *lab, struct reason *wrong)
{
    start_at(lab, probe_wait, 0);
    kvm_request_window(lab->engine, true);
    bool ok = run(lab, wrong);
    kvm_request_window(lab->engine, false);
    if (ok && lab->state.gpr[RBX] != 0x40) {
        fail(wrong, EIO, "it never came");
        ok = false;
    }
    return ok;
}

static bool check_paging32(struct lab *lab, struct reason *wrong)
{
    start_at(lab, probe_paging32, 0);
    lab->state.cr3 = TABLES32;
    lab->state.cr4 = 0;
    lab->state.efer = 0;
    lab->state.seg[SEG_CS].attr = 0xc09b; /* 32-bit */
    return expect(lab, MARK, 0, wrong);
}

/*
 * The time of a snippet's loop against the same loop here. A busy host can make any single run slow, so the fastest of
 * several counts; as soon as one is fast enough, it is.
 */
static bool check_speed(struct lab *lab, const uint8_t *snippet, unsigned ring, struct reason *wrong)
{
    uint64_t best = UINT64_MAX, native = UINT64_MAX;

    for (int i = 0; i < SPEED_RUNS; i++) {
        uint32_t count = PROBE_LOOPS;
        uint64_t start = now_ns();
        __asm__ volatile("1: dec %0\n jnz 1b" : "+r"(count));
        uint64_t took = now_ns() - start;
        native = took < native ? took : native;
        start_at(lab, snippet, ring);
        start = now_ns();
        if (!run(lab, wrong))
            return false;
        took = now_ns() - start;
        best = took < best ? took : best;
        if (best <= native * SLOWEST + 1000000) /* a millisecond for set-up and noise */
            return true;
        if (i >= 2 && best > native * HOPELESS)
            break;
    }
    fail(wrong, EIO, "a loop takes %llu times its native time: it is emulated", (unsigned long long)(best / native));
    return false;
}

static bool check_ring0(struct lab *lab, struct reason *wrong)
{
    return check_speed(lab, probe_loop, 0, wrong);
}
static bool check_ring3(struct lab *lab, struct reason *wrong)
{
    return check_speed(lab, probe_user_loop, 3, wrong);
}

static const struct check {
    const char *name;
    bool (*run)(struct lab *lab, struct reason *wrong);
    bool for_os, for_ring3;
} checks[] = {
    {"SYSCALL and SYSRET", check_syscall, true, false}, {"page faults", check_page_fault, true, false},
    {"interrupts", check_interrupt, true, false},       {"32-bit paging", check_paging32, true, false},
    {"ring 0's speed", check_ring0, true, false},       {"ring 3's speed", check_ring3, true, true},
};

/* ---- the whole ---- */

const char *kvm_backend(void)
{
    static const char *const modules[] = {"kvm_intel", "kvm_amd", "kvm_pvm"};
    char path[64];

    for (unsigned i = 0; i < ARRAY_SIZE(modules); i++) {
        snprintf(path, sizeof(path), "/sys/module/%s", modules[i]);
        if (access(path, F_OK) == 0)
            return modules[i];
    }
    return "an unknown back-end";
}

static int lab_open(struct lab *lab, const struct kvm_variant *variant, struct reason *why)
{
    int err = ram_create(&lab->ram, LAB_BYTES, why);

    if (err)
        return err;
    lab->host = (struct engine_host){.ram = &lab->ram,
                                     .stats = &lab->stats,
                                     .tsc = no_tsc,
                                     .tsc_hz = 1000000000,
                                     .apic_base_changed = nobody,
                                     .cr8_changed = nobody};
    lab->engine = kvm_create(&lab->host, variant, why);
    if (!lab->engine) {
        ram_destroy(&lab->ram);
        return -EIO;
    }
    return 0;
}

/* The snippets end with HLT, which must come out to us: so the same without the kernel's chips runs them. */
static const struct kvm_variant plain = {.name = "hwassist/kvm"};

static int try_to_make(const struct kvm_variant *variant, struct reason *why)
{
    struct lab lab = {.stats = {.unknown = ""}};
    int err = lab_open(&lab, variant, why);

    if (!err) {
        kvm_destroy(lab.engine);
        ram_destroy(&lab.ram);
    }
    return err;
}

/* All that is wrong goes into one reason: it is what `virtlab doctor` prints. */
int kvm_probe(const struct kvm_variant *variant, struct reason *why)
{
    struct lab lab = {.stats = {.unknown = ""}};
    struct reason all = {""};
    int err = lab_open(&lab, variant->chips ? &plain : variant, why);

    if (err)
        return err;
    for (unsigned i = 0; i < ARRAY_SIZE(checks); i++) {
        struct reason wrong = {""};
        if (!(variant->ring3 ? checks[i].for_ring3 : checks[i].for_os))
            continue;
        fill_ram(&lab);
        if (checks[i].run(&lab, &wrong))
            continue;
        size_t used = strlen(all.text);
        snprintf(all.text + used, sizeof(all.text) - used, "%s%s (%s)", used ? "; " : "", checks[i].name, wrong.text);
    }
    kvm_destroy(lab.engine);
    ram_destroy(&lab.ram);
    if (!all.text[0])
        return variant->chips ? try_to_make(variant, why) : 0;
    return fail(why, ENOTSUP, "/dev/kvm is %s, which gets wrong: %s", kvm_backend(), all.text);
}
