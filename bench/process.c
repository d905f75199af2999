/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * process.c - fork, exec, and one loop that waits for output, the end, the time limit and Ctrl-C together.
 *
 * Read next: process_child.c, the child's side; measure.c, which runs everything through here.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interrupt.h"
#include "process_child.h"
#include "region.h"

/* The parent's ends. The order is that of the poll below. */
enum { OUTPUT, ERRORS, TERMINAL, STARTED, ENDED, DESCRIPTORS };

struct running {
    const struct process *process;
    struct process_result *result;
    pid_t pid;
    int fd[DESCRIPTORS]; /* -1: none, or closed by the other side */
    double begin;
    size_t line_at; /* where the unfinished line of output starts */
    bool enough;
    int exec_error; /* errno of the child, when it could not start the program */
};

static void append(struct text *text, const char *bytes, size_t count)
{
    if (text->length + count > PROCESS_OUTPUT_MAX)
        count = PROCESS_OUTPUT_MAX - text->length;
    memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = '\0';
}

/* Hands each newly completed line to the caller; a serial line ends with CR LF. */
static void pass_lines(struct running *running, double when)
{
    struct text *output = &running->result->output;
    char *newline;
    while (!running->enough && (newline = strchr(output->data + running->line_at, '\n'))) {
        char line[512];
        const char *start = output->data + running->line_at;
        size_t length = (size_t)(newline - start);
        running->line_at += length + 1;
        if (length > 0 && start[length - 1] == '\r')
            length--;
        snprintf(line, sizeof line, "%.*s", (int)length, start);
        running->enough = running->process->line(running->process->context, line, when);
    }
}

/* Reads what there is on one descriptor; closes it at its end. */
static void take(struct running *running, int which)
{
    char bytes[16384];
    ssize_t count = read(running->fd[which], bytes, sizeof bytes);
    double when = now_seconds();
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) { /* a terminal ends with EIO */
        close(running->fd[which]);
        running->fd[which] = -1;
        return;
    }
    switch (which) {
    case OUTPUT:
        append(&running->result->output, bytes, (size_t)count);
        if (running->process->line)
            pass_lines(running, when);
        break;
    case ERRORS: append(&running->result->errors, bytes, (size_t)count); break;
    case STARTED: memcpy(&running->exec_error, bytes, sizeof running->exec_error); break;
    case TERMINAL: break;
    }
}

static void take_the_rest(struct running *running)
{
    for (int which = 0; which < ENDED; which++) {
        struct pollfd fd = {.fd = running->fd[which], .events = POLLIN};
        while (running->fd[which] >= 0 && poll(&fd, 1, 0) > 0) {
            take(running, which);
            fd.fd = running->fd[which];
        }
    }
}

/* Waits for the end, whichever it is. Returns true when the process ended by itself. */
static bool wait_for_end(struct running *running)
{
    double until = running->begin + running->process->timeout;
    for (;;) {
        struct pollfd fds[DESCRIPTORS];
        for (int i = 0; i < DESCRIPTORS; i++)
            fds[i] = (struct pollfd){.fd = running->fd[i], .events = POLLIN};
        double left = until - now_seconds();
        if (left <= 0) {
            running->result->end = PROCESS_TIMED_OUT;
            return false;
        }
        struct timespec patience = {.tv_sec = (time_t)left, .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
        int ready = ppoll(fds, DESCRIPTORS, &patience, interrupt_wait_mask());
        if (interrupt_signal()) {
            running->result->end = PROCESS_INTERRUPTED;
            return false;
        }
        for (int i = 0; ready > 0 && i < ENDED; i++) {
            if (fds[i].revents)
                take(running, i);
        }
        if (running->enough) {
            running->result->end = PROCESS_ENOUGH;
            return false;
        }
        if (ready > 0 && fds[ENDED].revents)
            return true;
    }
}

/* Takes the child's status, and makes sure that no descendant of it goes on. */
static void reap(struct running *running, bool ended_by_itself)
{
    struct process_result *result = running->result;
    int status;
    if (!ended_by_itself) {
        kill(-running->pid, SIGKILL);
        kill(running->pid, SIGKILL); /* should it not have made its group yet */
    }
    while (waitpid(running->pid, &status, 0) < 0 && errno == EINTR)
        ;
    result->seconds = now_seconds() - running->begin;
    kill(-running->pid, SIGKILL);
    take_the_rest(running);
    if (!ended_by_itself)
        return;
    result->end = WIFSIGNALED(status) ? PROCESS_SIGNALLED : PROCESS_EXITED;
    result->status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void close_all(int *fd, int count)
{
    for (int i = 0; i < count; i++) {
        if (fd[i] >= 0)
            close(fd[i]);
        fd[i] = -1;
    }
}

/* Makes the pipes and the terminal: our ends into running->fd, the child's into `theirs`. */
static int open_channels(struct running *running, struct child_ends *theirs, struct reason *why)
{
    int *ends[] = {&theirs->output, &theirs->errors, NULL, &theirs->started};
    *theirs = (struct child_ends){-1, -1, -1, -1};
    for (int i = 0; i < ENDED; i++) {
        int pair[2];
        if (!ends[i])
            continue;
        if (pipe2(pair, O_CLOEXEC) < 0)
            return fail(why, errno, "pipe: %s", strerror(errno));
        running->fd[i] = pair[0];
        *ends[i] = pair[1];
    }
    if (running->process->needs_terminal)
        return open_terminal_pair(&running->fd[TERMINAL], &theirs->terminal, why);
    return 0;
}

static int start(struct running *running, struct reason *why)
{
    struct child_ends theirs;
    int err = open_channels(running, &theirs, why);
    running->begin = now_seconds();
    if (!err) {
        fflush(NULL);
        running->pid = fork();
        if (running->pid == 0)
            child_start(running->process, &theirs);
        if (running->pid < 0)
            err = fail(why, errno, "fork: %s", strerror(errno));
    }
    close_all(&theirs.output, sizeof theirs / sizeof(int));
    if (err)
        return err;
    /* Here too, whoever comes first; but the leader of a group could no longer start a session of its own. */
    if (!running->process->needs_terminal)
        setpgid(running->pid, running->pid);
    running->fd[ENDED] = (int)syscall(SYS_pidfd_open, running->pid, 0);
    if (running->fd[ENDED] < 0) {
        err = fail(why, errno, "pidfd_open: %s", strerror(errno));
        reap(running, false);
    }
    return err;
}

int process_run(const struct process *process, struct process_result *result, struct reason *why)
{
    struct running running = {.process = process, .result = result, .fd = {-1, -1, -1, -1, -1}};
    *result = (struct process_result){.output.data = calloc(1, PROCESS_OUTPUT_MAX + 1),
                                      .errors.data = calloc(1, PROCESS_OUTPUT_MAX + 1)};
    int err = result->output.data && result->errors.data ? 0 : fail(why, ENOMEM, "out of memory");
    if (!err)
        err = start(&running, why);
    if (!err) {
        bool ended_by_itself = wait_for_end(&running);
        reap(&running, ended_by_itself);
        if (running.exec_error)
            err = fail(why, running.exec_error, "%s: %s", process->argv[0], strerror(running.exec_error));
    }
    close_all(running.fd, DESCRIPTORS);
    if (err)
        process_result_free(result);
    return err;
}

void process_result_free(struct process_result *result)
{
    free(result->output.data);
    free(result->errors.data);
    result->output.data = result->errors.data = NULL;
}
