/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * direct.h - para/direct: a hypervisor for kernels that ask. Parts of core/para only; the interface with the guest is
 * <virtlab/para.h>, which comes first in the reading.
 *
 * The guest's kernel runs in one world space (core/world/world.h), the kernel's space, where all RAM is mapped in the
 * window; user code in one space for each address space. Whoever wants across leaves its own space by an exit, the
 * hypervisor looks at what it wants, and enters the other space; or both are entered, and hand over by themselves:
 *
 *   engine.c   the contract with the machine, birth and death
 *   run.c      the loop: enter a space, look why it was left
 *   traps.c    into the kernel (exceptions, interrupts, SYSCALL) and back from it (iret)
 *   calls.c    hypercalls, found by number; io.c those that the machine answers
 *   frames.c   what each frame of memory is: page or page table, counted
 *   update.c   page-table entries: validated, written, and mirrored in the spaces
 *   spaces.c   the spaces: filled from the tables, kept for the next process
 *   timer.c    the one-shot timer
 *   grant.c    pages that a driver domain may use; block.c, backend.c and domain.c: the disk in one
 *   gate.c     hand-over between kernel and user without an exit; peer.c when; patch.c makes system calls use it
 *   guest.c    access to what a guest's pointers point to
 */
#ifndef VIRTLAB_PARA_DIRECT_H
#define VIRTLAB_PARA_DIRECT_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <virtlab/engine.h>
#include <virtlab/para.h>

#include "world/world.h"

#define PARA_HOLE  UINT64_C(0x600000000000) /* the world's own pages: no page table of a guest reaches there */
#define KERNEL_KEY UINT64_C(1)              /* world keys: the kernel's space, and user spaces by CR3 */

/* What a frame is. Levels of page tables count from 1, as in Xen. */
enum frame_type { FRAME_PAGE = 0, FRAME_L1 = 1, FRAME_L2, FRAME_L3, FRAME_L4, FRAME_HYPERVISOR };

struct frame {
    uint8_t type; /* enum frame_type */
    bool pinned;
    uint16_t slot;     /* of a table: the entry that refers to it, in frame `parent`, while `uses` is 1 */
    uint32_t parent;   /* NO_PARENT: pinned only, or more than one */
    uint32_t uses;     /* of a table: entries that refer to it, and 1 for a pin */
    uint32_t writable; /* of a page: entries that map it writable, and grants: then it can't become a table */
};
#define NO_PARENT UINT32_MAX

/* A page that a driver domain may reach. */
struct grant {
    bool used, read_only;
    bool busy; /* it is a ring */
    uint32_t frame;
};

/* What the machine was asked and has not answered yet. */
enum question { ASKED_NOTHING, ASKED_OUT, ASKED_IN, ASKED_STRING_IN };

/* The thread that kicks the guest when its time has come (timer.c). */
struct timer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct timespec when; /* CLOCK_MONOTONIC */
    bool made, set, quit;
};

struct engine {
    const struct engine_host *host;
    struct world_pool *pool;
    struct frame *frame;
    uint64_t frames;

    /* Given at the start of day. */
    bool started;
    struct para_start_info info;
    struct para_shared *shared;
    uint8_t *table_map;

    /* The CPU. */
    struct world_regs kernel, user; /* the one that doesn't run is stale, but for user's FPU and bases */
    bool in_user;
    uint64_t cr3; /* of the user space to run in, checked */
    uint64_t handler[PARA_TRAPS];
    struct pending_event event; /* to be delivered by the next run */
    bool window_wanted;
    bool kernel_mapped; /* the kernel's space holds the window */
    enum question asked;
    uint8_t io_data[VM_IO_MAX];
    uint64_t io_buffer, io_size; /* ASKED_STRING_IN: where the data goes */

