/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flags.c - POPF of every bit, what stays of it, and what a program can learn of flags that are the kernel's. */
#include <stdio.h>

#include "probe.h"

void test_flags(void)
{
    for (unsigned bit = 0; bit < 22; bit++) {
        if (bit == 8)
            continue; /* TF: below */
        for (unsigned to = 0; to < 2; to++) {
            char name[48];
            struct probe p = {.gpr = {[RAX] = to ? 2ul | 1ul << bit : 0x3ffed7ul & ~(1ul << bit)}};
            snprintf(name, sizeof name, "popf, bit %u %s", bit, to ? "alone" : "missing");
            PROBE(name, &p, 0x50, 0x9d, 0x9c, 0x58, 0x31, 0xdb, 0x53,
                  0x9d); /* push rax; popf; pushf; pop rax; 0; popf */
        }
    }
    struct probe p = {.gpr = {[RAX] = 0x302}};
    PROBE("TF by popf", &p, 0x50, 0x9d, 0x90, 0x90, 0x90);
    p = (struct probe){.rflags = 0x100};
    PROBE("stepped cpuid", &p, 0x0f, 0xa2, 0x90);
    p = (struct probe){.rflags = 0x100, .gpr = {[RCX] = 3, [RSI] = PROBE_DATA, [RDI] = PROBE_DATA + 64}};
    PROBE("stepped rep movsb", &p, 0xf3, 0xa4, 0x90);
    p = (struct probe){.rflags = 0x100};
    PROBE("stepped pushf", &p, 0x9c, 0x58, 0x90);
    p = (struct probe){.rflags = 0x40000, .gpr = {[RBX] = PROBE_DATA + 1}};
    PROBE("AC and a misaligned read", &p, 0x8b, 0x03);
    p = (struct probe){.rflags = 0x400, .gpr = {[RCX] = 3, [RSI] = PROBE_DATA + 64, [RDI] = PROBE_DATA + 128}};
    PROBE("backwards", &p, 0xf3, 0xa4);
    p = (struct probe){.gpr = {[RBX] = 0}};
    PROBE("division by zero", &p, 0x48, 0xf7, 0xf3);
    p = (struct probe){.gpr = {[RAX] = 1ul << 63, [RDX] = UINT64_MAX, [RBX] = UINT64_MAX}};
    PROBE("quotient too large", &p, 0x48, 0xf7, 0xfb);
    p = (struct probe){.gpr = {[RSP] = 0x800000000100}};
    PROBE("push, RSP not canonical", &p, 0x50);
    p = (struct probe){.gpr = {[RBP] = 0x800000000100}};
    PROBE("[rbp], not canonical", &p, 0x8b, 0x45, 0);
    p = (struct probe){.gpr = {[RBX] = PROBE_DATA + 8}};
    PROBE("movaps, misaligned", &p, 0x0f, 0x28, 0x03);
}
