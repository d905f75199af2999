/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * power.c - marks for the VMM, and the end of the machine. The OS guest does the same (guest/kernel/power.c).
 *
 * Virtlab's service port takes (command << 16) | argument. Elsewhere nobody listens there, and power-off goes on to
 * QEMU's debug-exit port, then to a reset by the keyboard controller.
 */
#include "runtime.h"

#define SERVICE_PORT    0xf8
#define SERVICE_MARK    1u
#define SERVICE_OFF     2u
#define DEBUG_EXIT_PORT 0xf4
#define KEYBOARD        0x64
#define KEYBOARD_RESET  0xfe

bool mark_serial;

void mark(unsigned n)
{
    outl(SERVICE_PORT, SERVICE_MARK << 16 | (n & 0xffff));
    if (mark_serial)
        print("@mark %u\n", n);
}

_Noreturn void power_off(unsigned status)
{
    console_drain();
    outl(SERVICE_PORT, SERVICE_OFF << 16 | (status & 0xff));
    outb(DEBUG_EXIT_PORT, (uint8_t)status);
    outb(KEYBOARD, KEYBOARD_RESET);
    for (;;)
        __asm__ volatile("hlt");
}
