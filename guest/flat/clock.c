/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c - time: the time-stamp counter, and how fast it runs.
 *
 * Its frequency is asked of CPUID, leaf 0x15 (SDM 2, CPUID) or the hypervisors' timing leaf 0x40000010. Where neither
 * is offered it is measured against channel 2 of the PIT (Intel 8254), whose gate and output are visible at port 0x61.
 * Where there is no PIT either, the frequency is unknown and all times are 0.
 */
#include "runtime.h"

#define PIT_HZ     1193182u
#define CHANNEL2   0x42
#define COMMAND    0x43
#define CMD_ONCE   0xb0 /* channel 2, low then high byte, mode 0: OUT falls now and rises at the end */
#define PORT_B     0x61
#define GATE2      0x01
#define SPEAKER    0x02
#define OUT2       0x20
#define WINDOW     (PIT_HZ / 100) /* 10 ms */
#define MAX_POLLS  1000000u
#define TRIES      3
#define MAX_JITTER 64 /* an end seen with a doubt of 1/64 of the window is good enough */

#define NSEC_PER_SEC      1000000000u
#define CPUID_FEATURES    1
#define HYPERVISOR        0x80000000u /* in ECX of leaf 1 */
#define CPUID_TSC         0x15
#define CPUID_HYPERVISORS 0x40000000u
#define CPUID_TIMING      0x40000010u

static uint64_t ns_per_tick; /* 32.32 fixed point; 0: unknown */
static uint64_t start;

struct leaf {
    uint32_t eax, ebx, ecx, edx;
};

static struct leaf cpuid(uint32_t number)
{
    struct leaf leaf = {.eax = number};

    __asm__ volatile("cpuid" : "+a"(leaf.eax), "=b"(leaf.ebx), "+c"(leaf.ecx), "=d"(leaf.edx));
    return leaf;
}

static uint64_t hz_from_cpuid(void)
{
    struct leaf leaf;

    if (cpuid(0).eax >= CPUID_TSC) {
        leaf = cpuid(CPUID_TSC); /* ECX: the crystal's frequency; EBX / EAX: ticks to the crystal's */
        if (leaf.eax && leaf.ebx && leaf.ecx)
            return (uint64_t)leaf.ecx * leaf.ebx / leaf.eax;
    }
    if ((cpuid(CPUID_FEATURES).ecx & HYPERVISOR) && cpuid(CPUID_HYPERVISORS).eax >= CPUID_TIMING)
        return cpuid(CPUID_TIMING).eax * 1000ull;
    return 0;
}

/* Ticks in one window, 0 if there is no PIT. *doubt: how long ago the end may have been when it was seen. */
static uint64_t measure(uint64_t *doubt)
{
    uint64_t begin, before, now;

    outb(PORT_B, (uint8_t)((inb(PORT_B) & ~SPEAKER) | GATE2));
    outb(COMMAND, CMD_ONCE);
    outb(CHANNEL2, WINDOW & 0xff);
    outb(CHANNEL2, WINDOW >> 8);
    begin = now = rdtsc();
    if (inb(PORT_B) & OUT2)
        return 0; /* it must be low: here answers an empty bus */
    for (unsigned polls = 0; polls < MAX_POLLS; polls++) {
        before = now;
        if (inb(PORT_B) & OUT2) {
            now = rdtsc();
            *doubt = now - before;
            return now - begin;
        }
        now = rdtsc();
    }
    return 0;
}

/* A host may take the CPU away at the very end of the window: then measure again. */
static uint64_t hz_from_pit(void)
{
    uint64_t ticks = 0, doubt = 0;

    for (int i = 0; i < TRIES; i++) {
        ticks = measure(&doubt);
        if (doubt <= ticks / MAX_JITTER)
            break;
    }
    return ticks * PIT_HZ / WINDOW;
}

void clock_init(void)
{
    uint64_t hz = hz_from_cpuid();

    if (!hz)
        hz = hz_from_pit();
    ns_per_tick = hz ? ((uint64_t)NSEC_PER_SEC << 32) / hz : 0;
    start = rdtsc();
}

uint64_t clock_ns(void)
{
    return (uint64_t)((unsigned __int128)(rdtsc() - start) * ns_per_tick >> 32);
}
