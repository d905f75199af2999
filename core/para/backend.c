/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backend.c - the driver domain's process: Domain 0's role, for one disk.
 *
 * It is forked without guest RAM (MADV_DONTFORK), closes all descriptors but the image's, and works until it is killed.
 * Next: block.c, the hypervisor's side.
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

static void futex_wait(_Atomic uint32_t *word, uint32_t value, long ns)
{
    const struct timespec limit = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    syscall(SYS_futex, word, FUTEX_WAIT, value, ns ? &limit : NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ---- in the domain: system calls only ---- */

static int transfer(const struct backend *backend, struct slot *slot, uint32_t size)
{
    off_t at = (off_t)slot->sector * 512;

    for (uint32_t done = 0; done < size;) {
        ssize_t part = slot->operation == PARA_BLOCK_READ
                           ? pread(backend->image_fd, slot->data + done, size - done, at + done)
                           : pwrite(backend->image_fd, slot->data + done, size - done, at + done);

        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return errno;
        if (part == 0 && slot->operation != PARA_BLOCK_READ)
            return EIO;
        if (part == 0) { /* the image has become shorter */
            memset(slot->data + done, 0, size - done);
            break;
        }
        done += (uint32_t)part;
    }
    return 0;
}

static void serve(const struct backend *backend, struct slot *slot)
{
    if (slot->operation == PARA_BLOCK_FLUSH)
        slot->status = fdatasync(backend->image_fd) ? errno : 0;
    else
        slot->status = transfer(backend, slot, slot->count * 512);
    atomic_store(&slot->state, SLOT_DONE);
}

static _Noreturn void domain(const struct backend *backend)
{
    struct arena *arena = backend->arena;

    for (;;) {
        uint32_t seen = atomic_load(&arena->asked), served = 0;

        for (unsigned i = 0; i < PARA_RING; i++) {
            if (atomic_load(&arena->slot[i].state) != SLOT_ASKED)
                continue;
            serve(backend, &arena->slot[i]);
            served++;
        }
        if (served) {
            atomic_fetch_add(&arena->done, 1);
            if (atomic_load(&arena->vmm_sleeps))
                futex_wake(&arena->done);
            continue;
        }
        atomic_store(&arena->domain_sleeps, 1);
        futex_wait(&arena->asked, seen, 0);
        atomic_store(&arena->domain_sleeps, 0);
    }
}

static _Noreturn void become_domain(const struct backend *backend, pid_t parent)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_NAME, "virtlab-disk", 0, 0, 0);
    setpgid(0, 0);
    if (getppid() != parent)
        _exit(1);
    for (int fd = 3; fd < 4096; fd++) {
        if (fd != backend->image_fd)
            close(fd);
    }
    domain(backend);
}

/* ---- in the VMM ---- */

static int spawn(struct backend *backend)
{
    pid_t parent = getpid(), pid = fork();

    if (pid == 0)
        become_domain(backend, parent);
    backend->pid = pid < 0 ? 0 : pid;
    return pid < 0 ? -errno : 0;
}

int backend_start(struct backend *backend, const char *image, bool read_only, struct reason *why)
{
    struct stat status;

    *backend = (struct backend){.arena = MAP_FAILED, .arena_fd = -1, .read_only = read_only};
    backend->image_fd = open(image, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
    if (backend->image_fd < 0 || fstat(backend->image_fd, &status) || !S_ISREG(status.st_mode))
        goto failed;
    backend->sectors = (uint64_t)status.st_size / 512;
    backend->arena_fd = memfd_create("virtlab-disk", MFD_CLOEXEC);
    if (backend->arena_fd < 0 || ftruncate(backend->arena_fd, sizeof(struct arena)))
        goto failed;
    backend->arena = mmap(NULL, sizeof(struct arena), PROT_READ | PROT_WRITE, MAP_SHARED, backend->arena_fd, 0);
    if (backend->arena == MAP_FAILED || spawn(backend))
        goto failed;
    return 0;

failed:
    fail(why, errno ? errno : EINVAL, "%s: no driver domain for it: %s", image, strerror(errno));
    backend_stop(backend);
    return -EIO;
}

void backend_stop(struct backend *backend)
{
    if (backend->pid) {
        kill(backend->pid, SIGKILL);
        while (waitpid(backend->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (backend->arena != MAP_FAILED)
        munmap(backend->arena, sizeof(struct arena));
    if (backend->arena_fd >= 0)
        close(backend->arena_fd);
    if (backend->image_fd >= 0)
        close(backend->image_fd);
    backend->pid = 0;
    backend->arena = MAP_FAILED;
    backend->arena_fd = backend->image_fd = -1;
}

void backend_ring(struct backend *backend)
{
    atomic_fetch_add(&backend->arena->asked, 1);
    if (atomic_load(&backend->arena->domain_sleeps))
        futex_wake(&backend->arena->asked);
}

/* A dead domain's successor finds its predecessor's work in the slots. */
static void revive(struct backend *backend)
{
    if (backend->pid && waitpid(backend->pid, NULL, WNOHANG) != backend->pid)
        return;
    backend->restarts++;
    atomic_store(&backend->arena->domain_sleeps, 0);
    if (spawn(backend))
        backend->pid = 0; /* tried again at the next wait */
}

void backend_wait(struct backend *backend, uint32_t seen, long ns)
{
    struct arena *arena = backend->arena;

    atomic_store(&arena->vmm_sleeps, 1);
    if (atomic_load(&arena->done) == seen)
        futex_wait(&arena->done, seen, ns);
    atomic_store(&arena->vmm_sleeps, 0);
    if (atomic_load(&arena->done) == seen)
        revive(backend);
}
