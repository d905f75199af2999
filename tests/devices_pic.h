/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devices_pic.h - statements about the pair of 8259s (core/io/pic.c). Part of test_devices.c. */
#ifndef VIRTLAB_DEVICES_PIC_H
#define VIRTLAB_DEVICES_PIC_H

#include "devices_rig.h"
#include "io/pic.h"

static struct pic *pic;

/* Both chips as an operating system sets them up: vectors 0x20 and 0x28, `icw4` for the master. */
static void pic_program(uint8_t icw4)
{
    static const uint16_t base[2] = {0x20, 0xa0};
    for (unsigned chip = 0; chip < 2; chip++) {
        out(base[chip], 0x11);
        out(base[chip] + 1, (uint8_t)(0x20 + 8 * chip));
        out(base[chip] + 1, chip == 0 ? 0x04 : 0x02);
        out(base[chip] + 1, chip == 0 ? icw4 : 0x01);
    }
}

static void pic_start(uint8_t icw4)
{
    rig_start();
    pic = pic_create(&rig.ports, &rig.why);
    CHECK_FATAL(pic != NULL);
    pic_connect(pic, rig_line(0));
    if (icw4)
        pic_program(icw4);
}

static void pic_stop(void)
{
    pic_ops.destroy(pic);
}

static void pulse(unsigned irq)
{
    pic_set_irq(pic, irq, false);
    pic_set_irq(pic, irq, true);
}

static uint8_t pic_isr(uint16_t base)
{
    out(base, 0x0b);
    return in(base);
}

static uint8_t pic_irr(uint16_t base)
{
    out(base, 0x0a);
    return in(base);
}

static void pic_needs_initialisation(void)
{
    pic_start(0);
    for (unsigned irq = 0; irq < 16; irq++)
        pulse(irq);
    CHECK(!pic_has_interrupt(pic));
    pic_program(0x01);
    CHECK(!pic_has_interrupt(pic)); /* ICW1 forgets edges: each line must rise again */
    pulse(3);
    CHECK(pic_has_interrupt(pic) && rig.level[0]);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x23);
    CHECK(!rig.level[0]);
    pic_stop();
}

static void pic_vectors(void)
{
    for (unsigned irq = 0; irq < 16; irq++) {
        if (irq == 2)
            continue;
        vltest_row("irq %u", irq);
        pic_start(0x01);
        pulse(irq);
        CHECK(pic_has_interrupt(pic));
        CHECK_EQ_U64(pic_acknowledge(pic), 0x20 + irq);
        CHECK(!pic_has_interrupt(pic));
        CHECK_EQ_U64(pic_isr(0x20), irq < 8 ? 1u << irq : 1u << 2);
        CHECK_EQ_U64(pic_isr(0xa0), irq < 8 ? 0 : 1u << (irq - 8));
        pic_set_irq(pic, irq, true); /* still high: no edge, no interrupt, even after EOI */
        out(0xa0, 0x20);
        out(0x20, 0x20);
        CHECK(!pic_has_interrupt(pic));
        CHECK_EQ_U64(pic_isr(0x20), 0);
        CHECK_EQ_U64(pic_isr(0xa0), 0);
        pulse(irq);
        CHECK(pic_has_interrupt(pic));
        pic_stop();
    }
}

/* Lines that rise, masked ones, and what is in service from before; which vector comes, 0 for none. */
static void pic_priorities(void)
{
    static const struct {
        const char *text;
        uint16_t first, mask, then;
        uint8_t vector;
    } rows[] = {
        {"the lowest number wins", 0, 0, 0x00ff, 0x20},
        {"the slave comes in at place 2", 0, 0, 0x0108, 0x28},
        {"IRQ 1 before the slave", 0, 0, 0x0102, 0x21},
        {"a masked line is silent", 0, 0x0001, 0x0001, 0},
        {"the next one instead of the masked one", 0, 0x0001, 0x0009, 0x23},
        {"a masked cascade hides the slave", 0, 0x0004, 0xff00, 0},
        {"a lower one waits for what is in service", 0x0002, 0, 0x0008, 0},
        {"a higher one interrupts it", 0x0008, 0, 0x0002, 0x21},
        {"the same one waits", 0x0008, 0, 0x0008, 0},
        {"within the slave, lower waits", 0x0100, 0, 0x0200, 0},
        {"IRQ 3 waits for the slave's", 0x8000, 0, 0x0008, 0},
        {"IRQ 0 interrupts the slave's", 0x8000, 0, 0x0001, 0x20},
        {"fully nested: a higher slave input waits for the master's place 2", 0x8000, 0, 0x0100, 0},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].text);
        pic_start(0x01);
        for (unsigned irq = 0; irq < 16; irq++) {
            if (rows[i].first & (1u << irq)) {
                pulse(irq);
                pic_acknowledge(pic);
            }
        }
        out(0x21, rows[i].mask & 0xff);
        out(0xa1, rows[i].mask >> 8);
        for (unsigned irq = 0; irq < 16; irq++) {
            if (rows[i].then & (1u << irq))
                pulse(irq);
        }
        CHECK(pic_has_interrupt(pic) == (rows[i].vector != 0));
        if (rows[i].vector)
            CHECK_EQ_U64(pic_acknowledge(pic), rows[i].vector);
        pic_stop();
    }
}

