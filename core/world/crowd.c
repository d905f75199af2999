/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crowd.c - do others want the cores that we spin on?
 *
 * Spinning was chosen when the pool was made, by costs.c. It pays while both sides have a core each. When more threads
 * want to run than there are cores, the partner that one spins for has been put aside by the scheduler, and one keeps
 * it off the core by spinning: a hand-over then takes the scheduler's time slices. Sleeping on one core is better there
 * by far, since the one who sleeps makes room for the other.
 *
 * Linux tells how long a thread was ready to run and didn't (/proc/PID/task/TID/schedstat, the second number). From
 * time to time that is held against the time that has passed. As no spinning is going on afterwards, nothing will show
 * that the others have left: so spinning is tried again after a while, and if in vain, later and later.
 *
 * Read next: costs.c.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "world/private.h"

#define LOOK_ENTRIES 64                 /* between two looks at the clock */
#define LOOK_NS      UINT64_C(10000000) /* between two looks at how long we were kept waiting */
#define CROWDED      8                  /* ... more than an 8th of the time: too long */
#define RETRY_NS     UINT64_C(200000000)
#define RETRY_NS_MAX UINT64_C(6400000000)

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* How long a thread has run in its life, and how long it has been kept waiting; 0 when the kernel doesn't tell. */
struct times {
    uint64_t run, delay;
};

static struct times times_of(const char *thread)
{
    struct times times = {0};
    char text[96];
    int fd = open(thread, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = '\0';
    if (sscanf(text, "%" SCNu64 " %" SCNu64, &times.run, &times.delay) != 2)
        return (struct times){0};
    return times;
}

/*
 * A VMM that shares its core with other spaces of its own (options.together) waits for those, too: that counts a
 * quarter. And for its companion guest code has made room by itself.
 */
static uint64_t delays(const struct world_space *space)
{
    uint64_t vmm = times_of("/proc/thread-self/schedstat").delay, companion = 0;
    char path[64];

    if (space->companion) {
        snprintf(path, sizeof path, "/proc/%d/schedstat", (int)space->companion);
        companion = times_of(path).run;
    }
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)space->pid, (int)space->guest_tid);
    return (space->pool->options.together ? vmm / 4 : vmm) + times_of(path).delay - companion;
}

static void go_over(struct world_pool *pool, bool crowded)
{
    pool->crowd.crowded = crowded;
    for (unsigned i = 0; i < pool->options.max_spaces; i++)
        if (pool->spaces[i])
            pool->spaces[i]->cpu = -1; /* place its threads anew */
    world_log("%s", crowded ? "the cores are crowded: sleeping" : "spinning again");
}

void crowd_look(struct world_space *space)
{
    struct world_pool *pool = space->pool;
    struct crowd *crowd = &pool->crowd;
    uint64_t now, delayed;

    if (space->near || !pool->costs.spin || pool->options.wait != WORLD_WAIT_AUTO || ++crowd->entries % LOOK_ENTRIES)
        return;
    now = now_ns();
    if (crowd->crowded) {
        if (now < crowd->retry_at)
            return;
        go_over(pool, false);
        crowd->since = 0;
        return;
    }
    if (crowd->since && crowd->space == space && now - crowd->since < LOOK_NS)
        return;
    delayed = delays(space);
    if (crowd->since && crowd->space == space &&
        (int64_t)(delayed - crowd->delayed) > (int64_t)(now - crowd->since) / CROWDED) {
        crowd->wait = crowd->wait && now - crowd->retry_at < 2 * crowd->wait ? 2 * crowd->wait : RETRY_NS;
        if (crowd->wait > RETRY_NS_MAX)
            crowd->wait = RETRY_NS_MAX;
        crowd->retry_at = now + crowd->wait;
        go_over(pool, true);
    }
    crowd->since = now;
    crowd->space = space;
    crowd->delayed = delayed;
}
