/* SPDX-License-Identifier: GPL-2.0-or-later */
/* addresses.c - reads, writes and jumps where a program has nothing: page 0, the kernel, the hole, beyond canonical. */
#include <stdio.h>
#include <string.h>

#include "probe.h"

static const uint64_t places[] = {
    0,
    8,
    0xffc,
    0xfff,
    0x1000,
    0xffff,
    0x10000, /* page 0, and those above it */
    PROBE_DATA - 1,
    PROBE_DATA - 4,
    PROBE_DATA + 2 * PROBE_PAGE - 4,
    PROBE_DATA + 2 * PROBE_PAGE - 3, /* edges */
    HOLE - 4,
    HOLE - 3,
    HOLE + HOLE_SIZE, /* in the hole: hole.c */
    0x3ffffffffffd,
    0x400000000000,
    0x400000100000,
    0x400000101000,
    0x400007ffff00, /* the guest's kernel */
    0x5500deadb000,
    0x7f0000000000,
    0x7ffffffde000,
    0x7fffffffe000,
    0x7ffffffff000,
    0x7ffffffffffc,
    0x7ffffffffffd,
    0x800000000000,
    0x800000000fff,
    0xdeadbeefdeadbeef,
    0xffff7ffffffffff0, /* not canonical */
    0xffff800000000000,
    0xffff888000000000,
    0xfffffe0000000000,
    0xffffffff81000000, /* where Linux's kernel is */
    0xffffffffff600000,
    0xffffffffff600400,
    0xffffffffff600800, /* its vsyscall page */
    0xfffffffffffff000,
    0xfffffffffffffffc,
    0xffffffffffffffff,
};

/*
 * A jump to the host's vsyscall page leaves the number of a system call in RAX, whatever the guest had there: it can't
 * be had back. So have that in it.
 */
static uint64_t call_number(uint64_t place)
{
    switch (place) {
    case 0xffffffffff600000: return 96;
    case 0xffffffffff600400: return 201;
    case 0xffffffffff600800: return 309;
    default: return 0x1000;
    }
}

static void at_place(uint64_t place)
{
    char name[64];
    struct probe p = {.gpr = {[RBX] = place, [RAX] = 0x55}};

    snprintf(name, sizeof name, "%lx read", place);
    PROBE(name, &p, 0x8b, 0x03); /* mov eax, [rbx] */
    p = (struct probe){.gpr = {[RBX] = place, [RAX] = 0x55}};
    snprintf(name, sizeof name, "%lx write", place);
    PROBE(name, &p, 0x89, 0x03);
    p = (struct probe){.gpr = {[RBX] = place, [RAX] = 0x55}};
    snprintf(name, sizeof name, "%lx read and write", place);
    PROBE(name, &p, 0xf0, 0x01, 0x03); /* lock add [rbx], eax */
    p = (struct probe){.gpr = {[RSI] = PROBE_DATA, [RDI] = place, [RCX] = 3}};
    snprintf(name, sizeof name, "%lx rep movs", place);
    PROBE(name, &p, 0xf3, 0xa5);
    p = (struct probe){.gpr = {[RSP] = place + 8}};
    snprintf(name, sizeof name, "%lx push", place);
    PROBE(name, &p, 0x50);
    if (place >= PROBE_DATA - 4 && place < PROBE_DATA + 2 * PROBE_PAGE)
        return;
    p = (struct probe){.gpr = {[RBX] = place, [RAX] = call_number(place)}};
    snprintf(name, sizeof name, "%lx jump", place);
    PROBE(name, &p, 0xff, 0xe3);
    p = (struct probe){.gpr = {[RBX] = place, [RAX] = call_number(place)}};
    snprintf(name, sizeof name, "%lx call", place);
    PROBE(name, &p, 0xff, 0xd3);
    p = (struct probe){.gpr = {[RBX] = place}};
    snprintf(name, sizeof name, "%lx fxrstor", place);
    PROBE(name, &p, 0x0f, 0xae, 0x0b);
}

void test_addresses(void)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        at_place(places[i]);
}