static void pic_spurious(void)
{
    pic_start(0x01);
    pulse(4);
    CHECK(pic_has_interrupt(pic));
    pic_set_irq(pic, 4, false); /* withdrawn before the CPU came */
    CHECK(!pic_has_interrupt(pic));
    CHECK_EQ_U64(pic_acknowledge(pic), 0x27);
    CHECK_EQ_U64(pic_isr(0x20), 0); /* that is how a handler tells it from a real IRQ 7 */
    pulse(7);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x27);
    CHECK_EQ_U64(pic_isr(0x20), 0x80);
    pic_stop();
}

static void pic_spurious_slave(void)
{
    pic_start(0x01);
    pulse(9);
    CHECK(pic_has_interrupt(pic));
    pic_set_irq(pic, 9, false); /* withdrawn */
    CHECK(!pic_has_interrupt(pic));
    CHECK_EQ_U64(pic_acknowledge(pic), 0x2f);
    CHECK_EQ_U64(pic_isr(0xa0), 0x00);
    CHECK_EQ_U64(pic_isr(0x20), 0x04); /* the master doesn't know: it wants an EOI */
    out(0x20, 0x20);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x27); /* asked once more, it is the master's own */
    CHECK_EQ_U64(pic_isr(0x20), 0x00);
    pulse(10);
    out(0xa0, 0x0c); /* polled away by software */
    CHECK_EQ_U64(in(0xa0), 0x82);
    CHECK(!pic_has_interrupt(pic));
    CHECK_EQ_U64(pic_acknowledge(pic), 0x2f);
    CHECK_EQ_U64(pic_isr(0xa0), 0x04);
    pic_stop();
}

static void pic_level_triggered(void)
{
    pic_start(0x01);
    out(0x4d1, 0xff);
    CHECK_EQ_U64(in(0x4d1), 0xde); /* IRQ 8 and 13 can't be */
    out(0x4d0, 0xff);
    CHECK_EQ_U64(in(0x4d0), 0xf8); /* nor 0, 1, 2 */
    pic_set_irq(pic, 11, true);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x2b);
    CHECK(!pic_has_interrupt(pic));
    CHECK_EQ_U64(pic_irr(0xa0), 0x08); /* the request is the level itself */
    out(0xa0, 0x20);
    out(0x20, 0x20);
    CHECK(pic_has_interrupt(pic)); /* nobody has served the device: again */
    CHECK_EQ_U64(pic_acknowledge(pic), 0x2b);
    pic_set_irq(pic, 11, false);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    CHECK(!pic_has_interrupt(pic));
    pic_stop();
}

static void pic_auto_eoi(void)
{
    pic_start(0x03);
    pulse(5);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x25);
    CHECK_EQ_U64(pic_isr(0x20), 0);
    pulse(6); /* nothing is in service that could hold it up */
    CHECK_EQ_U64(pic_acknowledge(pic), 0x26);
    out(0x20, 0x80); /* rotate in automatic EOI mode */
    pulse(3);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x23); /* now 4 is first, 3 last */
    pulse(3);
    pulse(6);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x26);
    pic_stop();
}

