/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chips.h - the state of the interrupt controllers and the timer: two 8259A, the 8254, the local APIC.
 *
 * They are the machine's own (core/io), or an engine's: a host's kernel that virtualizes the CPU can have them too, so
 * that an interrupt needs no way out to us (engine.h, `chips`). This is what they say to each other when a running
 * guest goes from one to the other. Times are relative, for the clocks of the two are not the same.
 */
#ifndef VIRTLAB_CHIPS_H
#define VIRTLAB_CHIPS_H

#include <virtlab/types.h>

/* Which initialisation word an 8259A waits for on its odd port. */
enum pic_step { PIC_NEVER_INITIALISED, PIC_WANTS_ICW2, PIC_WANTS_ICW3, PIC_WANTS_ICW4, PIC_OPERATES };

/* One 8259A. Names are the data sheet's: IRR holds requests, ISR what is in service, IMR what is masked. */
struct pic_chip {
    uint8_t lines;   /* levels of the inputs */
    uint8_t latched; /* edges seen and neither withdrawn nor acknowledged: IRR, for edge-triggered inputs */
    uint8_t isr, imr;
    uint8_t elcr; /* bit set: this input is level-triggered (EISA's register) */
    uint8_t icw1, vector_base;
    uint8_t first; /* the input with the highest priority; the others follow upwards, modulo 8 */
    enum pic_step step;
    bool auto_eoi, rotate_on_auto_eoi, special_fully_nested, special_mask;
    bool poll, read_isr;
};

/* The access field of the 8254's control word: which bytes of the count are read and written. */
enum pit_access { PIT_ACCESS_LATCH, PIT_ACCESS_LOW, PIT_ACCESS_HIGH, PIT_ACCESS_BOTH };

/* One channel of the 8254. */
struct pit_counter {
    uint8_t mode; /* 0 .. 5 */
    bool bcd, gate;
    bool loaded;     /* a count was written since the control word */
    uint16_t count;  /* as it was written: 0 stands for the most */
    uint64_t age_ns; /* how long ago it entered the counting element; 0 when the chip can't tell */
    enum pit_access access;
    bool write_high_next, read_high_next; /* which byte comes next under PIT_ACCESS_BOTH */
    uint8_t low_byte;                     /* written first, waits for the high one */
    bool count_latched, status_latched;
    uint16_t latched_count;
    uint8_t latched_status;
};

/*
 * The local APIC as its page shows it: register i is the one at offset 16 * i (SDM 3, table 11-1), and the current
 * count is that of this moment. Whether it is enabled says IA32_APIC_BASE, in struct cpu_state.
 */
#define LAPIC_REGISTERS 64

struct chips_state {
    struct pic_chip pic[2]; /* master, slave */
    struct pit_counter pit[3];
    uint8_t speaker; /* port 0x61 as it was written, bits 3:0 */
    uint32_t lapic[LAPIC_REGISTERS];
};

#endif
