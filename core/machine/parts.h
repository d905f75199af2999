/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parts.h - what a machine is made of; for the files of this folder only.
 *
 * machine.c builds it, run.c runs it, exits.c answers the engine, idle.c waits while the CPU is halted, chips.c and
 * travel.c take the state of its parts out and in.
 */
#ifndef VIRTLAB_MACHINE_PARTS_H
#define VIRTLAB_MACHINE_PARTS_H

#include <stdatomic.h>
#include <virtlab/machine.h>

#include "io/ata.h"
#include "io/device.h"
#include "io/lapic.h"
#include "io/pic.h"
#include "io/pit.h"
#include "io/sink.h"
#include "io/uart.h"
#include "machine/alarm.h"
#include "machine/clock.h"

#define DEVICES_MAX 16

enum { IRQ_TIMER = 0, IRQ_COM1 = 4, IRQ_CMOS = 8, IRQ_ATA = 14 };

struct machine_device {
    const struct device_ops *ops;
    void *device;
};

struct machine {
    struct machine_config config;
    struct ram ram;
    struct stats stats;
    struct clock clock;
    struct guest_clock guest_clock; /* the same, as devices see it */

    struct bus ports, mmio;
    struct port_count *port_counts;            /* PORT_COUNT of them; the kernel gives memory for those that are used */
    struct machine_device device[DEVICES_MAX]; /* all of them, in the order in which they were made */
    unsigned device_count;
    struct pic *pic; /* those that the machine itself talks to */
    struct pit *pit;
    struct lapic *lapic;
    struct uart *uart;
    struct ata *ata; /* NULL: no drive */

    const struct engine_ops *ops;
    struct engine_host host;
    struct engine *engine;
    struct vm_exit exit; /* the one being answered */
    bool halted;         /* the CPU waits for an interrupt: the engine isn't run */
    bool window_wanted;  /* what the engine was last told */
    struct alarm alarm;  /* real time only */
    uint64_t alarm_for;  /* the deadline that it is set for */
    uint64_t budget;     /* virtual time only: instructions until the next deadline, 0 for no limit */
    atomic_bool stop;    /* machine_stop() was called */
    int wake_fd;         /* an eventfd: machine_stop() ends a wait with it */

    struct machine_result result; /* .end is MACHINE_RUNNING until it has ended */
};

/* Ends the machine, unless it has ended already; the reason may be empty. */
void machine_end(struct machine *machine, enum machine_end end, int status, const char *format, ...) PRINTF_LIKE(4, 5);

/* The earliest deadline of all devices, or NEVER. */
uint64_t machine_deadline(const struct machine *machine);

/* exits.c: does what machine->exit asks for. */
void machine_answer(struct machine *machine);

/* chips.c: where the devices' interrupt lines end; `machine` is a struct machine. */
void machine_set_irq(void *machine, unsigned irq, bool level);

/* idle.c: the CPU is halted and no interrupt is pending; returns when something may have changed. */
void machine_wait(struct machine *machine);

#endif
