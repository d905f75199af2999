/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hole.c - jumps to every byte of the world's text, and to its other pages, with registers that would hurt if any of
 * its system calls went out to the host for us.
 *
 * For the guest nothing is mapped there: the right outcome is a page fault. A direct engine has code there; what that
 * code does before it notices that nobody has called it may spoil the program's own registers, or kill the program, but
 * no more: that is what a line says here, without registers.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

static const struct {
    const char *name;
    uint64_t gpr[GPRS];
} sets[] = {
    {"getpid", {[RAX] = SYS_getpid}},
    {"kill", {[RAX] = SYS_kill, [RDI] = (uint64_t)-1, [RSI] = 9}},
    {"mmap", {[RAX] = SYS_mmap, [RDI] = HOLE + 0x1000, [RSI] = 0x1000, [RDX] = 7, [R10] = 0x11, [R8] = 3}},
    {"mprotect", {[RAX] = SYS_mprotect, [RDI] = HOLE, [RSI] = 0x10000, [RDX] = 7}},
    {"write", {[RAX] = SYS_write, [RDI] = 1, [RSI] = HOLE, [RDX] = 4096}},
    {"sigreturn", {[RAX] = SYS_rt_sigreturn, [RSP] = HOLE + 0x8000}},
    {"commands", {[R12] = PROBE_DATA, [R13] = 64, [R15] = PROBE_CODE, [RBX] = PROBE_DATA, [RBP] = PROBE_DATA}},
};
static size_t set, first, last, stride;

/* A child's share. It may die of it; else it counts faults that are where they should be. */
static void jumps(void)
{
    static const unsigned char load[] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp [rip]: every register is free */
    unsigned char code[sizeof load + 8];
    unsigned strange = 0;

    for (size_t offset = first; offset < last; offset += stride) {
        struct probe p = {0};
        uint64_t target = HOLE + offset;

        memcpy(p.gpr, sets[set].gpr, sizeof p.gpr);
        memcpy(code, load, sizeof load);
        memcpy(code + sizeof load, &target, 8);
        probe_bytes(&p, code, sizeof code);
        strange += p.signal == 0;
    }
    if (strange)
        printf("%u jumps came back without a signal\n", strange);
}

/* The machine goes on: other processes live, the kernel answers. */
static void share(size_t from, size_t to, size_t step)
{
    pid_t pid;

    first = from, last = to, stride = step;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        jumps();
        fflush(stdout);
        _exit(0);
    }
    int status;
    if (syscall(SYS_wait4, pid, &status, 0, NULL) != pid)
        printf("the child is not there\n");
}

/*
 * A program may ask for a page of its own there. A direct engine that can't give it one must not do harm, either; what
 * the program reads there is its own affair.
 */
static void own_page(void)
{
    uint8_t *page = mmap((void *)(HOLE + 0x4000), 4 * PROBE_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    for (size_t i = 0; page != MAP_FAILED && i < 4 * PROBE_PAGE; i += 64) {
        struct probe p = {.gpr = {[RBX] = (uint64_t)page + i, [RAX] = 0xcc}};
        static const unsigned char store[] = {0x48, 0x89, 0x03}, jump[] = {0xff, 0xe3};
        probe_bytes(&p, store, sizeof store);
        p = (struct probe){.gpr = {[RBX] = (uint64_t)page + i}};
        probe_bytes(&p, jump, sizeof jump);
    }
}

/* Reads and writes there: no fault, perhaps, but nothing that anybody would miss. */
static void accesses(void)
{
    for (size_t offset = 0; offset < HOLE_SIZE; offset += 0x1f8) {
        static const unsigned char load[] = {0x48, 0x8b, 0x03}, store[] = {0x48, 0x89, 0x03},
                                   xrstor[] = {0x0f, 0xae, 0x0b};
        struct probe p = {.gpr = {[RBX] = HOLE + offset}};
        probe_bytes(&p, load, sizeof load);
        p = (struct probe){.gpr = {[RBX] = HOLE + offset, [RAX] = UINT64_MAX}};
        probe_bytes(&p, store, sizeof store);
        p = (struct probe){.gpr = {[RBX] = HOLE + offset}};
        probe_bytes(&p, xrstor, sizeof xrstor);
        p = (struct probe){.gpr = {[RSP] = HOLE + offset}};
        probe_bytes(&p, store, sizeof store); /* RBX is 0: a fault with that stack */
    }
}

static void in_child(const char *name, void (*f)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        f();
        _exit(0);
    }
    syscall(SYS_wait4, pid, NULL, 0, NULL);
    printf("hole, %s: done, and the machine lives\n", name);
}

void test_hole(void)
{
    for (set = 0; set < sizeof sets / sizeof *sets; set++) {
        for (size_t page = 0; page < 0x1000; page += 0x200)
            share(page + set, page + 0x200, set == 0 ? 1 : 17); /* every byte; then samples */
        share(0x1000, HOLE_SIZE, 0xbff);
        printf("hole, %s: done, and the machine lives\n", sets[set].name);
    }
    in_child("reads and writes", accesses);
    in_child("pages of one's own", own_page);
}
