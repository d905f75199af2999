/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pic.h: the two 8259 interrupt controllers (pic.c). */
#ifndef PIC_H
#define PIC_H

#include "kernel.h"

#define IRQ_TIMER 0
#define IRQ_UART  4

void pic_init(void);
void pic_enable(unsigned irq);
bool pic_begin(unsigned irq); /* acknowledges; false: a spurious interrupt, nothing to do */

#endif
