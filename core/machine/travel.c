/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * travel.c - a guest goes on under another engine, and what a migration needs to know of the present one.
 *
 * All engines speak one register file (cpu_state.h) and one form of the chips' state (chips.h), so that going on
 * elsewhere is: take both, make the other engine, put both. RAM and the devices belong to the machine and stay.
 */
#include <errno.h>

#include "machine/parts.h"

static int take_over(struct machine *m, const struct cpu_state *cpu, const struct chips_state *chips,
                     struct reason *why)
{
    int err = machine_set_state(m, cpu, why);

    return err ? err : machine_set_chips(m, chips, why);
}

/* An answer that the guest's CPU hasn't taken yet would be lost. */
static bool is_reading(const struct vm_exit *exit)
{
    return (exit->kind == VM_EXIT_IO && exit->io.in) || (exit->kind == VM_EXIT_MMIO && !exit->mmio.write);
}

int machine_change_engine(struct machine *m, const struct engine_ops *ops, struct reason *why)
{
    const struct engine_ops *old_ops = m->ops;
    struct engine *old = m->engine;
    struct chips_state chips;
    struct cpu_state cpu;

    if (is_reading(&m->exit))
        return fail(why, EAGAIN, "%s: is in the middle of a read from a device: let it run on", m->ops->name);
    if (m->config.clock == CLOCK_VIRTUAL && !(ops->capabilities & ENGINE_VIRTUAL_TIME))
        return fail(why, EINVAL, "%s: can't run in virtual time", ops->name);
    int err = machine_get_chips(m, &chips, why);
    if (err)
        return err;
    machine_get_state(m, &cpu);
    (void)machine_stats(m); /* what only the old one can count */

    m->engine = ops->create(&m->host, why);
    if (!m->engine) {
        m->engine = old;
        return fail(why, EIO, "%s: the engine could not be made and gave no reason", ops->name);
    }
    m->ops = ops;
    err = take_over(m, &cpu, &chips, why);
    if (err) {
        struct reason ignored = {""};

        ops->destroy(m->engine);
        m->ops = old_ops;
        m->engine = old;
        (void)take_over(m, &cpu, &chips, &ignored); /* it was its own state */
        return err;
    }
    old_ops->destroy(old);
    m->exit.kind = VM_EXIT_INTERRUPTED; /* what there was to answer was the old one's */
    m->window_wanted = false;
    return 0;
}

static int no_dirty_log(const struct machine *m, struct reason *why)
{
    return fail(why, ENOTSUP, "%s: keeps no log of the pages that its guest writes", m->ops->name);
}

int machine_start_dirty_log(struct machine *m, struct reason *why)
{
    return m->ops->dirty_log ? m->ops->dirty_log->start(m->engine, why) : no_dirty_log(m, why);
}

int machine_take_dirty_log(struct machine *m, uint64_t *bitmap, struct reason *why)
{
    return m->ops->dirty_log ? m->ops->dirty_log->take(m->engine, bitmap, why) : no_dirty_log(m, why);
}

void machine_stop_dirty_log(struct machine *m)
{
    if (m->ops->dirty_log)
        m->ops->dirty_log->stop(m->engine);
}
