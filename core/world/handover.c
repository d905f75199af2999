/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handover.c - how the VMM and the two threads of a world process take turns.
 *
 * Each side says what it wants by a number in a shared word, and waits by looking at the other's word: for a while by
 * spinning, which costs some 100 ns when the other runs on another core, then in FUTEX_WAIT. Whoever sleeps says so
 * first; between saying so and looking once more stands a full barrier, on both sides (Dekker's algorithm), so that no
 * wake-up is lost. Where spinning can't pay (one core, or the measurement says so) patience is 0.
 *
 * Stopping. Words that a process can write prove nothing: guest code may claim an exit and run on. Usually that does no
 * harm (it could have done the same before the exit), but a mapping must not be taken away from under running code, and
 * two spaces must not run at once (unless options.together says so). The proof is the kernel's. control.run, which only
 * the VMM writes, is set to 0; then either FUTEX_CMP_REQUEUE finds a sleeper on that word (its result tells), or a
 * spinning thread answers a roll call by a write to an eventfd. Either can be done at one instruction only (filter.c),
 * and the code behind it doesn't enter the guest while control.run is 0 (entry.c).
 *
 * Every wait looks from time to time whether the process still lives: a dead one is an error, never a hang.
 * Next: world.c, which calls this; exits.c, which reads what the guest left.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "world/private.h"

#define CHECK_EVERY_NS    20000000L   /* how long to sleep before looking whether the process lives */
#define OBEY_NS           5000000000L /* how long a thread may take to obey a kick or to answer a roll call */
#define RETRY_SPIN        256         /* after so many fruitless waits without spinning, try spinning again */
#define HOPELESS_FAILURES 16

static long futex(const volatile uint32_t *word, int op, uint32_t value, uintptr_t timeout, const void *word2,
                  uint32_t value3)
{
    return syscall(SYS_futex, word, op, value, timeout, word2, value3);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static uint32_t load(const volatile uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST); /* XCHG: a full barrier behind it */
}

/* Spinning that went well earns the full patience; failures halve it, and then it is tried only now and then. */
static void patience_learn(struct patience *patience, bool well)
{
    if (well || patience->fixed) {
        patience->now = patience->max;
        patience->failures = 0;
        return;
    }
    patience->failures++;
    if (patience->failures < HOPELESS_FAILURES)
        patience->now -= patience->now / 2;
    else
        patience->now = patience->failures % RETRY_SPIN ? 0 : patience->max / 4;
}

static bool spin_until(const volatile uint32_t *word, uint32_t value, struct patience *patience)
{
    uint64_t start = __rdtsc();
    bool well = load(word) == value;

    if (!patience->max)
        return well;
    while (!well && __rdtsc() - start < patience->now) {
        _mm_pause();
        well = load(word) == value;
    }
    patience_learn(patience, well);
    return well;
}

/*
 * Waits until *word is `value`. The partner sleeps on `partner`, if at all; it is woken once more at each look, for its
 * own word about sleeping may be forged. -EIO when the process has died or doesn't obey a kick.
 */
static int wait_for(struct world_space *space, const volatile uint32_t *word, uint32_t value, const uint32_t *partner,
                    struct patience *patience, struct reason *why)
{
    struct world_pool *pool = space->pool;
    const struct timespec nap = {.tv_nsec = CHECK_EVERY_NS};
    int64_t checked_at = 0, kicked_at = 0, now;

    if (spin_until(word, value, patience))
        return 0;
    for (;;) {
        uint32_t seen;

        store(&space->control->vmm_waits, 1);
        seen = load(word);
        if (seen != value)
            futex(word, FUTEX_WAIT, seen, (uintptr_t)&nap, NULL, 0);
        store(&space->control->vmm_waits, 0);
        if (load(word) == value)
            return 0;
        now = now_ns(); /* a timer's signals may keep the nap from ever running out */
        checked_at = checked_at ? checked_at : now;
        if (now - checked_at < CHECK_EVERY_NS / 2)
            continue;
        checked_at = now;
        if (space_check(space, why))
            return -EIO;
        futex(partner, FUTEX_WAKE, INT_MAX, 0, NULL, 0);
        if (atomic_load(&pool->kicked)) {
            kicked_at = kicked_at ? kicked_at : now;
            if (now - kicked_at > OBEY_NS)
                return space_lost(space, why, "guest code did not leave when kicked");
        }
    }
}

/* A kick that was sent must have arrived before the next entry: entry.c copes with one at a time. */
static int settle_kick(struct world_space *space, struct reason *why)
{
    int64_t start = 0;

    while (atomic_load(&space->pool->kickers))
        sched_yield();
    if (!atomic_load(&space->kick_sent))
        return 0;
    for (unsigned tries = 0; load(&space->report->kicks) == space->kicks; tries++) {
        if (tries < 100) {
            sched_yield();
            continue;
        }
        start = start ? start : now_ns();
        if (space_check(space, why))
            return -EIO;
        if (now_ns() - start > OBEY_NS)
            return space_lost(space, why, "a kick did not arrive");
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    space->kicks = load(&space->report->kicks);
    atomic_store(&space->kick_sent, 0);
    return 0;
}

void handover_kick(struct world_space *space)
{
    unsigned none = 0;

    if (atomic_compare_exchange_strong(&space->kick_sent, &none, 1))
        syscall(SYS_pidfd_send_signal, space->pidfd, SIGNAL_KICK, NULL, 0);
}

int handover_enter(struct world_space *space, struct reason *why)
{
    struct world_pool *pool = space->pool;
    struct world_control *control = space->control;
    bool sleeps = space->report->sleeps;
    int err = settle_kick(space, why);

    if (err)
        return err;
    crowd_look(space);
    control->guest_spin = 0;
    if (spins(space) && pool->guest.max) {
        patience_learn(&pool->guest, !sleeps);
        control->guest_spin = pool->guest.now;
    }
    place_threads(space);
    space->entry += space->entry == UINT32_MAX ? 2 : 1; /* 0 is no entry */
    store(&control->run, space->entry);
    if (space->moved && futex(&control->parked, FUTEX_WAKE, 1, 0, NULL, 0) == 1)
        sleeps = false;
    else
        sleeps = load(&space->report->sleeps);
    if (sleeps)
        futex(&control->run, FUTEX_WAKE, 1, 0, NULL, 0);
    space->stopped = space->moved = false;
    return 0;
}

int handover_wait(struct world_space *space, struct reason *why)
{
    struct world_pool *pool = space->pool;
    int err;

    atomic_store(&pool->running, space);
    if (atomic_load(&pool->kicked))
        handover_kick(space);
    err = wait_for(space, &space->report->turn, space->entry, &space->control->run,
                   spins(space) ? &pool->vmm : &pool->none, why);
    atomic_store(&pool->running, NULL);
    return err;
}

/* Does the guest thread sleep? If so, it is woken, or moved so that it sleeps on. */
static bool found_asleep(struct world_space *space, bool wake)
{
    struct world_control *control = space->control;

    return futex(&control->run, FUTEX_CMP_REQUEUE, wake, !wake, &control->parked, 0) == 1;
}

static bool has_answered(struct world_space *space)
{
    uint64_t answers;

    return read(space->answer_fd, &answers, sizeof answers) == sizeof answers;
}

/* One more attempt at stopping has failed: be patient, call again, fetch it by a kick, give it up. */
static int stop_retry(struct world_space *space, unsigned tries, int64_t *start, struct reason *why)
{
    if (tries % 128 == 0) /* again, should guest code have written R_ANSWERED */
        store(&space->control->roll_call, space->control->roll_call + 1);
    if (tries < 64 && spins(space)) {
        _mm_pause();
        return 0;
    }
    if (tries < 1000) {
        sched_yield();
        return 0;
    }
    if (!*start) { /* it runs on although it has claimed an exit */
        *start = now_ns();
        handover_kick(space);
    }
    if (space_check(space, why))
        return -EIO;
    if (now_ns() - *start > OBEY_NS)
        return space_lost(space, why, "guest code did not stop: it claimed an exit that never was");
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    return 0;
}

int handover_stop(struct world_space *space, struct reason *why)
{
    bool spin = spins(space); /* then it may stay awake: its core needn't fall asleep */
    int64_t start = 0;

    if (space->stopped)
        return 0;
    store(&space->control->run, 0);
    if (spin)
        (void)has_answered(space); /* an answer from before counts for nothing */
    for (unsigned tries = 0;; tries++) {
        if (spin && tries && has_answered(space))
            break;
        if ((!spin || space->report->sleeps || tries % 8 == 7) && found_asleep(space, spin)) {
            space->moved = !spin;
            break;
        }
        if (stop_retry(space, tries, &start, why))
            return -EIO;
    }
    space->stopped = true;
    return 0;
}

int handover_commands(struct world_space *space, struct reason *why)
{
    struct world_control *control = space->control;

    place_threads(space);
    control->map_count = space->queued;
    control->map_spin = space->pool->map_spin;
    space->queued = 0;
    store(&control->map_number, ++space->map_number);
    if (load(&space->report->map_sleeps))
        futex(&control->map_number, FUTEX_WAKE, 1, 0, NULL, 0);
    return wait_for(space, &space->report->map_done, space->map_number, &control->map_number, &space->pool->mapper,
                    why);
}

int handover_started(struct world_space *space, struct reason *why)
{
    volatile struct world_report *report = space->report;
    uint32_t error, left;
    bool guest = false;

    if (wait_for(space, &report->map_done, 1, &space->control->map_number, &space->pool->mapper, why))
        return -EIO;
    error = report->map_error, left = report->map_left;
    space->guest_tid = (pid_t)report->guest_tid;
    if (!error) {
        if (wait_for(space, &report->turn, 1, &space->control->run, &space->pool->mapper, why))
            return -EIO;
        guest = true;
        error = report->start_error, left = report->start_left;
    }
    if (error) {
        space->lost = true;
        return fail(why, (int)error, "world: %s is refused to a new process: %s", start_step(space, guest, left),
                    strerror((int)error));
    }
    return handover_stop(space, why);
}
