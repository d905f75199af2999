/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * roundtrip.c [49]: the round trips between a guest's kernel and its hypervisor that PVM's authors measure ("PVM:
 * Efficient Shadow Paging for Deploying Secure Containers in Cloud-native Environment", SOSP 2023, table 1), one by
 * one:
 *
 *   hypercall  one that does nothing; a kernel that isn't paravirtual has none
 *   exception  a divide error in the kernel, and the return from it
 *   msr        a read of EFER; a paravirtual kernel has no such register
 *   cpuid      CPUID, leaf 0
 *   pio        a byte from port 0x80
 *
 * A workload as nano.c, run by resident.c:  init=kernel:roundtrip -- 20ms pio
 */
#define WORKLOAD_FLAT
#include "../workloads/workload.h"

#include "cpu.h"
#include "nano.h"
#include "pv_ops.h"
#include "resident.h"

#define PORT     0x80 /* the BIOS' POST codes: reading it does no harm anywhere */
#define MSR_EFER 0xc0000080
#define EFER_SCE 1u
#define VEC_DE   0

#ifdef PARAVIRT
static void do_hypercall(unsigned n)
{
    while (n--)
        if (pv_call(PARA_CALL_VERSION, 0, 0, 0, 0, 0) != PARA_VERSION)
            fail("the hypercall's result is wrong");
}

#define do_msr NULL
#else
#define do_hypercall NULL

static void do_msr(unsigned n)
{
    while (n--)
        if (!(pv_rdmsr(MSR_EFER) & EFER_SCE))
            fail("EFER is not what was written");
}
#endif

/* nano_divide does NANO_TIMES of them. */
static void do_exception(unsigned n)
{
    u64 before = nano_faults;

    nano_divide((n + NANO_TIMES - 1) / NANO_TIMES);
    if (nano_faults - before < n)
        fail("%lu exceptions were handled, not %u", nano_faults - before, n);
}

static void do_cpuid(unsigned n)
{
    u32 out[4] = {0};

    while (n--)
        pv_cpuid(0, out);
    if (!out[1])
        fail("CPUID names no vendor");
}

static void do_pio(unsigned n)
{
    while (n--)
        (void)pv_inb(PORT);
}

static const struct operation {
    const char *name;
    void (*repeat)(unsigned n); /* NULL: not in this build */
} operations[] = {
    {"hypercall", do_hypercall}, {"exception", do_exception}, {"msr", do_msr}, {"cpuid", do_cpuid}, {"pio", do_pio},
};
static const struct operation *chosen = &operations[0];

static int configure(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        chosen = &operations[i];
        if (argc == 1 && !strcmp(argv[0], chosen->name))
            return 0;
    }
    return -1;
}

static void setup(void)
{
    if (!chosen->repeat)
        not_applicable(chosen == operations ? "only a paravirtual kernel makes hypercalls"
                                            : "a paravirtual kernel has no such register");
    cpu_set_trap_entry(VEC_DE, nano_divide_error);
}

static uint64_t work(unsigned n)
{
    chosen->repeat(n * NANO_TIMES);
    return mix(0, NANO_TIMES);
}

const struct workload workload = {
    .name = "roundtrip",
    .args = " hypercall|exception|msr|cpuid|pio",
    .unit = "16 times the operation (hypercall if none is named)",
    .default_n = 100,
    .configure = configure,
    .setup = setup,
    .work = work,
};
