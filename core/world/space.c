/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * space.c - a world process' birth and death.
 *
 * Birth: vfork, leave all but three descriptors behind, execve of the image; entry.c and start.c tell what follows. The
 * child is in a process group of its own, so that a terminal's Ctrl-C is the VMM's affair, and is killed by the kernel
 * when the thread that made it ends (PR_SET_PDEATHSIG): nothing survives the VMM.
 * Death: SIGKILL through a pidfd, which can't hit a stranger, and waitid, so that no zombie stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world/private.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define FD_ABOVE 16 /* descriptors are moved here first, so that none is overwritten before it was used */

/* In the child, which shares the VMM's memory until execve: system calls only. Returns when something failed. */
static int become_world(int ram_fd, int shared_fd, int answer_fd, int image_fd, pid_t parent)
{
    char *const argv[] = {(char[]){"virtlab-world"}, NULL}, *const envp[] = {NULL};
    int ram = fcntl(ram_fd, F_DUPFD_CLOEXEC, FD_ABOVE), shared = fcntl(shared_fd, F_DUPFD_CLOEXEC, FD_ABOVE);
    int answer = fcntl(answer_fd, F_DUPFD_CLOEXEC, FD_ABOVE), image = fcntl(image_fd, F_DUPFD_CLOEXEC, FD_ABOVE);

    if (ram < 0 || shared < 0 || answer < 0 || image < 0)
        return errno;
    if (setpgid(0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
        return errno ? errno : ESRCH;
    if (dup2(ram, FD_RAM) < 0 || dup2(shared, FD_SHARED) < 0 || dup2(answer, FD_ANSWER) < 0)
        return errno;
    for (int fd = 0; fd < FD_RAM; fd++)
        close(fd);
    if (syscall(SYS_close_range, FD_ANSWER + 1, ~0u, CLOSE_RANGE_CLOEXEC)) {
        for (int fd = FD_ANSWER + 1; fd < 65536; fd++) /* a kernel before 5.11 */
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    syscall(SYS_execveat, image, "", argv, envp, AT_EMPTY_PATH);
    return errno;
}

/* Returns the child's pid or -errno. No signal handler of the VMM may run in the child: it shares our memory. */
static pid_t spawn(struct world_pool *pool, int shared_fd, int answer_fd, struct reason *why)
{
    sigset_t all, old;
    volatile int failure = 0;
    pid_t parent = getpid(), pid;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid = vfork();
    if (pid == 0) {
        failure = become_world(pool->ram_fd, shared_fd, answer_fd, pool->image_fd, parent);
        _exit(1);
    }
    int err = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (pid < 0)
        return fail(why, err, "world: making a process: %s", strerror(err));
    if (failure) {
        waitpid(pid, NULL, 0);
        return fail(why, failure, "world: execveat of a memfd: %s%s", strerror(failure),
                    failure == EACCES ? " (forbidden by vm.memfd_noexec or a security policy)" : "");
    }
    return pid;
}

static int map_shared(struct world_space *space, struct reason *why)
{
    int fd = memfd_create("virtlab-world-control", MFD_CLOEXEC | MFD_ALLOW_SEALING), err;

    if (fd < 0)
        return fail(why, errno, "world: memfd_create: %s", strerror(errno));
    if (ftruncate(fd, FILE_SIZE) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        goto failed;
    space->shared = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (space->shared == MAP_FAILED)
        goto failed;
    space->control = (struct world_control *)(space->shared + FILE_CONTROL);
    space->commands = (struct world_command *)(space->shared + FILE_CONTROL + (HOLE_COMMANDS - HOLE_CONTROL));
    space->report = (struct world_report *)(space->shared + FILE_REPORT);
    return fd;

failed:
    err = fail(why, errno, "world: control pages: %s", strerror(errno));
    space->shared = NULL;
    close(fd);
    return err;
}

struct world_space *space_create(struct world_pool *pool, struct reason *why)
{
    struct world_space *space = calloc(1, sizeof *space);
    int shared_fd = -1;

    if (!space) {
        fail(why, ENOMEM, "world: out of memory");
        return NULL;
    }
    *space = (struct world_space){.pool = pool, .pid = -1, .pidfd = -1, .answer_fd = -1, .cpu = -1};
    space->answer_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (space->answer_fd < 0) {
        fail(why, errno, "world: eventfd: %s", strerror(errno));
        goto failed;
    }
    shared_fd = map_shared(space, why);
    if (shared_fd < 0)
        goto failed;
    start_prepare(pool, space);
    space->pid = spawn(pool, shared_fd, space->answer_fd, why);
    close(shared_fd);
    if (space->pid < 0)
        goto failed;
    space->pidfd = (int)syscall(SYS_pidfd_open, space->pid, 0);
    if (space->pidfd < 0) {
        fail(why, errno, "world: pidfd_open: %s", strerror(errno));
        goto failed;
    }
    if (handover_started(space, why))
        goto failed;
    world_log("space %d is born", space->pid);
    return space;

failed:
    space_destroy(space);
    return NULL;
}

void space_destroy(struct world_space *space)
{
    if (space->pidfd >= 0) {
        siginfo_t info;

        syscall(SYS_pidfd_send_signal, space->pidfd, SIGKILL, NULL, 0);
        while (waitid(P_PIDFD, (id_t)space->pidfd, &info, WEXITED) && errno == EINTR)
            ;
        close(space->pidfd);
        world_log("space %d is gone", space->pid);
    } else if (space->pid > 0) {
        kill(space->pid, SIGKILL);
        while (waitpid(space->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (space->answer_fd >= 0)
        close(space->answer_fd);
    if (space->shared)
        munmap(space->shared, FILE_SIZE);
    free(space);
}

int space_check(struct world_space *space, struct reason *why)
{
    siginfo_t info = {0};

    if (waitid(P_PIDFD, (id_t)space->pidfd, &info, WEXITED | WNOHANG | WNOWAIT))
        return space_lost(space, why, "process %d is gone (%s)", space->pid, strerror(errno));
    if (!info.si_pid)
        return 0;
    return space_lost(space, why, "process %d %s %d (%s)", space->pid,
                      info.si_code == CLD_EXITED ? "has exited with status" : "was killed by signal", info.si_status,
                      info.si_code == CLD_EXITED ? "unexpectedly" : strsignal(info.si_status));
}

int space_lost(struct world_space *space, struct reason *why, const char *format, ...)
{
    char text[160];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    world_log("space %d is lost: %s", space->pid, text);
    space->lost = true;
    return fail(why, EIO, "world: %s", text);
}
