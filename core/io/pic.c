/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pic.c - two 8259A interrupt controllers, cascaded as in the PC/AT: the slave's INT is the master's input 2.
 *
 * Names and numbers are the data sheet's: ICW1-4 initialise a chip, OCW1-3 operate it; IRR holds requests, ISR what is
 * in service, IMR what is masked. In edge mode a request is latched by a rising edge and withdrawn when the line falls
 * before it was acknowledged; then the CPU's acknowledge finds nothing and gets the spurious IRQ 7.
 *
 * Read next: lapic.c, which INTR goes to.
 */
#include "io/pic.h"
#include <errno.h>
#include <stdlib.h>

enum { CASCADE = 2, SPURIOUS = 7, NONE = -1 };

struct pic {
    struct pic_chip master, slave;
    struct irq_line intr;
    bool intr_level;
    int announced; /* the master's input that INTR was last raised for */
};

#define ICW1_IC4       0x01 /* ICW4 will follow */
#define ICW1_SNGL      0x02 /* no cascade: no ICW3 */
#define ICW1_LTIM      0x08 /* all inputs are level-triggered */
#define ICW1           0x10
#define ICW4_AEOI      0x02
#define ICW4_SFNM      0x10
#define OCW3           0x08
#define OCW3_RIS       0x01
#define OCW3_RR        0x02
#define OCW3_POLL      0x04
#define OCW3_SMM       0x20
#define OCW3_ESMM      0x40
#define POLL_INTERRUPT 0x80

#define ELCR_MASTER 0xf8 /* 0, 1 and 2 are always edge-triggered */
#define ELCR_SLAVE  0xde /* and 8 and 13 */

static uint8_t level_triggered(const struct pic_chip *chip)
{
    return chip->icw1 & ICW1_LTIM ? 0xff : chip->elcr;
}

static uint8_t irr(const struct pic_chip *chip)
{
    uint8_t level = level_triggered(chip);
    return (chip->latched & (uint8_t)~level) | (chip->lines & level);
}

/* How far `irq` is from the highest priority: 0 is the highest. */
static int rank(const struct pic_chip *chip, int irq)
{
    return (irq - chip->first) & 7;
}

/* The member of `set` with the highest priority, or NONE. */
static int highest(const struct pic_chip *chip, uint8_t set)
{
    for (int i = 0; i < 8; i++) {
        int irq = (chip->first + i) & 7;
        if (set & (1 << irq))
            return irq;
    }
    return NONE;
}

/* The request that the chip's INT output stands for, or NONE when INT is low. */
static int request(const struct pic_chip *chip, bool is_master)
{
    if (chip->step != PIC_OPERATES)
        return NONE;
    int irq = highest(chip, irr(chip) & (uint8_t)~chip->imr);
    if (irq == NONE)
        return NONE;
    /* In the special mask mode, what is masked blocks nobody although it is in service. */
    int in_service = highest(chip, chip->special_mask ? chip->isr & (uint8_t)~chip->imr : chip->isr);
    if (in_service == NONE || rank(chip, irq) < rank(chip, in_service))
        return irq;
    if (irq == in_service && irq == CASCADE && is_master && chip->special_fully_nested)
        return irq; /* the slave has something more urgent than what it has in service */
    return NONE;
}

/* Passes the chips' outputs on: the slave's to the master, the master's to the CPU. */
static void update(struct pic *pic)
{
    uint8_t cascade = request(&pic->slave, false) != NONE ? 1 << CASCADE : 0;
    pic->master.lines = (pic->master.lines & ~(1 << CASCADE)) | cascade;
    /* Two chips side by side never miss each other's edge: the latch follows the wire. */
    pic->master.latched = (pic->master.latched & ~(1 << CASCADE)) | cascade;

    int irq = request(&pic->master, true);
    bool level = irq != NONE;
    if (level)
        pic->announced = irq;
    if (level != pic->intr_level) {
        pic->intr_level = level;
        irq_set(&pic->intr, level);
    }
}

static void set_line(struct pic_chip *chip, unsigned input, bool level)
{
    uint8_t bit = (uint8_t)(1u << input);
    if (level) {
        if (!(chip->lines & bit))
            chip->latched |= bit;
        chip->lines |= bit;
    } else {
        chip->lines &= ~bit;
        chip->latched &= ~bit;
    }
}

