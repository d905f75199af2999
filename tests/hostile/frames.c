/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frames.c - forged signal frames for rt_sigreturn: registers that no interrupted program can have had. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "probe.h"

struct forged {
    const char *name;
    int reg; /* of gregs[] */
    uint64_t value;
};

static const struct forged forgeries[] = {
    {"nothing", REG_RAX, 7},
    {"rip in the kernel", REG_RIP, 0x400000100000},
    {"rip at the end of user space", REG_RIP, 0x3fffffffffff},
    {"rip not canonical", REG_RIP, 0x800000000000},
    {"rip in the upper half", REG_RIP, 0xffffffff81000000},
    {"rip in page 0", REG_RIP, 0},
    {"rsp in the kernel", REG_RSP, 0x400000200000},
    {"rsp not canonical", REG_RSP, 0x8000000000000000},
    {"IOPL 3", REG_EFL, 0x3202},
    {"IF off", REG_EFL, 0x2},
    {"NT", REG_EFL, 0x4202},
    {"VM", REG_EFL, 0x20202},
    {"RF", REG_EFL, 0x10202},
    {"AC", REG_EFL, 0x40202},
    {"ID, VIF, VIP", REG_EFL, 0x380202},
    {"TF", REG_EFL, 0x302},
    {"DF", REG_EFL, 0x602},
    {"all flags", REG_EFL, -1},
    {"cs of the kernel", REG_CSGSFS, 0x0008},
    {"cs of the host's 32-bit code", REG_CSGSFS, 0x0023},
    {"cs null", REG_CSGSFS, 0},
    {"gs and fs of something", REG_CSGSFS, 0x0018001800330033},
};

static const struct forged *forgery;
static uint64_t fp_at;
static uint32_t mxcsr = 0x1f80;

/* The frame on the probe's stack as the kernel lays it out, and RSP where rt_sigreturn looks for it. */
static void forge(void)
{
    static uint8_t fx[512] __attribute__((aligned(64)));
    uint8_t *at = (uint8_t *)(PROBE_STACK - 0x1000);
    ucontext_t *uc = (ucontext_t *)at;
    struct probe p = {.gpr = {[RAX] = SYS_rt_sigreturn, [RSP] = (uint64_t)at}};
    static const unsigned char code[] = {0x0f, 0x05, 0xcc, 0x9c, 0x58, 0xcc}; /* syscall; int3; pushf; pop rax; int3 */

    memset(at, 0, 0x600);
    memcpy(fx + 24, &mxcsr, 4);
    fx[0] = 0x7f, fx[1] = 3;
    greg_t *r = uc->uc_mcontext.gregs;
    r[REG_RIP] = PROBE_CODE + 3, r[REG_RSP] = PROBE_STACK - 0x800, r[REG_EFL] = 0x202, r[REG_CSGSFS] = 0x2b;
    if (forgery)
        r[forgery->reg] = (greg_t)forgery->value;
    uc->uc_mcontext.fpregs = (void *)(fp_at ? fp_at : (uint64_t)fx);
    probe_bytes(&p, code, sizeof code);
    probe_print("   returned", &p);
}

void test_frames(void)
{
    static const struct {
        const char *name;
        uint64_t at;
    } areas[] = {{"FPU image in the kernel", 0x400000100000},
                 {"not canonical", 0x800000000000},
                 {"misaligned", PROBE_DATA + 3},
                 {"at the end of what is mapped", PROBE_DATA + 2 * PROBE_PAGE - 256}};

    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        forgery = &forgeries[i];
        probe_child(forgery->name, forge);
    }
    forgery = NULL;
    for (size_t i = 0; i < sizeof areas / sizeof *areas; i++) {
        fp_at = areas[i].at;
        memset((void *)PROBE_DATA, 0, 2 * PROBE_PAGE);
        probe_child(areas[i].name, forge);
    }
    fp_at = 0;
    mxcsr = 0xffffffff;
    probe_child("MXCSR with reserved bits", forge);
    mxcsr = 0;
    probe_child("MXCSR without masks", forge);
    mxcsr = 0x1f80;
}
