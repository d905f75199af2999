/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stop.c - signals and the watchdog thread, both ending in machine_stop(). Used by cmd_run.c.
 *
 * A thread and not a timer signal keeps the limit: engines need signals for their own work.
 */
#include "stop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "status.h"
#include "terminal.h"

/* Global, because a signal handler has no context. */
static struct machine *volatile watched;
static volatile sig_atomic_t stop_cause;

static struct watchdog {
    pthread_t thread;
    bool running, over;
    double timeout;
    pthread_mutex_t lock;
    pthread_cond_t ended;
} watchdog = {.lock = PTHREAD_MUTEX_INITIALIZER};

void stop_for(int cause)
{
    int saved_errno = errno;
    if (stop_cause == STOP_NONE)
        stop_cause = cause;
    if (watched)
        machine_stop(watched);
    errno = saved_errno;
}

static void on_signal(int signal)
{
    if (stop_cause > 0) { /* the second one: the user has lost patience */
        terminal_restore();
        _exit(128 + signal);
    }
    stop_for(signal);
}

static void handle_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = 0};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        struct sigaction old;
        /* nohup and shells' background jobs have some of them ignored, and want it so. */
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

/* Waits for the end of the run, at most so long. True when it has come. Called with the lock held. */
static bool wait_for_end(double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)seconds;
    until.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while (!watchdog.over) {
        if (pthread_cond_timedwait(&watchdog.ended, &watchdog.lock, &until) == ETIMEDOUT)
            break;
    }
    return watchdog.over;
}

static void *watch(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&watchdog.lock);
    if (!wait_for_end(watchdog.timeout)) {
        stop_for(STOP_TIMEOUT);
        if (!wait_for_end(STOP_GRACE)) {
            terminal_restore();
            fprintf(stderr, "virtlab run: time-out after %g s; the engine did not stop when asked\n", watchdog.timeout);
            _exit(STATUS_TIMEOUT);
        }
    }
    pthread_mutex_unlock(&watchdog.lock);
    return NULL;
}

static int start_watchdog(double timeout, struct reason *why)
{
    pthread_condattr_t monotonic;
    sigset_t all, old;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog.ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    watchdog.timeout = timeout;
    watchdog.over = false;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* inherited by the thread: signals are the main thread's */
    int err = pthread_create(&watchdog.thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err)
        return fail(why, err, "watchdog thread: %s", strerror(err));
    watchdog.running = true;
    return 0;
}

int stop_watch(struct machine *machine, double timeout, struct reason *why)
{
    stop_cause = STOP_NONE;
    watched = machine;
    handle_signals();
    return timeout > 0 ? start_watchdog(timeout, why) : 0;
}

int stop_unwatch(void)
{
    watched = NULL;
    if (watchdog.running) {
        pthread_mutex_lock(&watchdog.lock);
        watchdog.over = true;
        pthread_cond_signal(&watchdog.ended);
        pthread_mutex_unlock(&watchdog.lock);
        pthread_join(watchdog.thread, NULL);
        pthread_cond_destroy(&watchdog.ended);
        watchdog.running = false;
    }
    return stop_cause;
}
