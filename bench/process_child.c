/* SPDX-License-Identifier: GPL-2.0-or-later */
/* process_child.c - what happens between fork() and exec(): descriptors, group, core, signals. */
#include "process_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "interrupt.h"
#include "pin.h"

int open_terminal_pair(int *ours, int *theirs, struct reason *why)
{
    *ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*ours < 0)
        return fail(why, errno, "pseudo-terminal: %s", strerror(errno));
    if (grantpt(*ours) < 0 || unlockpt(*ours) < 0)
        return fail(why, errno, "pseudo-terminal: %s", strerror(errno));
    const char *name = ptsname(*ours);
    *theirs = name ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    return *theirs < 0 ? fail(why, errno, "pseudo-terminal: %s", strerror(errno)) : 0;
}

/* A group of its own, so that it can be killed whole; with a terminal, a session too (which makes a group). */
static int leave_group(const struct child_ends *ends)
{
    if (ends->terminal < 0)
        return setpgid(0, 0);
    if (setsid() < 0)
        return -1;
    return ioctl(ends->terminal, TIOCSCTTY, 0);
}

/* Out of the way of the numbers 0 to 3, which are about to be given out. */
static int move_up(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 10);
}

/* A program on a terminal draws on stdout; its measured output goes to descriptor 3. */
static int set_descriptors(const struct child_ends *ends)
{
    int output = move_up(ends->output), errors = move_up(ends->errors), terminal = move_up(ends->terminal);
    int input = terminal >= 0 ? terminal : move_up(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (dup2(input, STDIN_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0)
        return -1;
    if (terminal < 0)
        return dup2(output, STDOUT_FILENO);
    return dup2(terminal, STDOUT_FILENO) < 0 ? -1 : dup2(output, 3);
}

static int enter_folder(const char *folder)
{
    return folder ? chdir(folder) : 0;
}

void child_start(const struct process *process, const struct child_ends *ends)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* killed with the bench, if that is killed */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, interrupt_wait_mask(), NULL);
    pin_to(process->core);
    int started = move_up(ends->started);
    if (leave_group(ends) == 0 && set_descriptors(ends) >= 0 && enter_folder(process->folder) == 0)
        execvp(process->argv[0], process->argv);
    int err = errno ? errno : EINVAL;
    /* Were this to fail too, the parent would see exit status 127. */
    if (write(started, &err, sizeof err) < 0)
        _exit(126);
    _exit(127);
}
