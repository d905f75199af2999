/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backend.h - the driver domain: a process of its own that has the disk's image, and none of the guest's memory.
 *
 * It shares an arena of slots with the hypervisor. A slot goes EMPTY -> ASKED (hypervisor) -> DONE (domain) -> EMPTY.
 * When the domain dies, slots that are ASKED stay so, and the next domain finds them: reads and writes of a disk can be
 * done twice. What is DONE was done: a write's bytes are in the host's page cache, which outlives any process.
 */
#ifndef VIRTLAB_PARA_BACKEND_H
#define VIRTLAB_PARA_BACKEND_H

#include <stdatomic.h>
#include <sys/types.h>
#include <virtlab/para.h>
#include <virtlab/types.h>

enum slot_state { SLOT_EMPTY, SLOT_ASKED, SLOT_DONE };

struct slot {
    _Atomic uint32_t state;
    uint32_t operation, count;
    int32_t status; /* an errno, or 0: a claim of the domain's */
    uint64_t sector;
    uint8_t data[PARA_BLOCK_SECTORS * 512] __attribute__((aligned(64)));
};

struct arena {
    _Atomic uint32_t asked, domain_sleeps; /* rung by the hypervisor */
    _Atomic uint32_t done, vmm_sleeps;     /* rung by the domain */
    struct slot slot[PARA_RING];
};

struct backend {
    struct arena *arena;
    int arena_fd, image_fd;
    pid_t pid;         /* 0: none runs */
    unsigned restarts; /* after a death */
    uint64_t sectors;
    bool read_only;
};

/* Opens the image and starts the domain. 0 or -errno with why. */
int backend_start(struct backend *backend, const char *image, bool read_only, struct reason *why) MUST_CHECK;
void backend_stop(struct backend *backend);
/* There is something in a slot. */
void backend_ring(struct backend *backend);
/* Waits for `done` to differ from `seen`, at most `ns`; a domain that has died is started again. */
void backend_wait(struct backend *backend, uint32_t seen, long ns);

#endif