void pic_set_irq(void *device, unsigned irq, bool level)
{
    struct pic *pic = device;
    if (irq >= 16 || irq == CASCADE)
        return;
    set_line(irq < 8 ? &pic->master : &pic->slave, irq & 7, level);
    update(pic);
}

/* One chip's part in the INTA cycles: its request goes into service. The input's number. */
static int acknowledge(struct pic_chip *chip, int irq)
{
    if (irq == NONE)
        return SPURIOUS;
    chip->latched &= ~(1 << irq);
    if (!chip->auto_eoi)
        chip->isr |= 1 << irq;
    else if (chip->rotate_on_auto_eoi)
        chip->first = (irq + 1) & 7;
    return irq;
}

uint8_t pic_acknowledge(struct pic *pic)
{
    int irq = request(&pic->master, true);
    /* When the slave has withdrawn, it is still the one that the master asks: a spurious IRQ 15, with ISR 2 set here.
     */
    if (irq == NONE && pic->announced == CASCADE)
        irq = CASCADE;
    pic->announced = NONE;
    uint8_t vector = pic->master.vector_base | acknowledge(&pic->master, irq);
    if (irq == CASCADE && !(pic->master.icw1 & ICW1_SNGL))
        vector = pic->slave.vector_base | acknowledge(&pic->slave, request(&pic->slave, false));
    update(pic);
    return vector;
}

bool pic_has_interrupt(const struct pic *pic)
{
    return pic->intr_level;
}

void pic_connect(struct pic *pic, struct irq_line intr)
{
    pic->intr = intr;
    irq_set(&pic->intr, pic->intr_level);
}

static void initialise(struct pic_chip *chip, uint8_t icw1)
{
    chip->icw1 = icw1;
    chip->step = PIC_WANTS_ICW2;
    chip->latched = 0; /* each input must rise again */
    chip->imr = chip->isr = 0;
    chip->first = 0;
    chip->special_mask = chip->read_isr = chip->poll = false;
    chip->auto_eoi = chip->special_fully_nested = chip->rotate_on_auto_eoi = false;
}

/* End of interrupt, rotation of priorities. Bits 7:5 of OCW2 are R, SL and EOI; 2:0 the input, if SL. */
static void operate_ocw2(struct pic_chip *chip, uint8_t value)
{
    bool rotate = value & 0x80, specific = value & 0x40, eoi = value & 0x20;
    int irq = value & 7;
    if (!eoi) {
        if (specific) {
            if (rotate)
                chip->first = (irq + 1) & 7; /* set priority: irq becomes the lowest */
        } else {
            chip->rotate_on_auto_eoi = rotate;
        }
        return;
    }
    if (!specific)
        irq = highest(chip, chip->special_mask ? chip->isr & (uint8_t)~chip->imr : chip->isr);
    if (irq == NONE)
        return;
    chip->isr &= ~(1 << irq);
    if (rotate)
        chip->first = (irq + 1) & 7;
}

static void operate_ocw3(struct pic_chip *chip, uint8_t value)
{
    if (value & OCW3_ESMM)
        chip->special_mask = value & OCW3_SMM;
    if (value & OCW3_POLL)
        chip->poll = true;
    if (value & OCW3_RR)
        chip->read_isr = value & OCW3_RIS;
}

static void write_odd_port(struct pic_chip *chip, uint8_t value)
{
    switch (chip->step) {
    case PIC_WANTS_ICW2:
        chip->vector_base = value & 0xf8;
        if (!(chip->icw1 & ICW1_SNGL))
            chip->step = PIC_WANTS_ICW3;
        else
            chip->step = chip->icw1 & ICW1_IC4 ? PIC_WANTS_ICW4 : PIC_OPERATES;
        break;
    case PIC_WANTS_ICW3: /* who is whose slave is soldered */
        chip->step = chip->icw1 & ICW1_IC4 ? PIC_WANTS_ICW4 : PIC_OPERATES;
        break;
    case PIC_WANTS_ICW4:
        chip->auto_eoi = value & ICW4_AEOI;
        chip->special_fully_nested = value & ICW4_SFNM;
        chip->step = PIC_OPERATES;
        break;
    case PIC_NEVER_INITIALISED:
    case PIC_OPERATES:
        chip->imr = value; /* OCW1 */
        break;
    }
}

