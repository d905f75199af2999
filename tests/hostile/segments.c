/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segments.c - far transfers and segment registers: selectors that mean something in the host's tables, and nothing, or
 * another thing, in the guest's. FS and GS bases.
 */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "probe.h"

#define SELECTORS 0x140

/* Every selector by one kind of transfer; [RBX] holds offset and selector, or the stack does. */
static void each_selector(const char *name, const unsigned char *code, size_t size, unsigned slots)
{
    uint64_t sum = 0;
    unsigned passed = 0;

    for (unsigned selector = 0; selector < SELECTORS; selector++) {
        uint64_t stack[5] = {PROBE_CODE + 0x100, selector, 0x202, PROBE_STACK - 0x400, selector ^ 8};
        struct probe p = {.gpr = {[RBX] = PROBE_DATA, [RAX] = selector, [RSP] = PROBE_STACK - 0x800}};
        uint32_t target = PROBE_CODE + 0x100;

        memcpy((void *)PROBE_DATA, &target, 4);
        memcpy((uint8_t *)PROBE_DATA + 4, &selector, 2);
        memcpy((void *)(PROBE_STACK - 0x800), stack, 8 * slots);
        probe_code(0, code, size);
        probe_run(&p);
        sum = probe_sum(sum, &p);
        passed += p.rip == PROBE_CODE + 0x101;
    }
    printf("%s: %u of %u selectors let it pass, sum %lx\n", name, passed, SELECTORS, sum);
}

void test_far(void)
{
    static const unsigned char jmp[] = {0xff, 0x2b}, call[] = {0xff, 0x1b}, retf[] = {0x48, 0xcb}, retf32[] = {0xcb},
                               iretq[] = {0x48, 0xcf}, iretd[] = {0xcf};
    each_selector("jmp far", jmp, sizeof jmp, 0);
    each_selector("call far", call, sizeof call, 0);
    each_selector("retf", retf, sizeof retf, 2);
    each_selector("retf, 32 bits", retf32, sizeof retf32, 2);
    each_selector("iretq", iretq, sizeof iretq, 5);
    each_selector("iretd", iretd, sizeof iretd, 5);
}

void test_segments(void)
{
    static const unsigned char lar[] = {0x0f, 0x02, 0xc8}, lsl[] = {0x0f, 0x03, 0xc8}, verr[] = {0x0f, 0x00, 0xe0},
                               verw[] = {0x0f, 0x00, 0xe8};
    static const unsigned char mov_ds[] = {0x8e, 0xd8, 0x8c, 0xd9, 0x31, 0xc0, 0x8e, 0xd8},
                               mov_es[] = {0x8e, 0xc0, 0x8c, 0xc1, 0x31, 0xc0, 0x8e, 0xc0},
                               mov_gs[] = {0x8e, 0xe8, 0x8c, 0xe9, 0x31, 0xc0, 0x8e, 0xe8},
                               mov_ss[] = {0x8e, 0xd0, 0x8c, 0xd1, 0x90};
    each_selector("lar", lar, sizeof lar, 0);
    each_selector("lsl", lsl, sizeof lsl, 0);
    each_selector("verr", verr, sizeof verr, 0);
    each_selector("verw", verw, sizeof verw, 0);
    each_selector("mov ds", mov_ds, sizeof mov_ds, 0);
    each_selector("mov es", mov_es, sizeof mov_es, 0);
    each_selector("mov gs", mov_gs, sizeof mov_gs, 0);
    each_selector("mov ss", mov_ss, sizeof mov_ss, 0);
}

void test_bases(void)
{
    static const uint64_t bases[] = {
        0,
        PROBE_DATA,
        0x3fffffffffff,
        0x400000000000 /* the guest's kernel */,
        0x400000100000,
        0x7fffffffffff,
        0x800000000000 /* not canonical */,
        UINT64_MAX,
        0xffff800000000000,
        0xffffffffff600000,
        HOLE - 16,
        HOLE - 0x1000,
    };
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        struct probe p = {.gpr = {[RCX] = bases[i]}};
        PROBE("wrfsbase, read", &p, 0xf3, 0x48, 0x0f, 0xae, 0xd1, 0xf3, 0x48, 0x0f, 0xae, 0xc2, 0x64, 0x8b, 0x04, 0x25,
              8, 0, 0, 0); /* wrfsbase rcx; rdfsbase rdx; mov eax, fs:8 */
        p = (struct probe){.gpr = {[RCX] = bases[i]}};
        PROBE("wrgsbase, write", &p, 0xf3, 0x48, 0x0f, 0xae, 0xd9, 0xf3, 0x48, 0x0f, 0xae, 0xca, 0x65, 0x89, 0x04, 0x25,
              8, 0, 0, 0); /* wrgsbase rcx; rdgsbase rdx; mov gs:8, eax */
        /* The kernel keeps the base over a system call. */
        p = (struct probe){.gpr = {[RCX] = bases[i], [RAX] = SYS_getpgrp}};
        PROBE("wrgsbase, syscall", &p, 0xf3, 0x48, 0x0f, 0xae, 0xd9, 0x0f, 0x05, 0xf3, 0x48, 0x0f, 0xae, 0xca);
        p = (struct probe){.gpr = {[RAX] = SYS_arch_prctl, [RDI] = 0x1001 /* ARCH_SET_GS */, [RSI] = bases[i]}};
        PROBE("arch_prctl", &p, 0x0f, 0x05, 0x65, 0x8b, 0x0c, 0x25, 8, 0, 0, 0); /* mov ecx, gs:8 */
        p = (struct probe){.gpr = {[RCX] = 0}};
        static const unsigned char clear[] = {0xf3, 0x48, 0x0f, 0xae, 0xd9}; /* wrgsbase 0 */
        probe_bytes(&p, clear, sizeof clear);
    }
}
