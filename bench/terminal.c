/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * terminal.c - raw mode, the quit key, and the guarantee that the user's shell gets a sane terminal back.
 *
 * The machine reads its console from a file descriptor and knows nothing of terminals, so a thread stands between:
 * it reads the keys, looks for Ctrl-A, and passes the rest on through a pipe.
 */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { CTRL_A = 1 };

/* Global, because signal handlers and atexit() have no context to pass it in. */
static struct termios cooked;
static volatile sig_atomic_t is_raw;

void terminal_restore(void)
{
    if (is_raw) {
        is_raw = 0;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
    }
}

/* A crash of ours, or an abort(): restore, then die of the same signal (SA_RESETHAND has put the default back). */
static void restore_and_die(int signal)
{
    terminal_restore();
    raise(signal);
}

static void restore_on_crash(void)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_handler = restore_and_die, .sa_flags = SA_RESETHAND | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
        sigaction(deadly[i], &action, NULL);
}

static int make_raw(struct reason *why)
{
    if (tcgetattr(STDIN_FILENO, &cooked) < 0)
        return fail(why, errno, "terminal: %s", strerror(errno));
    static bool registered;
    if (!registered) {
        registered = true;
        atexit(terminal_restore);
    }
    restore_on_crash();
    struct termios raw = cooked;
    cfmakeraw(&raw);
    raw.c_oflag |= OPOST; /* a guest's "\n" still starts a new line */
    is_raw = 1;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
        return fail(why, errno, "terminal: %s", strerror(errno));
    return 0;
}

/* Passes keys on, but for those after Ctrl-A. True when the user wants to quit. */
static bool pass_keys(struct terminal *terminal, const unsigned char *keys, ssize_t count, bool *escaped)
{
    for (ssize_t i = 0; i < count; i++) {
        if (!*escaped && keys[i] == CTRL_A) {
            *escaped = true;
            continue;
        }
        if (*escaped && (keys[i] == 'x' || keys[i] == 'X'))
            return true;
        *escaped = false;
        /* A full pipe means that the guest doesn't read: the key is lost, as on a serial line. */
        if (write(terminal->keys[1], &keys[i], 1) < 0 && errno != EAGAIN)
            return false;
    }
    return false;
}

static void *read_keys(void *argument)
{
    struct terminal *terminal = argument;
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = terminal->wake[0]}};
    bool escaped = false;
    for (;;) {
        unsigned char keys[64];
        if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents)
            return NULL;
        if (!fds[0].revents)
            continue;
        ssize_t count = read(STDIN_FILENO, keys, sizeof keys);
        if (count <= 0 && errno != EINTR)
            return NULL;
        if (pass_keys(terminal, keys, count, &escaped))
            terminal->quit(terminal->context);
    }
}

/* The thread takes no signals: they are the main thread's. */
static int start_thread(struct terminal *terminal, struct reason *why)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int err = pthread_create(&terminal->thread, NULL, read_keys, terminal);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err ? fail(why, err, "terminal: thread: %s", strerror(err)) : 0;
}

static void close_pair(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

int terminal_open(struct terminal *terminal, void (*quit)(void *context), void *context, struct reason *why)
{
    *terminal = (struct terminal){.quit = quit, .context = context};
    terminal->console_in = fcntl(STDIN_FILENO, F_GETFD) < 0 ? -1 : STDIN_FILENO;
    if (!isatty(STDIN_FILENO))
        return 0;

    if (pipe2(terminal->keys, O_CLOEXEC | O_NONBLOCK) < 0)
        return fail(why, errno, "terminal: pipe: %s", strerror(errno));
    if (pipe2(terminal->wake, O_CLOEXEC) < 0) {
        close_pair(terminal->keys);
        return fail(why, errno, "terminal: pipe: %s", strerror(errno));
    }
    int err = make_raw(why);
    if (!err)
        err = start_thread(terminal, why);
    if (err) {
        terminal_restore();
        close_pair(terminal->keys);
        close_pair(terminal->wake);
        return err;
    }
    terminal->raw = true;
    terminal->console_in = terminal->keys[0];
    return 0;
}

void terminal_close(struct terminal *terminal)
{
    terminal_restore();
    if (!terminal->raw)
        return;
    terminal->raw = false;
    close(terminal->wake[1]);
    pthread_join(terminal->thread, NULL);
    close(terminal->wake[0]);
    close_pair(terminal->keys);
}
