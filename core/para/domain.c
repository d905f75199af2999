/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain.c - the driver domain at work: Domain 0's role, for one disk. A process of its own (backend.c makes it) which
 * has the image and the granted pages; being forked, it makes system calls and uses nothing of the VMM's.
 *
 * It looks at the guest's ring by itself, and checks all that it says: indices first, then each request once it has
 * been copied. Data goes between image and granted page without a copy in between; the image is mapped, so a read is no
 * system call. Requests are done in their order, one after the other; `arena->served` is the point at which one is done
 * (backend.h).
 *
 * To look or to be told. Being woken takes the guest a hypercall. So the domain stays awake for a while after a request
 * and looks whether there is another; on the core of the guest's kernel, which it gives away after each look. While the
 * kernel computes, this costs nothing: who gives way comes last. And when the kernel gives way in turn
 * (PARA_CALL_RELAX), a request and its answer cost two switches of processes, and no exit at all. Only then it sleeps,
 * and says so in the ring.
 *
 * Next: block.c, the hypervisor's part.
 */
#include "para/backend.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define AWAKE_NS INT64_C(200000) /* some ten times what being woken costs the guest */

struct domain {
    const struct backend *backend;
    struct arena *arena;
    struct para_block_ring *ring;
    const uint8_t *image; /* mapped for reading; NULL: can't be */
    struct {
        uint8_t *at; /* NULL: not granted */
        bool read_only;
    } page[PARA_GRANTS_MAX];
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- one request ---- */

static int check(const struct domain *domain, const struct para_block_request *request)
{
    const struct backend *backend = domain->backend;

    if (request->operation == PARA_BLOCK_FLUSH) /* the rest of it means nothing */
        return 0;
    if (request->operation > PARA_BLOCK_FLUSH || request->grant >= PARA_GRANTS_MAX || !domain->page[request->grant].at)
        return -PARA_EINVAL;
    if (!request->count || request->first > PARA_BLOCK_SECTORS || request->count > PARA_BLOCK_SECTORS - request->first)
        return -PARA_EINVAL;
    if (request->sector > backend->sectors || request->count > backend->sectors - request->sector)
        return -PARA_EINVAL;
    if (request->operation == PARA_BLOCK_READ ? domain->page[request->grant].read_only : backend->read_only)
        return -PARA_EPERM;
    return 0;
}

static int transfer(int fd, bool read, uint8_t *data, uint32_t size, off_t at)
{
    for (uint32_t done = 0; done < size;) {
        ssize_t part =
            read ? pread(fd, data + done, size - done, at + done) : pwrite(fd, data + done, size - done, at + done);

        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0 || (part == 0 && !read))
            return -PARA_EIO;
        if (part == 0) { /* the image has become shorter */
            memset(data + done, 0, size - done);
            break;
        }
        done += (uint32_t)part;
    }
    return 0;
}

static sigjmp_buf no_page; /* a signal handler's way back */

static void on_bus_error(int signal)
{
    (void)signal;
    siglongjmp(no_page, 1);
}

/*
 * The image is mapped as well: a read of what the host has in its page cache is a copy, and no system call. False when
 * a page can't be had (an I/O error, an image that has become shorter): pread knows what to do then.
 */
static bool copy_mapped(const struct domain *domain, uint8_t *to, uint64_t from, uint32_t size)
{
    if (!domain->image || sigsetjmp(no_page, 0))
        return false;
    memcpy(to, domain->image + from, size);
    return true;
}

static int carry_out(const struct domain *domain, const struct para_block_request *request)
{
    int err = check(domain, request), fd = domain->backend->image_fd;
    bool read = request->operation == PARA_BLOCK_READ;
    uint64_t at = request->sector * 512;
    uint8_t *data;

    if (err)
        return err;
    if (request->operation == PARA_BLOCK_FLUSH)
        return fdatasync(fd) ? -PARA_EIO : 0;
    data = domain->page[request->grant].at + request->first * 512;
    if (read && copy_mapped(domain, data, at, request->count * 512u))
        return 0;
    return transfer(fd, read, data, request->count * 512u, (off_t)at);
}

/* ---- the ring ---- */