    unsigned features; /* PARA_FEATURE_... */
    struct grant grant[PARA_GRANTS_MAX];
    struct disk *disk;      /* NULL: none, or not bound yet */
    atomic_bool kicked;     /* somebody wants run() to come back */
    struct para_time clock; /* as it stands in the shared page, where the guest can change it */
    uint64_t timer_at;      /* TSC at which the timer's event is due; 0: never */
    struct timer timer;     /* kicks the guest at that time */

    /* Hand-over without the hypervisor (gate.c, peer.c). */
    struct gate_page *gate_in, *gate_out;
    bool listening;        /* the kernel's thread waits at the gate, beside user code */
    uint32_t heard;        /* gate_in->number when it began to */
    bool kernel_near;      /* it sleeps on the VMM's core: nobody has called for long */
    unsigned quick;        /* ... until user code was left after a short time, so often in a row */
    uint64_t user_since;   /* TSC when it was entered */
    struct shadow *shadow; /* of code pages with rewritten system calls (patch.c) */

    struct spaces *spaces; /* what is known of them (spaces.c) */

    struct reason death; /* empty: alive */
};

/* run.c */
void direct_run(struct engine *e, struct vm_exit *exit, uint64_t budget);
/* The guest can't go on; the first reason is kept. */
void direct_die(struct engine *e, const char *format, ...) PRINTF_LIKE(2, 3);

/* traps.c */
bool direct_can_inject(struct engine *e);
/* Enters the kernel's handler of an exception or interrupt. */
void trap_deliver(struct engine *e, unsigned vector, bool has_error, uint32_t error);
void trap_syscall(struct engine *e); /* user code has executed SYSCALL */
void trap_iret(struct engine *e);    /* PARA_CALL_IRET */

/* calls.c: the kernel has asked, with kernel.gpr. True: the machine is to answer *exit. */
bool calls_enter(struct engine *e, struct vm_exit *exit);

/* io.c: calls that the machine answers: result < 0 is an error code and nothing was asked. */
int64_t io_port(struct engine *e, const uint64_t *args, struct vm_exit *exit);
int64_t io_string(struct engine *e, const uint64_t *args, struct vm_exit *exit);
int64_t io_console(struct engine *e, const uint64_t *args, struct vm_exit *exit);
int64_t io_shutdown(struct engine *e, const uint64_t *args, struct vm_exit *exit);
void io_answered(struct engine *e, const struct vm_exit *exit); /* before the next entry */

/* frames.c. Error codes of para.h, negative. */
int frames_create(struct engine *e, struct reason *why);
int frame_get_table(struct engine *e, uint64_t frame, unsigned level, uint32_t parent, uint16_t slot);
void frame_put_table(struct engine *e, uint64_t frame);
/* An entry of a table of this level is about to appear, or has disappeared: what it refers to is counted. */
int entry_get(struct engine *e, unsigned level, uint64_t value, uint32_t table, uint16_t slot);
void entry_put(struct engine *e, unsigned level, uint64_t value);
/* The rights with which the kernel may see a frame in the window: PROT_... */
int frame_window_rights(const struct engine *e, uint64_t frame);

/* grant.c */
int64_t grant_call(struct engine *e, const uint64_t *args);
/* The grant of this reference, or NULL. */
struct grant *grant_find(struct engine *e, uint64_t reference);

/* block.c: the disk's ring, between the guest and the driver domain (backend.h). */
int64_t block_event(struct engine *e, const uint64_t *args); /* PARA_CALL_EVENT */
void block_poll(struct engine *e);                           /* has the driver domain done something? */
void block_grants_change(struct engine *e); /* a driver domain reaches what was granted at its birth: begin anew */
void block_destroy(struct engine *e);
struct backend *block_backend(struct engine *e); /* for tests: NULL without a disk */

/* peer.c */
void peer_create(struct engine *e); /* at the start of day */
/* User code is to run: the kernel's thread waits for its calls beside it, if that pays. */
void peer_listen(struct engine *e);
/*
 * User code has been left with `user`. The kernel's thread, if it was listening, is fetched back, and either side's
 * state is that of a CPU again. What is to be looked at: user code's exit, the kernel's own in *kernel, or none.
 */
