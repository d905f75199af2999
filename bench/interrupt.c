/* SPDX-License-Identifier: GPL-2.0-or-later */
/* interrupt.c - notes that the user wants to stop. Used by process.c and the bench. */
#include "interrupt.h"

#include <stddef.h>

static volatile sig_atomic_t received;
static sigset_t outside; /* the signal mask from before */

static void note(int signal)
{
    received = signal;
}

void interrupt_install(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = note};
    sigset_t blocked;
    sigemptyset(&action.sa_mask);
    sigemptyset(&blocked);
    for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        sigaction(signals[i], &action, NULL);
        sigaddset(&blocked, signals[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, &outside);
    /* A parent may have blocked them for us; then nobody could ever stop the bench. */
    for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigdelset(&outside, signals[i]);
}

int interrupt_signal(void)
{
    return received;
}

const sigset_t *interrupt_wait_mask(void)
{
    return &outside;
}
