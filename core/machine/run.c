/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - the run loop, the same for every engine.
 *
 * Each turn: devices whose time has come advance; an interrupt that they raised is injected when the CPU can take it,
 * else a window is asked for; the engine runs; what it came back with is answered (exits.c). A halted CPU is not run:
 * the machine waits for it (idle.c).
 *
 * An engine may have the interrupt controllers itself (engine.h, engine_chips); then it injects, and waits.
 *
 * What brings the CPU back in time for the next deadline is an alarm in real time (alarm.c), and in virtual time the
 * engine's instruction budget: there interrupts come at exact instruction counts, and two runs are identical.
 */
#include <unistd.h>

#include "machine/parts.h"

/*
 * Alarms are at least this far apart, so that the guest gets somewhere even when a device is due all the time: a PIT
 * may be set to tick faster than we could take the signals.
 */
#define ALARM_SPACING_NS 20000

/*
 * An engine with chips of its own waits in HLT, where it may be for good: interrupts disabled, or no source of any. So
 * it is called back now and then even when no device is due, to have a look.
 */
#define LOOK_IN_NS UINT64_C(500000000)

uint64_t machine_deadline(const struct machine *m)
{
    uint64_t deadline = NEVER;

    for (unsigned i = 0; i < m->device_count; i++) {
        const struct machine_device *d = &m->device[i];
        uint64_t its = d->ops->deadline ? d->ops->deadline(d->device) : NEVER;

        if (its < deadline)
            deadline = its;
    }
    return deadline;
}

static void advance_due(struct machine *m, uint64_t now)
{
    for (unsigned i = 0; i < m->device_count; i++) {
        struct machine_device *d = &m->device[i];

        if (d->ops->deadline && d->ops->advance && d->ops->deadline(d->device) <= now)
            d->ops->advance(d->device, now);
    }
}

/* Real time. The clock is read only when the alarm rang or the deadline is another one: most exits change neither. */
static void devices_in_real_time(struct machine *m)
{
    uint64_t deadline = machine_deadline(m), now, soonest;

    if (deadline == m->alarm_for && !m->alarm.rang)
        return;
    m->alarm.rang = 0;
    now = clock_now(&m->clock);
    if (deadline <= now) {
        advance_due(m, now);
        deadline = machine_deadline(m);
    }
    soonest = now + ALARM_SPACING_NS;
    m->alarm_for = deadline;
    if (m->ops->chips && deadline > now + LOOK_IN_NS)
        deadline = now + LOOK_IN_NS;
    alarm_set(&m->alarm, deadline == NEVER ? 0 : m->clock.start_ns + (deadline > soonest ? deadline : soonest));
}

static void devices_in_virtual_time(struct machine *m)
{
    uint64_t now = clock_now(&m->clock), deadline = machine_deadline(m);

    if (deadline <= now) {
        advance_due(m, now);
        deadline = machine_deadline(m);
    }
    if (deadline == NEVER)
        m->budget = 0;
    else
        m->budget = deadline > now ? deadline - now : 1; /* 1 ns is one instruction */
}

/* Interrupts: the local APIC has the last word on whether there is one, the engine on whether it can be taken. */
static void offer_interrupt(struct machine *m)
{
    bool pending = lapic_has_interrupt(m->lapic);

    if (pending && m->ops->can_inject(m->engine)) {
        m->ops->inject(m->engine, lapic_acknowledge(m->lapic));
        m->halted = false;
        pending = lapic_has_interrupt(m->lapic); /* another one, behind it */
    }
    if (pending != m->window_wanted) {
        m->ops->request_window(m->engine, pending);
        m->window_wanted = pending;
    }
    if (pending)
        m->halted = false; /* the engine says when it can be taken */
}

static void turn(struct machine *m)
{
    if (m->config.clock == CLOCK_REAL)
        devices_in_real_time(m);
    else
        devices_in_virtual_time(m);
    if (!m->ops->chips)
        offer_interrupt(m);
    if (m->halted) {
        machine_wait(m);
        return;
    }
    m->ops->run(m->engine, &m->exit, m->budget);
    machine_answer(m);
}

struct machine_result machine_run(struct machine *m)
{
    struct reason why = {""};
    uint64_t drained;

    if (m->config.clock == CLOCK_REAL) {
        if (alarm_start(&m->alarm, m->ops, m->engine, &why))
            return (struct machine_result){.end = MACHINE_ERROR, .why = why};
        m->alarm_for = 0; /* no deadline that a device has: the first turn sets the alarm */
    }
    while (m->result.end == MACHINE_RUNNING && !atomic_load(&m->stop))
        turn(m);
    if (m->config.clock == CLOCK_REAL)
        alarm_stop(&m->alarm);

    if (m->result.end != MACHINE_RUNNING)
        return m->result;
    if (read(m->wake_fd, &drained, sizeof(drained)) < 0)
        drained = 0; /* machine_stop() hasn't come that far; machine_wait() will drain it */
    atomic_store(&m->stop, false);
    return (struct machine_result){.end = MACHINE_STOPPED};
}

/* Async-signal-safe: an atomic flag, the engine's kick, which promises to be, and write(2). */
void machine_stop(struct machine *m)
{
    uint64_t one = 1;

    atomic_store(&m->stop, true);
    m->ops->kick(m->engine);
    if (write(m->wake_fd, &one, sizeof(one)) < 0)
        return; /* the counter is full: it wakes all the same */
}
