/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic.h - the local APIC of the one CPU, 4 KiB at 0xfee00000; all interrupts reach the CPU through it.
 *
 * The machine asks lapic_has_interrupt() before it enters the guest, and lapic_acknowledge() for the vector when the
 * engine can take one. PIC interrupts come through LINT0 as ExtINT, or straight to the CPU while IA32_APIC_BASE has the
 * APIC disabled. Facts: SDM volume 3, chapter 11 ("APIC").
 *
 * Reset state, as firmware leaves it for PIC-only systems ("virtual wire", MP specification 3.6.2.2): SVR says
 * software-disabled, yet LINT0 is unmasked in ExtINT mode and does deliver. Once the guest writes a LINT0 entry or
 * turns the APIC's software enable off, the manual's rules hold (a software-disabled APIC forces the mask bits on).
 */
#ifndef VIRTLAB_IO_LAPIC_H
#define VIRTLAB_IO_LAPIC_H

#include "io/device.h"
#include "io/pic.h"
#include <virtlab/chips.h>

#define LAPIC_BASE       UINT64_C(0xfee00000)
#define LAPIC_BUS_HZ     1000000000u /* what the timer's divider divides */
#define APIC_BASE_ENABLE UINT64_C(0x800)
#define APIC_BASE_RESET  (LAPIC_BASE | APIC_BASE_ENABLE | 0x100) /* IA32_APIC_BASE after reset: enabled, BSP */

struct lapic;

/* Claims its page and connects itself to the PIC's INTR (`pic` may be NULL: none). NULL with why. */
struct lapic *lapic_create(struct bus *mmio, struct pic *pic, const struct guest_clock *clock, struct reason *why);

/* Would an interrupt be delivered, were the CPU ready (IF) for it? */
bool lapic_has_interrupt(const struct lapic *lapic);

/* The CPU takes the interrupt: its vector. Call after lapic_has_interrupt(); otherwise it is the spurious vector. */
uint8_t lapic_acknowledge(struct lapic *lapic);

/* True once for each NMI that LINT0, LINT1 or an IPI has sent. An engine that can't inject NMIs never asks. */
bool lapic_take_nmi(struct lapic *lapic);

/* The guest wrote IA32_APIC_BASE. Only the enable bit matters here: the page does not move. */
void lapic_set_base(struct lapic *lapic, uint64_t value);

/* CR8 is another name for TPR bits 7:4 (SDM 3, 11.8.6). */
void lapic_set_cr8(struct lapic *lapic, uint64_t cr8);
uint64_t lapic_cr8(const struct lapic *lapic);

/* Drives local interrupt pin 0 (LINT0, the PIC's INTR) or 1 (LINT1); `lapic` is a struct lapic. */
void lapic_set_lint(void *lapic, unsigned pin, bool level);

/* Its registers, out and in; whether it is enabled comes from IA32_APIC_BASE, by lapic_set_base(), before. */
void lapic_save(struct lapic *lapic, uint32_t state[LAPIC_REGISTERS]);
void lapic_restore(struct lapic *lapic, const uint32_t state[LAPIC_REGISTERS]);

extern const struct device_ops lapic_ops;

#endif
