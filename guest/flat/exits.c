/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exits.c - a guest that does known numbers of what a hypervisor must see, and says how many. `exits.elf` is held
 * against what engines count: tests/test_exit_counts.sh.
 *
 *   -- [NAME=N ...]    exits: ok cpuid=N out=N in=N outs=N read=N write=N hlt=N
 *
 * Nothing here depends on time: a HLT stands in the shadow of the STI before it (SDM 2, STI), so the timer's interrupt
 * can't come between the two, and each HLT is executed exactly once and woken by the one interrupt of a single shot.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

enum { POST = 0x80, OTHER = 0x84, STRING = 0x88 }; /* ports for OUT, IN and REP OUTS; no device has them */

/* The local APIC (SDM 3, 11.4.1): its version, and the logical destination, which only clusters of CPUs use. */
#define APIC_VERSION ((volatile uint32_t *)0xfee00030)
#define APIC_LOGICAL ((volatile uint32_t *)0xfee000d0)

/* ---- one interrupt ---- */

enum { PIC1 = 0x20, PIC1_DATA = 0x21, PIC2 = 0xa0, PIC2_DATA = 0xa1, ALL = 0xff, ALL_BUT_TIMER = 0xfe, EOI = 0x20 };
enum { PIT_CHANNEL0 = 0x40, PIT_COMMAND = 0x43, PIT_SINGLE_SHOT = 0x30, MILLISECOND = 1193 };
enum { VECTOR = 32, GATE_INTERRUPT = 0x8e };

static volatile unsigned ticks;
static uint64_t idt[2 * (VECTOR + 1)]; /* 16 bytes a gate (SDM 3, 6.14.1) */

void on_timer(void);
__asm__("on_timer:\n"
        "   incl    ticks(%rip)\n"
        "   iretq\n");

static void use_timer(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } idtr = {sizeof idt - 1, (uint64_t)idt};
    uint64_t at = (uint64_t)on_timer, cs;

    __asm__ volatile("mov %%cs, %0" : "=r"(cs));
    idt[2 * VECTOR] = (at & 0xffff) | cs << 16 | (uint64_t)GATE_INTERRUPT << 40 | (at >> 16 & 0xffff) << 48;
    idt[2 * VECTOR + 1] = at >> 32;
    __asm__ volatile("lidt %0" : : "m"(idtr), "m"(idt));
    outb(PIC1, 0x11); /* ICW1 to ICW4 */
    outb(PIC1_DATA, VECTOR);
    outb(PIC1_DATA, 1 << 2);
    outb(PIC1_DATA, 1);
    outb(PIC2_DATA, ALL);
    outb(PIC1_DATA, ALL_BUT_TIMER);
}

/* ---- what can be done, once each ---- */

static void do_cpuid(unsigned n)
{
    uint32_t eax, ebx, ecx = 0, edx;

    while (n--)
        __asm__ volatile("cpuid" : "=a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx) : "0"(0));
}

static void do_out(unsigned n)
{
    while (n--)
        outb(POST, (uint8_t)n);
}

static void do_in(unsigned n)
{
    while (n--)
        (void)inb(OTHER);
}

static void do_outs(unsigned n)
{
    static const char bytes[4096];
    const char *from = bytes;
    uint64_t count = n < sizeof bytes ? n : sizeof bytes;

    __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(STRING) : "memory");
}

static void do_read(unsigned n)
{
    while (n--)
        (void)*APIC_VERSION;
}

static void do_write(unsigned n)
{
    while (n--)
        *APIC_LOGICAL = n << 24;
}

static void do_hlt(unsigned n)
{
    use_timer();
    while (n--) {
        outb(PIT_COMMAND, PIT_SINGLE_SHOT);
        outb(PIT_CHANNEL0, MILLISECOND & 0xff);
        outb(PIT_CHANNEL0, MILLISECOND >> 8);
        __asm__ volatile("sti; hlt; cli" : : : "memory");
        outb(PIC1, EOI);
    }
}

static struct deed {
    const char *name;
    void (*run)(unsigned n);
    unsigned n;
} deeds[] = {
    {"cpuid", do_cpuid, 0}, {"out", do_out, 0},     {"in", do_in, 0},   {"outs", do_outs, 0},
    {"read", do_read, 0},   {"write", do_write, 0}, {"hlt", do_hlt, 0},
};

static bool take(const char *word)
{
    size_t length = strcspn(word, "=");

    for (unsigned i = 0; word[length] && i < ARRAY_SIZE(deeds); i++) {
        if (strlen(deeds[i].name) == length && strncmp(deeds[i].name, word, length) == 0) {
            deeds[i].n = (unsigned)strtoul(word + length + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

int flat_main(int argc, char **argv)
{
    unsigned hlts = 0;

    for (int i = 0; i < argc; i++) {
        if (!take(argv[i])) {
            print("usage: exits [cpuid=N] [out=N] [in=N] [outs=N] [read=N] [write=N] [hlt=N]\n");
            return 2;
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(deeds); i++) {
        if (deeds[i].n)
            deeds[i].run(deeds[i].n);
        hlts = deeds[i].n; /* HLT is the last */
    }
    print("exits: %s", ticks == hlts ? "ok" : "FAILED: HLTs and interrupts differ in number:");
    for (unsigned i = 0; i < ARRAY_SIZE(deeds); i++)
        print(" %s=%u", deeds[i].name, deeds[i].n);
    print(" ticks=%u\n", ticks);
    return ticks == hlts ? 0 : 1;
}
