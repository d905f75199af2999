/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_world.h - a small guest for the tests of core/world: RAM, one space, a page of code, data and a stack.
 *
 *     guest-virtual   rights  RAM offset
 *     CODE 0x400000   r-x     0x000000   64 KiB
 *     DATA 0x600000   rw-     0x100000   64 KiB
 *     STACK below 0x7f0000, rw-, RAM 0x180000, 64 KiB
 */
#ifndef VIRTLAB_TEST_WORLD_H
#define VIRTLAB_TEST_WORLD_H

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "vltest.h"
#include "world/world.h"

#define CODE      UINT64_C(0x400000)
#define DATA      UINT64_C(0x600000)
#define STACK     UINT64_C(0x7f0000)
#define PIECE     UINT64_C(0x10000)
#define CODE_RAM  UINT64_C(0x000000)
#define DATA_RAM  UINT64_C(0x100000)
#define STACK_RAM UINT64_C(0x180000)
#define RAM_SIZE  UINT64_C(0x400000)
#define RX        (PROT_READ | PROT_EXEC)
#define RW        (PROT_READ | PROT_WRITE)

struct guest {
    int ram_fd;
    uint8_t *ram;
    struct world_pool *pool;
    struct world_space *space;
    struct world_regs regs;
    struct world_exit exit;
    struct reason why;
};

static inline uint64_t test_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000;
}

/* Maps the three pieces into the guest's space. */
static inline int guest_map(struct guest *guest)
{
    int err = world_map(guest->space, gva(CODE), CODE_RAM, PIECE, RX, WORLD_POPULATE, &guest->why);

    err = err ? err : world_map(guest->space, gva(DATA), DATA_RAM, PIECE, RW, WORLD_POPULATE, &guest->why);
    return err ? err : world_map(guest->space, gva(STACK - PIECE), STACK_RAM, PIECE, RW, 0, &guest->why);
}

/* The space of `key`, with its mappings, becomes the guest's. */
static inline bool guest_enter_space(struct guest *guest, uint64_t key)
{
    bool fresh = false;

    guest->why.text[0] = '\0';
    guest->space = world_space_get(guest->pool, key, &fresh, &guest->why);
    return guest->space && (!fresh || !guest_map(guest));
}

static inline bool guest_open(struct guest *guest, struct world_options options)
{
    *guest = (struct guest){.ram_fd = memfd_create("test-ram", MFD_CLOEXEC)};
    if (guest->ram_fd < 0 || ftruncate(guest->ram_fd, (off_t)RAM_SIZE))
        return false;
    guest->ram = mmap(NULL, RAM_SIZE, RW, MAP_SHARED, guest->ram_fd, 0);
    options.ram_fd = guest->ram_fd;
    options.ram_size = options.ram_size ? options.ram_size : RAM_SIZE;
    guest->pool = world_create(&options, &guest->why);
    bool ok = guest->pool && guest_enter_space(guest, 1);
    vltest_check(ok, __FILE__, __LINE__, "no world: %s", guest->why.text);
    return ok;
}

static inline void guest_close(struct guest *guest)
{
    world_destroy(guest->pool);
    munmap(guest->ram, RAM_SIZE);
    close(guest->ram_fd);
}

/* Registers as a fresh thread would have them, about to execute `code`. */
static inline void guest_load(struct guest *guest, const void *code, size_t size)
{
    memcpy(guest->ram + CODE_RAM, code, size);
    memset(&guest->regs, 0, sizeof guest->regs);
    guest->regs.rip = CODE;
    guest->regs.gpr[RSP] = STACK - 0x100;
    guest->regs.rflags = FLAG_ONE;
    guest->regs.fxsave[0] = 0x7f, guest->regs.fxsave[1] = 0x03;   /* FCW */
    guest->regs.fxsave[24] = 0x80, guest->regs.fxsave[25] = 0x1f; /* MXCSR */
}

static inline int guest_go(struct guest *guest)
{
    guest->why.text[0] = '\0';
    int err = world_run(guest->space, &guest->regs, &guest->exit, &guest->why);
    vltest_check(!err, __FILE__, __LINE__, "world_run: %s", guest->why.text);
    return err;
}

#define RUN_CODE(guest, ...)                          \
    do {                                              \
        static const uint8_t code_[] = {__VA_ARGS__}; \
        guest_load((guest), code_, sizeof code_);     \
        CHECK_FATAL(guest_go(guest) == 0);            \
    } while (0)

static struct world_pool *alarm_pool;

__attribute__((unused)) static void on_alarm(int signal)
{
    (void)signal;
    int saved = errno;
    if (alarm_pool)
        world_kick(alarm_pool);
    errno = saved;
}

/* Kicks the pool every `us` microseconds (0: no more). */
__attribute__((unused)) static void kick_every(struct world_pool *pool, unsigned us)
{
    struct itimerval timer = {{0, us}, {0, us}};
    struct sigaction action = {.sa_handler = on_alarm};

    alarm_pool = pool;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

#endif
