/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pic.c [9]: two cascaded 8259A interrupt controllers (Intel 231468).
 *
 * The BIOS leaves them on vectors that collide with exceptions; we move them to 32-47.
 *
 * Next: pit.c.
 */
#include "pic.h"

#include "pv_ops.h"

#define MASTER       0x20
#define SLAVE        0xa0
#define DATA(chip)   ((chip) + 1)
#define ICW1_INIT    0x11 /* ICW4 follows */
#define ICW4_8086    0x01
#define OCW2_EOI     0x20
#define OCW3_READ_IS 0x0b
#define CASCADE_IRQ  2
#define LINES        8
#define LOWEST_LINE  7 /* where a chip reports requests that went away */

static u16 mask = 0xffff & ~(1u << CASCADE_IRQ);

static void init_chip(u16 chip, u8 vector, u8 cascade)
{
    pv_outb(chip, ICW1_INIT);
    pv_outb(DATA(chip), vector);
    pv_outb(DATA(chip), cascade);
    pv_outb(DATA(chip), ICW4_8086);
}

static void write_mask(void)
{
    pv_outb(DATA(MASTER), (u8)mask);
    pv_outb(DATA(SLAVE), (u8)(mask >> LINES));
}

void pic_init(void)
{
    init_chip(MASTER, VEC_IRQ0, 1u << CASCADE_IRQ);
    init_chip(SLAVE, VEC_IRQ0 + LINES, CASCADE_IRQ);
    write_mask();
}

void pic_enable(unsigned irq)
{
    mask &= (u16) ~(1u << irq);
    write_mask();
}

static bool in_service(u16 chip, unsigned line)
{
    pv_outb(chip, OCW3_READ_IS);
    return pv_inb(chip) & (1u << line);
}

bool pic_begin(unsigned irq)
{
    u16 chip = irq < LINES ? MASTER : SLAVE;
    bool real = irq % LINES != LOWEST_LINE || in_service(chip, LOWEST_LINE);

    if (real)
        pv_outb(chip, OCW2_EOI);
    if (chip == SLAVE) /* the master saw its cascade line either way */
        pv_outb(MASTER, OCW2_EOI);
    return real;
}