enum meeting { MEET_USER, MEET_KERNEL, MEET_DONE };
enum meeting peer_meet(struct engine *e, const struct world_exit *user, struct world_exit *kernel);
/* The kernel has returned to user mode by the gate, and nobody was there. */
bool peer_answered(struct engine *e, const struct world_exit *exit);
bool gate_fault(struct engine *e, uint64_t address); /* the gate's pages are mapped on demand */

/* patch.c */
void patch_call(struct engine *e);                            /* user code has made a system call by an exit */
uint64_t patch_frame(const struct engine *e, uint64_t frame); /* the shadow to execute in place of a frame, or itself */
bool patch_has(const struct engine *e, uint64_t frame);
void patch_drop(struct engine *e, uint64_t frame);    /* its code is going to change */
bool patch_fault(struct engine *e, uint64_t address); /* the trampolines are mapped on demand */
void patch_give_way(struct engine *e,
                    uint64_t va);        /* the guest maps something: if need be, nothing is rewritten any more */
bool patch_breakpoint(struct engine *e); /* #BP at a rewritten site: restored, and RIP set */

/* timer.c */
int64_t timer_set(struct engine *e, const uint64_t *args); /* PARA_CALL_SET_TIMER */
void timer_poll(struct engine *e);                         /* sets the event's bit when it is time */
void timer_wait(struct engine *e);                         /* sleeps until then, or a kick */
void timer_destroy(struct engine *e);

/* spaces.c */
struct world_space *update_kernel_space(struct engine *e, struct reason *why);
struct world_space *update_user_space(struct engine *e, struct reason *why); /* of e->cr3, filled when it is new */
void update_empty_spaces(struct engine *e);
/* The space of a root that has run; one kept from an address space that has gone doesn't count. */
struct world_space *spaces_live(struct engine *e, uint64_t cr3);
void spaces_changed(struct engine *e, uint64_t cr3);         /* what it holds is no longer known */
void spaces_retire(struct engine *e, uint64_t cr3);          /* the address space is no more */
void spaces_becomes_table(struct engine *e, uint64_t frame); /* before it does */
/* Maps what the table of level 1 that describes `va` allows, reached with the rights `above`. */
int spaces_fill_table(struct engine *e, struct world_space *space, uint64_t table, uint64_t va, uint64_t above);
void spaces_destroy(struct engine *e);

/* update.c */
int update_map_page(struct engine *e, struct world_space *space, uint64_t va); /* as the tables say */
/* The frame that user code executes at `va` without being able to write it; false if there is none. */
bool update_code_frame(const struct engine *e, uint64_t va, uint64_t *frame);
int64_t update_list(struct engine *e, const uint64_t *args);
int64_t update_pin(struct engine *e, const uint64_t *args);
int64_t update_unpin(struct engine *e, const uint64_t *args);
/* User code is about to run: what the shared page asks for is done, e->cr3 is set. False: the guest is dead. */
bool update_before_user(struct engine *e);
bool update_is_root(const struct engine *e, uint64_t cr3); /* a pinned top-level table */
/* A user page fault at `address`: true when the tables allow it, and the page is mapped now. Else the true error. */
bool update_fault(struct engine *e, uint64_t address, uint32_t *error);

/* guest.c: [va, va + len) in the window as the hypervisor's pointer, or NULL. `write`: only if the kernel may. */
void *guest_at(const struct engine *e, uint64_t va, uint64_t len, bool write);

/* Page-table entries (SDM 3, 4.5). */
#define PTE_P       UINT64_C(0x001)
#define PTE_W       UINT64_C(0x002)
#define PTE_U       UINT64_C(0x004)
#define PTE_PS      UINT64_C(0x080)
#define PTE_NX      (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)
#define ENTRIES     512
#define USER_SLOTS  128 /* of a top-level table: below the window */
#define LOWER_HALF  UINT64_C(0x800000000000)

#endif