static void pic_ends_of_interrupt(void)
{
    pic_start(0x01);
    pulse(5);
    pic_acknowledge(pic);
    pulse(1);
    pic_acknowledge(pic);
    CHECK_EQ_U64(pic_isr(0x20), 0x22);
    out(0x20, 0x65); /* specific: 5 */
    CHECK_EQ_U64(pic_isr(0x20), 0x02);
    pulse(5);
    out(0x20, 0x20); /* non-specific: the one with the highest priority */
    CHECK_EQ_U64(pic_isr(0x20), 0);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x25);
    out(0x20, 0xa0); /* rotate on non-specific EOI: 5 becomes the last */
    pulse(5);
    pulse(7);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x27);
    out(0x20, 0xe7); /* rotate on specific EOI: 7 the last, 0 the first */
    pulse(0);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x20);
    out(0x20, 0x60);
    out(0x20, 0xc3); /* set priority: 3 the last, 4 the first */
    pulse(0);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x25); /* pending since before */
    pic_stop();
}

static void pic_special_mask(void)
{
    pic_start(0x01);
    pulse(1);
    pic_acknowledge(pic);
    pulse(6);
    CHECK(!pic_has_interrupt(pic));
    out(0x21, 0x02); /* masks what is in service: no difference yet */
    CHECK(!pic_has_interrupt(pic));
    out(0x20, 0x68); /* special mask mode */
    CHECK(pic_has_interrupt(pic));
    CHECK_EQ_U64(pic_acknowledge(pic), 0x26);
    out(0x20, 0x20); /* a non-specific EOI doesn't see the masked one */
    CHECK_EQ_U64(pic_isr(0x20), 0x02);
    out(0x20, 0x48); /* mode off */
    pulse(6);
    CHECK(!pic_has_interrupt(pic));
    pic_stop();
}

static void pic_special_fully_nested(void)
{
    pic_start(0x11);
    pulse(15);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x2f);
    pulse(8); /* higher within the slave: comes through at once */
    CHECK(pic_has_interrupt(pic));
    CHECK_EQ_U64(pic_acknowledge(pic), 0x28);
    pulse(3);
    CHECK(!pic_has_interrupt(pic)); /* the master's other inputs wait as before */
    out(0xa0, 0x20);
    CHECK_EQ_U64(pic_isr(0xa0), 0x80); /* not empty: the master gets no EOI yet */
    out(0xa0, 0x20);
    out(0x20, 0x20);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x23);
    pic_stop();
}

static void pic_poll(void)
{
    pic_start(0x01);
    out(0x20, 0x0c);
    CHECK_EQ_U64(in(0x20), 0x00);
    pulse(4);
    out(0x20, 0x0c);
    CHECK_EQ_U64(in(0x20), 0x84);
    CHECK_EQ_U64(pic_isr(0x20), 0x10);
    CHECK(!pic_has_interrupt(pic));
    out(0x21, 0x5a);
    CHECK_EQ_U64(in(0x21), 0x5a); /* the poll is over: the mask again */
    pic_stop();
}

static void pic_back_to_back(void)
{
    pic_start(0x01);
    pulse(12);
    pulse(14); /* both wait in the slave: its output never falls in between */
    CHECK_EQ_U64(pic_acknowledge(pic), 0x2c);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    CHECK(pic_has_interrupt(pic));
    CHECK_EQ_U64(pic_acknowledge(pic), 0x2e);
    pic_stop();
}

#define PIC_TESTS                                                                                               \
    {"PIC: delivers nothing before it is initialised", pic_needs_initialisation},                               \
        {"PIC: each line has its vector, once for each edge", pic_vectors},                                     \
        {"PIC: priorities, masks and nesting", pic_priorities},                                                 \
        {"PIC: a request withdrawn before acknowledge gives the spurious IRQ 7, with ISR clear", pic_spurious}, \
        {"PIC: one withdrawn from the slave gives the spurious IRQ 15, with the master's ISR set",              \
         pic_spurious_slave},                                                                                   \
        {"PIC: level-triggered lines ask again after EOI while they are high", pic_level_triggered},            \
        {"PIC: automatic EOI leaves nothing in service, and can rotate", pic_auto_eoi},                         \
        {"PIC: specific, non-specific and rotating EOI", pic_ends_of_interrupt},                                \
        {"PIC: special mask mode lets lower priorities through", pic_special_mask},                             \
        {"PIC: special fully nested mode lets the slave interrupt itself", pic_special_fully_nested},           \
        {"PIC: a poll acknowledges", pic_poll},                                                                 \
    {                                                                                                           \
        "PIC: two requests of the slave follow each other", pic_back_to_back                                    \
    }

#endif
