/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine_fake.h - an engine without a CPU: it plays a script of exits and checks how the machine answers them.
 *
 * It counts instructions as a real engine does (COUNTER_INSTRUCTIONS, budgets), so it runs in both kinds of time.
 */
#ifndef VIRTLAB_TESTS_MACHINE_FAKE_H
#define VIRTLAB_TESTS_MACHINE_FAKE_H

#include <stdatomic.h>
#include <time.h>

#include "vltest.h"
#include <virtlab/machine.h>

enum action {
    DONE,     /* the end of the script: powers off with status 0 */
    OUT,      /* port, size, value */
    IN,       /* port, size; the answer must be value */
    INS,      /* REP INS of `count` elements; the bytes are kept in fake.burst */
    OUTS,     /* REP OUTS of `count` elements out of fake.burst */
    LOAD,     /* MMIO read at `port`; the answer must be value */
    STORE,    /* MMIO write of value at `port` */
    HLT,      /* waits for an interrupt */
    WORK,     /* executes `value` instructions, with a short sleep after each in real time */
    SPIN,     /* works until kicked */
    UNTIL,    /* works until `value` interrupts have come in all */
    SET_IF,   /* the interrupt flag becomes value */
    EXPECT,   /* the latest interrupt was vector `value` */
    WANTED,   /* the machine's wish for a window must be value */
    CALL,     /* hypercall; the answer must be value */
    TRIPLE,   /* triple fault */
    DEATH,    /* ends with the reason "it died" */
    ERROR,    /* ends without a reason */
    BAD_EXIT, /* comes back with an exit of kind `value` */
};

/* A step names only what it needs; the rest is 0, and that is meant. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

struct step {
    enum action action;
    uint64_t port; /* or address, for LOAD and STORE */
    unsigned size;
    uint64_t value;
    unsigned count;
};

#define FAKE_INTERRUPTS 64

struct engine {
    const struct engine_host *host;
    const struct step *step;
    bool answer_due; /* the exit of *step has been returned; its answer is to be checked */
    uint64_t worked; /* instructions of a WORK step done */
    struct cpu_state state;
    bool window_wanted;
    bool queued; /* an injected interrupt, delivered by the next run() */
    atomic_bool kicked;
    unsigned interrupts; /* delivered, and when: */
    uint8_t vector[FAKE_INTERRUPTS];
    uint64_t at[FAKE_INTERRUPTS];
    uint8_t data[VM_IO_MAX];
};

/* The script of the engine that is made next, and that engine. One thread makes the machines. */
static const struct step *fake_script;
static struct engine *fake;
static uint8_t fake_burst[VM_IO_MAX];

static uint64_t *fake_retired(struct engine *e)
{
    return &e->host->stats->counter[COUNTER_INSTRUCTIONS];
}

static int fake_probe(struct reason *why)
{
    (void)why;
    return 0;
}

static struct engine *fake_create(const struct engine_host *host, struct reason *why)
{
    (void)why;
    fake = calloc(1, sizeof(*fake));
    fake->host = host;
    fake->step = fake_script;
    cpu_state_reset(&fake->state);
    return fake;
}

static void fake_destroy(struct engine *e)
{
    free(e);
}

static void fake_get_state(struct engine *e, struct cpu_state *state)
{
    *state = e->state;
}

static int fake_set_state(struct engine *e, const struct cpu_state *state, struct reason *why)
{
    (void)why;
    e->state = *state;
    return 0;
}

static bool fake_can_inject(struct engine *e)
{
    return (e->state.rflags & FLAG_IF) && !e->queued;
}

static void fake_inject(struct engine *e, uint8_t vector)
{
    vltest_check(fake_can_inject(e), __FILE__, __LINE__, "vector %#x injected although the CPU can't take it", vector);
    e->queued = true;
    e->state.halted = false;
    if (e->interrupts < FAKE_INTERRUPTS) {
        e->vector[e->interrupts] = vector;
        e->at[e->interrupts] = *fake_retired(e);
    }
    e->interrupts++;
}

static void fake_request_window(struct engine *e, bool wanted)
{
    CHECK(wanted != e->window_wanted); /* said once, not at each turn */
    e->window_wanted = wanted;
}

static void fake_kick(struct engine *e)
{
    atomic_store(&e->kicked, true);
}

static void fake_ram_written(struct engine *e, gpa_t at, uint64_t len)
{
    (void)e, (void)at, (void)len;
}

/* Checks what the machine put into the exit of the step before. */
static void fake_check_answer(struct engine *e, const struct vm_exit *exit)
{
    const struct step *s = e->step;
    uint64_t value = 0;

    if (s->action == IN) {
        memcpy(&value, exit->io.data, s->size);
        vltest_check(value == s->value, __FILE__, __LINE__,
                     "IN from port %#" PRIx64 " is %#" PRIx64 ", expected %#" PRIx64, s->port, value, s->value);
    } else if (s->action == INS) {
        memcpy(fake_burst, exit->io.data, s->size * s->count);
    } else if (s->action == LOAD) {
        vltest_check(exit->mmio.value == s->value, __FILE__, __LINE__,
                     "load from %#" PRIx64 " is %#" PRIx64 ", expected %#" PRIx64, s->port, exit->mmio.value, s->value);
    } else if (s->action == CALL) {
        CHECK_EQ_U64(exit->hypercall.result, s->value);
    }
    e->answer_due = false;
    e->step++;
}

