/* SPDX-License-Identifier: GPL-2.0-or-later */
/* addresses.c - reads, writes and jumps where a program has nothing: page 0, the kernel, the hole, beyond canonical. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

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
    HOLE,
    HOLE + 0x123,
    HOLE + 0x1000,
    HOLE + 0x1008,
    HOLE + 0x2000,
    HOLE + 0x5000,
    HOLE + 0x7100,
    HOLE + 0xfffc,
    HOLE + 0x10000,
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
    p = (struct probe){.gpr = {[RBX] = place, [RAX] = 0x1000}};
    if (place < HOLE || place >= HOLE + HOLE_SIZE) { /* jumps there: hole.c */
        snprintf(name, sizeof name, "%lx jump", place);
        PROBE(name, &p, 0xff, 0xe3);
        p = (struct probe){.gpr = {[RBX] = place}};
        snprintf(name, sizeof name, "%lx call", place);
        PROBE(name, &p, 0xff, 0xd3);
    }
    p = (struct probe){.gpr = {[RBX] = place}};
    snprintf(name, sizeof name, "%lx fxrstor", place);
    PROBE(name, &p, 0x0f, 0xae, 0x0b);
}

/* A program may have a page of its own in the hole: then it is a page like any other. */
static void own_page_in_the_hole(void)
{
    static const unsigned char code[] = {0xb8, 0x02, 0, 0, 0, 0x0f, 0xa2, 0xcc}; /* mov eax, 2; cpuid; int3 */
    uint8_t *page = mmap((void *)(HOLE + 0x1000), 2 * PROBE_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (page == MAP_FAILED) {
        printf("own page in the hole: mmap refused\n");
        return;
    }
    printf("own page in the hole: reads %x\n", page[5]);
    memcpy(page + 0x100, code, sizeof code);
    struct probe p = {.rip = (uint64_t)page + 0x100};
    probe_run(&p);
    printf("own page in the hole: runs to %lx, signal %d, rax %lx\n", p.rip, p.signal, p.gpr[RAX]);
    memset(page, 0x5a, PROBE_PAGE);
    uint64_t sum = 0;
    for (unsigned i = 0; i < 2 * PROBE_PAGE; i++)
        sum = sum * 31 + page[i];
    printf("own page in the hole: sum %lx\n", sum);
    munmap(page, 2 * PROBE_PAGE);
    p = (struct probe){.gpr = {[RBX] = (uint64_t)page}};
    PROBE("own page in the hole, gone", &p, 0x8b, 0x03);
}

void test_addresses(void)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        at_place(places[i]);
    own_page_in_the_hole();
}
