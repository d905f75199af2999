/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * terminal.h - the terminal as the guest's console.
 *
 * When stdin is a terminal it is put into raw mode, so that every key, Ctrl-C too, reaches the guest; Ctrl-A x quits
 * and Ctrl-A Ctrl-A types a Ctrl-A, as in QEMU. It is always restored: on return, on exit(), and when a signal kills
 * us.
 */
#ifndef BENCH_TERMINAL_H
#define BENCH_TERMINAL_H

#include <pthread.h>

#include <virtlab/types.h>

struct terminal {
    int console_in; /* what the machine should read, or -1 */
    bool raw;
    int keys[2]; /* pipe: keys on their way to the machine */
    int wake[2]; /* pipe: closed to end the thread */
    pthread_t thread;
    void (*quit)(void *context); /* Ctrl-A x was typed */
    void *context;
};

int terminal_open(struct terminal *terminal, void (*quit)(void *context), void *context, struct reason *why) MUST_CHECK;
void terminal_close(struct terminal *terminal);

/* Gives the terminal its old mode back; async-signal-safe, and harmless when there is nothing to restore. */
void terminal_restore(void);

#endif