/* Fills the exit for a step that leaves the guest; false for one that doesn't. */
static bool fake_exit(struct engine *e, struct vm_exit *exit)
{
    const struct step *s = e->step;
    bool in = s->action == IN || s->action == INS, burst = s->action == INS || s->action == OUTS;

    switch (s->action) {
    case OUT:
    case IN:
    case INS:
    case OUTS:
        memset(e->data, 0, sizeof(e->data));
        memcpy(e->data, burst ? (void *)fake_burst : (void *)&s->value, in ? 0 : burst ? s->size * s->count : 8);
        exit->kind = VM_EXIT_IO;
        exit->io.port = (uint16_t)s->port;
        exit->io.size = (uint8_t)s->size;
        exit->io.in = in;
        exit->io.count = burst ? s->count : 1;
        exit->io.data = e->data;
        return true;
    case LOAD:
    case STORE:
        exit->kind = VM_EXIT_MMIO;
        exit->mmio.gpa = gpa(s->port);
        exit->mmio.size = (uint8_t)s->size;
        exit->mmio.write = s->action == STORE;
        exit->mmio.value = s->action == STORE ? s->value : 0;
        return true;
    case HLT:
        exit->kind = VM_EXIT_HLT;
        e->state.halted = true;
        return true;
    case CALL: exit->kind = VM_EXIT_HYPERCALL; return true;
    case TRIPLE: exit->kind = VM_EXIT_SHUTDOWN; return true;
    case DEATH:
        exit->kind = VM_EXIT_DEATH;
        fail(&exit->why, 1, "it died");
        return true;
    case ERROR: exit->kind = VM_EXIT_ERROR; return true;
    case BAD_EXIT: exit->kind = (enum vm_exit_kind)s->value; return true;
    case DONE:
        exit->kind = VM_EXIT_IO;
        exit->io.port = SERVICE_PORT;
        exit->io.size = 4;
        exit->io.in = false;
        exit->io.count = 1;
        exit->io.data = e->data;
        memcpy(e->data, &(uint32_t){SERVICE_POWEROFF << 16}, 4);
        return true;
    default: return false;
    }
}

/* One instruction of work; false when the step has had its fill. */
static bool fake_work(struct engine *e)
{
    const struct step *s = e->step;

    if ((s->action == WORK && e->worked == s->value) || (s->action == UNTIL && e->interrupts >= s->value)) {
        e->worked = 0;
        return false;
    }
    if (!(e->host->tsc_hz == 1000000000 && s->action != SPIN)) /* real time, or waiting for a kick: don't burn CPU */
        nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
    e->worked++;
    (*fake_retired(e))++;
    return true;
}

/* The steps that only look or set. */
static void fake_look(struct engine *e)
{
    const struct step *s = e->step;

    if (s->action == SET_IF)
        e->state.rflags = s->value ? e->state.rflags | FLAG_IF : e->state.rflags & ~(uint64_t)FLAG_IF;
    else if (s->action == EXPECT)
        CHECK_EQ_U64(e->interrupts ? e->vector[(e->interrupts - 1) % FAKE_INTERRUPTS] : 0, s->value);
    else if (s->action == WANTED)
        CHECK_EQ_U64(e->window_wanted, s->value);
}

static void fake_run(struct engine *e, struct vm_exit *exit, uint64_t budget)
{
    uint64_t left = budget;

    if (e->answer_due)
        fake_check_answer(e, exit);
    e->queued = false;
    for (;; e->step++) {
        for (;;) {
            bool works = e->step->action == WORK || e->step->action == SPIN || e->step->action == UNTIL;

            if (atomic_exchange(&e->kicked, false)) {
                exit->kind = VM_EXIT_INTERRUPTED;
                return;
            }
            if (e->window_wanted && fake_can_inject(e)) {
                exit->kind = VM_EXIT_WINDOW;
                return;
            }
            if (!works || !fake_work(e))
                break;
            if (budget && --left == 0) {
                exit->kind = VM_EXIT_INTERRUPTED;
                return;
            }
        }
        if (fake_exit(e, exit)) {
            e->answer_due = true;
            return;
        }
        fake_look(e);
    }
}

static const struct engine_ops fake_ops = {
    .abi = ENGINE_ABI,
    .name = "fake/script",
    .technique = "fake",
    .text = "plays a script",
    .capabilities = ENGINE_FLAT | ENGINE_OS | ENGINE_VIRTUAL_TIME,
    .counters = COUNTER_BIT(INSTRUCTIONS),
    .probe = fake_probe,
    .create = fake_create,
    .destroy = fake_destroy,
    .run = fake_run,
    .get_state = fake_get_state,
    .set_state = fake_set_state,
    .can_inject = fake_can_inject,
    .inject = fake_inject,
    .request_window = fake_request_window,
    .kick = fake_kick,
    .ram_written = fake_ram_written,
};

#endif
