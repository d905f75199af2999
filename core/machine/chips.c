/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chips.c - the interrupt controllers and the timer, whoever has them: the machine (core/io) or its engine (engine.h).
 *
 * A device's line always drives the machine's PIC, which knows its level at any time. Where the engine has a PIC of its
 * own, the line drives that too, and nobody asks the machine's for an interrupt; its timers don't run then.
 *
 * Read next: travel.c, for which the state goes from one to the other.
 */
#include "machine/parts.h"

/* IRQ 0 is the timer's, which is inside the engine where the PIC is. */
void machine_set_irq(void *machine, unsigned irq, bool level)
{
    struct machine *m = machine;

    pic_set_irq(m->pic, irq, level);
    if (m->engine && m->ops->chips && irq != IRQ_TIMER)
        m->ops->chips->set_irq(m->engine, irq, level);
}

int machine_get_chips(struct machine *m, struct chips_state *state, struct reason *why)
{
    if (m->ops->chips)
        return m->ops->chips->get(m->engine, state, why);
    pic_save(m->pic, state->pic);
    pit_save(m->pit, state->pit, &state->speaker);
    lapic_save(m->lapic, state->lapic);
    return 0;
}

/* The timer first, for its line that rises would be a request; the PIC's output is the local APIC's input. */
int machine_set_chips(struct machine *m, const struct chips_state *state, struct reason *why)
{
    if (m->ops->chips) {
        int err = m->ops->chips->set(m->engine, state, why);

        if (!err) { /* the machine's own are quiet from now on */
            pit_ops.reset(m->pit);
            lapic_ops.reset(m->lapic);
        }
        return err;
    }
    pit_restore(m->pit, state->pit, state->speaker);
    pic_restore(m->pic, state->pic);
    lapic_restore(m->lapic, state->lapic);
    return 0;
}
