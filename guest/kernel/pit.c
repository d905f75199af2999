/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pit.c [10]: the 8254 interval timer (Intel 231164).
 *
 * Channel 0 ticks 100 times a second on IRQ 0.  Channel 2, whose gate and output are visible in
 * port 0x61, is a stop-watch against which the TSC is measured at boot.
 *
 * Next: clock.c.
 */
#include "clock.h"
#include "pic.h"
#include "pv_ops.h"

#define CHANNEL0   0x40
#define CHANNEL2   0x42
#define COMMAND    0x43
#define CMD_TICK   0x34 /* channel 0, low then high byte, mode 2: rate generator */
#define CMD_ONCE   0xb0 /* channel 2, low then high byte, mode 0: OUT rises at the end */
#define PORT_B     0x61
#define GATE2      0x01
#define SPEAKER    0x02
#define OUT2       0x20
#define WINDOW     (PIT_HZ / 100) /* 10 ms */
#define MAX_POLLS  20000000u
#define TRIES      3
#define MAX_JITTER 64 /* accept an end seen with a doubt of 1/64 of the window */

static void load(u16 channel, u16 count)
{
    pv_outb(channel, (u8)count);
    pv_outb(channel, (u8)(count >> 8));
}

void pit_start_tick(void)
{
    if (pv_tick_start())
        return;
    pv_outb(COMMAND, CMD_TICK);
    load(CHANNEL0, (PIT_HZ + TICK_HZ / 2) / TICK_HZ);
    pic_enable(IRQ_TIMER);
}

/* TSC ticks in one window; *doubt is how long ago the end may have been when it was seen. */
static u64 measure(u64 *doubt)
{
    u64 start, before, now;
    u32 polls = 0;

    pv_outb(PORT_B, (pv_inb(PORT_B) & (u8) ~(SPEAKER | GATE2)) | GATE2);
    pv_outb(COMMAND, CMD_ONCE);
    load(CHANNEL2, WINDOW);
    start = now = pv_rdtsc();
    do {
        before = now;
        if (++polls == MAX_POLLS)
            return 0;
        if (pv_inb(PORT_B) & OUT2)
            break;
        now = pv_rdtsc();
    } while (true);
    now = pv_rdtsc();
    *doubt = now - before;
    return now - start;
}

/* A host may take the CPU away at the very end of the window: then measure again. */
u64 pit_measure_tsc_hz(void)
{
    u64 ticks = 0, doubt = 0;

    for (int i = 0; i < TRIES; i++) {
        ticks = measure(&doubt);
        if (doubt <= ticks / MAX_JITTER)
            break;
    }
    return ticks * PIT_HZ / WINDOW;
}