/* How many requests there are; none, if what the guest says can't be. */
static uint32_t waiting(const struct domain *domain)
{
    uint32_t produced = __atomic_load_n(&domain->ring->request_produced, __ATOMIC_SEQ_CST);
    uint32_t count = produced - atomic_load(&domain->arena->served);

    return count > PARA_RING ? 0 : count;
}

/* First the response is there, then it counts, then the guest may see it: who dies in between is understood. */
static void serve(struct domain *domain)
{
    struct para_block_ring *ring = domain->ring;
    uint32_t at = atomic_load(&domain->arena->served);
    struct para_block_request request;

    memcpy(&request, &ring->request[at % PARA_RING], sizeof request);
    atomic_signal_fence(memory_order_seq_cst); /* what is checked is the copy */
    ring->response[at % PARA_RING] =
        (struct para_block_response){.id = request.id, .status = carry_out(domain, &request)};
    atomic_store(&domain->arena->served, at + 1);
    __atomic_store_n(&ring->response_produced, at + 1, __ATOMIC_RELEASE);
}

static void fall_asleep(struct domain *domain)
{
    struct arena *arena = domain->arena;
    uint32_t asked = atomic_load(&arena->asked);

    atomic_store(&arena->domain_sleeps, 1);
    __atomic_store_n(&domain->ring->domain_sleeps, 1, __ATOMIC_SEQ_CST);
    if (!waiting(domain))
        backend_futex_wait(&arena->asked, asked, 0);
    __atomic_store_n(&domain->ring->domain_sleeps, 0, __ATOMIC_SEQ_CST);
    atomic_store(&arena->domain_sleeps, 0);
}

static _Noreturn void work(struct domain *domain)
{
    int64_t last = now_ns();

    __atomic_store_n(&domain->ring->response_produced, atomic_load(&domain->arena->served), __ATOMIC_RELEASE);
    __atomic_store_n(&domain->ring->domain_sleeps, 0, __ATOMIC_SEQ_CST);
    atomic_store(&domain->arena->domain_sleeps, 0);
    for (;;) {
        bool served = false;

        for (; waiting(domain); served = true)
            serve(domain);
        if (served && atomic_load(&domain->arena->vmm_sleeps))
            backend_futex_wake(&domain->arena->served);
        if (served)
            last = now_ns();
        if (served || now_ns() - last < AWAKE_NS)
            sched_yield();
        else
            fall_asleep(domain);
    }
}

/* ---- birth ---- */

static void *map(int ram_fd, uint32_t frame, int rights)
{
    void *at = mmap(NULL, PAGE_SIZE, rights, MAP_SHARED, ram_fd, (off_t)frame << PAGE_SHIFT);

    if (at == MAP_FAILED)
        _exit(1);
    return at;
}

static void map_image(struct domain *domain)
{
    const struct sigaction action = {.sa_handler = on_bus_error, .sa_flags = SA_NODEFER};
    const struct backend *backend = domain->backend;
    sigset_t bus;
    void *at = mmap(NULL, backend->sectors * 512, PROT_READ, MAP_SHARED, backend->image_fd, 0);

    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    if (at != MAP_FAILED && !sigaction(SIGBUS, &action, NULL) && !sigprocmask(SIG_UNBLOCK, &bus, NULL))
        domain->image = at;
}

/* Maps what is granted, and closes the way to all else. */
_Noreturn void domain_live(const struct backend *backend)
{
    struct domain domain = {.backend = backend, .arena = backend->arena};

    prctl(PR_SET_NAME, "virtlab-disk", 0, 0, 0);
    domain.ring = map(backend->ram_fd, backend->ring, PROT_READ | PROT_WRITE);
    for (unsigned i = 0; i < PARA_GRANTS_MAX; i++) {
        const struct grant *grant = &backend->grants[i];

        if (!grant->used)
            continue;
        domain.page[i].at = map(backend->ram_fd, grant->frame, grant->read_only ? PROT_READ : PROT_READ | PROT_WRITE);
        domain.page[i].read_only = grant->read_only;
    }
    map_image(&domain);
    for (int fd = 3; fd < 4096; fd++) {
        if (fd != backend->image_fd)
            close(fd);
    }
    work(&domain);
}
