/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backend.h - the driver domain: a process of its own that has the disk's image and, of the guest's memory, the pages
 * that are granted when it is born; no more, and none that is granted later.
 *
 * So a page is taken back by ending the domain: when it is dead, nobody reaches the page. Its successor is born with
 * what is granted then. It goes on behind the last request that was answered, `served`: who dies in the middle of one
 * leaves it unanswered, and reads and writes of a disk can be done twice. What is answered was done: a write's bytes
 * are in the host's page cache, which outlives any process.
 *
 * Next: domain.c, what it does; backend.c, its birth and death.
 */
#ifndef VIRTLAB_PARA_BACKEND_H
#define VIRTLAB_PARA_BACKEND_H

#include <stdatomic.h>
#include <sys/types.h>
#include <virtlab/para.h>
#include <virtlab/types.h>

#include "para/direct.h"

/* What hypervisor and domain share; the guest doesn't see it. */
struct arena {
    _Atomic uint32_t asked, domain_sleeps; /* the domain waits for `asked` to change */
    _Atomic uint32_t served, vmm_sleeps;   /* requests answered; the hypervisor waits for it to change */
};

struct backend {
    struct arena *arena;
    int image_fd;
    uint64_t sectors;
    bool read_only;

    int ram_fd;                 /* the caller's, as is what follows: what a domain is born with */
    uint32_t ring;              /* frame */
    const struct grant *grants; /* PARA_GRANTS_MAX */

    pid_t pid;         /* 0: none runs */
    unsigned restarts; /* after a death */
};

/* Opens the image; ram_fd, ring and grants are to be filled in by the caller. 0 or -errno with why. */
int backend_open(struct backend *backend, const char *image, bool read_only, struct reason *why) MUST_CHECK;
/* Lets the domain finish what it is asked for, if it can, and ends it all. */
void backend_close(struct backend *backend, uint32_t produced);
/* There are new requests: wakes the domain; makes one if there is none. */
void backend_ring(struct backend *backend);
/* Waits for `served` to differ from `seen`, at most `ns`; a domain that has died is followed by another. */
void backend_wait(struct backend *backend, uint32_t seen, long ns);
/* Ends the domain: what was granted to it, it can't reach any more. */
void backend_end_domain(struct backend *backend);

/* domain.c: the domain's life, in a process of its own. */
_Noreturn void domain_live(const struct backend *backend);

/* FUTEX_WAIT, at most `ns` if that isn't 0; FUTEX_WAKE. */
void backend_futex_wait(_Atomic uint32_t *word, uint32_t value, long ns);
void backend_futex_wake(_Atomic uint32_t *word);

#endif