static uint8_t chip_read(struct pic_chip *chip, bool is_master, bool odd_port)
{
    if (chip->poll) {
        /* A poll stands for the INTA cycle. */
        chip->poll = false;
        int irq = request(chip, is_master);
        return irq == NONE ? 0 : POLL_INTERRUPT | acknowledge(chip, irq);
    }
    if (odd_port)
        return chip->imr;
    return chip->read_isr ? chip->isr : irr(chip);
}

static void chip_write(struct pic_chip *chip, bool odd_port, uint8_t value)
{
    if (odd_port)
        write_odd_port(chip, value);
    else if (value & ICW1)
        initialise(chip, value);
    else if (value & OCW3)
        operate_ocw3(chip, value);
    else
        operate_ocw2(chip, value);
}

static uint64_t master_read(void *device, uint64_t offset, unsigned size)
{
    struct pic *pic = device;
    (void)size;
    uint8_t value = chip_read(&pic->master, true, offset);
    update(pic);
    return value;
}

static void master_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pic *pic = device;
    (void)size;
    chip_write(&pic->master, offset, (uint8_t)value);
    update(pic);
}

static uint64_t slave_read(void *device, uint64_t offset, unsigned size)
{
    struct pic *pic = device;
    (void)size;
    uint8_t value = chip_read(&pic->slave, false, offset);
    update(pic);
    return value;
}

static void slave_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pic *pic = device;
    (void)size;
    chip_write(&pic->slave, offset, (uint8_t)value);
    update(pic);
}

static uint64_t elcr_read(void *device, uint64_t offset, unsigned size)
{
    struct pic *pic = device;
    (void)size;
    return offset == 0 ? pic->master.elcr : pic->slave.elcr;
}

static void elcr_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pic *pic = device;
    (void)size;
    if (offset == 0)
        pic->master.elcr = value & ELCR_MASTER;
    else
        pic->slave.elcr = value & ELCR_SLAVE;
    update(pic);
}

static const struct bus_ops master_ports = {master_read, master_write, .byte_wide = true};
static const struct bus_ops slave_ports = {slave_read, slave_write, .byte_wide = true};
static const struct bus_ops elcr_ports = {elcr_read, elcr_write, .byte_wide = true};

struct pic *pic_create(struct bus *ports, struct reason *why)
{
    struct pic *pic = calloc(1, sizeof *pic);
    if (!pic) {
        fail(why, ENOMEM, "pic: out of memory");
        return NULL;
    }
    pic->announced = NONE;
    if (bus_claim(ports, "pic", 0x20, 2, &master_ports, pic, why) ||
        bus_claim(ports, "pic", 0xa0, 2, &slave_ports, pic, why) ||
        bus_claim(ports, "pic", 0x4d0, 2, &elcr_ports, pic, why)) {
        free(pic);
        return NULL;
    }
    return pic;
}

void pic_save(const struct pic *pic, struct pic_chip state[2])
{
    state[0] = pic->master;
    state[1] = pic->slave;
}

/* Numbers that no chip could have are cut to size: the state may come from a file. */
static void restore_chip(struct pic_chip *chip, const struct pic_chip *state)
{
    uint8_t lines = chip->lines;

    *chip = *state;
    chip->lines = lines;
    chip->first &= 7;
    chip->vector_base &= 0xf8;
    if (chip->step > PIC_OPERATES)
        chip->step = PIC_NEVER_INITIALISED;
}

void pic_restore(struct pic *pic, const struct pic_chip state[2])
{
    restore_chip(&pic->master, &state[0]);
    restore_chip(&pic->slave, &state[1]);
    pic->master.elcr &= ELCR_MASTER;
    pic->slave.elcr &= ELCR_SLAVE;
    pic->announced = NONE;
    update(pic);
}

/* The lines keep their levels: they belong to the devices. */
static void reset_chip(struct pic_chip *chip)
{
    *chip = (struct pic_chip){.lines = chip->lines};
}

static void pic_reset(void *device)
{
    struct pic *pic = device;
    reset_chip(&pic->master);
    reset_chip(&pic->slave);
    pic->announced = NONE;
    update(pic);
}

const struct device_ops pic_ops = {.name = "pic", .reset = pic_reset, .destroy = free};
