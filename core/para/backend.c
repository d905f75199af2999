/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backend.c - the driver domain's birth and death, and the hypervisor's side of waking and waiting.
 *
 * The domain is forked without guest RAM (MADV_DONTFORK): what is granted it maps itself, before it closes all
 * descriptors but the image's.
 *
 * Next: domain.c, what it does.
 */
#include "para/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLOSE_NS    5000000 /* one wait for the domain to finish, and how many in vain */
#define CLOSE_WAITS 200

void backend_futex_wait(_Atomic uint32_t *word, uint32_t value, long ns)
{
    const struct timespec limit = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    syscall(SYS_futex, word, FUTEX_WAIT, value, ns ? &limit : NULL, NULL, 0);
}

void backend_futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* It dies with the VMM, and with no signal that is meant for the VMM's process group. */
static _Noreturn void become_domain(const struct backend *backend, pid_t parent)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    setpgid(0, 0);
    if (getppid() != parent)
        _exit(1);
    domain_live(backend);
}

static void spawn(struct backend *backend)
{
    pid_t parent = getpid(), pid = fork();

    if (pid == 0)
        become_domain(backend, parent);
    backend->pid = pid < 0 ? 0 : pid; /* tried again at the next wait */
}

int backend_open(struct backend *backend, const char *image, bool read_only, struct reason *why)
{
    struct stat status;

    *backend = (struct backend){.arena = MAP_FAILED, .read_only = read_only};
    backend->image_fd = open(image, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
    if (backend->image_fd < 0 || fstat(backend->image_fd, &status) || !S_ISREG(status.st_mode))
        goto failed;
    backend->sectors = (uint64_t)status.st_size / 512;
    backend->arena = mmap(NULL, sizeof(struct arena), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (backend->arena == MAP_FAILED)
        goto failed;
    return 0;

failed:
    fail(why, errno ? errno : EINVAL, "%s: no driver domain for it: %s", image, strerror(errno));
    backend_close(backend, 0);
    return -EIO;
}

void backend_end_domain(struct backend *backend)
{
    if (!backend->pid)
        return;
    kill(backend->pid, SIGKILL);
    while (waitpid(backend->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    backend->pid = 0;
}

static void finish(struct backend *backend, uint32_t produced)
{
    uint32_t served = atomic_load(&backend->arena->served);

    if (produced - served > PARA_RING)
        return;
    for (unsigned waits = 0; served != produced && waits < CLOSE_WAITS; waits++) {
        backend_ring(backend);
        backend_wait(backend, served, CLOSE_NS);
        if (atomic_load(&backend->arena->served) != served)
            waits = 0;
        served = atomic_load(&backend->arena->served);
    }
}

void backend_close(struct backend *backend, uint32_t produced)
{
    if (backend->arena != MAP_FAILED) {
        finish(backend, produced);
        backend_end_domain(backend);
        munmap(backend->arena, sizeof(struct arena));
    }
    if (backend->image_fd >= 0)
        close(backend->image_fd);
    backend->arena = MAP_FAILED;
    backend->image_fd = -1;
}

void backend_ring(struct backend *backend)
{
    atomic_fetch_add(&backend->arena->asked, 1);
    if (!backend->pid)
        spawn(backend);
    else if (atomic_load(&backend->arena->domain_sleeps))
        backend_futex_wake(&backend->arena->asked);
}

/* A dead domain's successor finds its predecessor's work in the ring. */
static void revive(struct backend *backend)
{
    if (backend->pid && waitpid(backend->pid, NULL, WNOHANG) != backend->pid)
        return;
    backend->restarts++;
    spawn(backend);
}

void backend_wait(struct backend *backend, uint32_t seen, long ns)
{
    struct arena *arena = backend->arena;

    atomic_store(&arena->vmm_sleeps, 1);
    if (atomic_load(&arena->served) == seen)
        backend_futex_wait(&arena->served, seen, ns);
    atomic_store(&arena->vmm_sleeps, 0);
    if (atomic_load(&arena->served) == seen)
        revive(backend);
}
