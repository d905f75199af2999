/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * para.h - what a paravirtual guest kernel and its hypervisor say to each other: the whole interface, for both sides.
 *
 * The guest's kernel knows that it isn't alone. It runs deprivileged, untranslated, and asks for what it may not do.
 * The vocabulary is Xen's (public/xen.h): start info, shared info, hypercalls, direct paging, event channels, grants.
 * Assembler includes this file too. docs/para.md tells why things are as they are; read it beside this one.
 *
 * Memory. RAM ("frames" of 4 KiB, numbered from 0) is visible to the kernel at PARA_WINDOW + physical address. The
 *   window is the hypervisor's: no page table of the guest describes it. It is readable and writable, executable as far
 *   as the kernel's image reaches; but frames that are page tables, and the pages below that say so, are read-only.
 *   User space is what page tables describe: addresses from PARA_USER_MIN up to PARA_WINDOW, the lower 128 slots of the
 *   top-level table. Kernel code can't touch user addresses: it walks its tables and goes through the window.
 *   User code can't touch the window.
 *
 * Start of day. The ELF file has a note (name PARA_NOTE_NAME, type PARA_NOTE_START) whose descriptor is a struct
 *   para_note. The kernel starts at its `entry`, in 64-bit mode, with RSI = physical address of a struct
 *   para_start_info; RSP is undefined, virtual interrupts are masked, no user address space is loaded.
 *
 * Hypercalls. Call (as a function) hypercall page + PARA_STUB_SIZE * number. The hypervisor writes that page at the
 *   start: how a stub reaches it is its affair. Arguments in RDI, RSI, RDX, R10, R8, R9; the result in RAX: not
 *   negative, or one of the error codes below, negated. RCX and R11 are lost, all else is kept. A pointer argument is
 *   an address in the window; what it points to is read and written with the guest's own rights. Every argument is
 *   checked; a bad one is an error code and nothing else has happened, unless a call says otherwise.
 *
 * Traps. Exceptions, interrupts and SYSCALL come to the kernel as on a bare CPU: same frames, same registers, but the
 *   addresses come from PARA_CALL_SET_TRAPS, the stack from shared->kernel_stack, the fault address is in shared->cr2,
 *   and instead of RFLAGS.IF it is shared->masked that is set. In frames, CS is PARA_KERNEL_CS or PARA_USER_CS.
 *   Back: jump (not call) to the stub of PARA_CALL_IRET with RSP at an IRET frame and all other registers as they are
 *   to be. It restores RIP, RSP, RFLAGS, and shared->masked (from the frame's IF). To user mode, it also loads the
 *   address space shared->cr3, the bases of FS and GS, and the FPU image; all of them were stored there when user code
 *   was last left (the FPU image may be late: shared->fpu_elsewhere). A kernel that writes the image sets
 *   shared->fpu_written. So a switch of tasks is stores to the shared page, and no exit. On the way, the list
 *   shared->updates is carried out, and an address space that isn't pinned yet is pinned.
 *
 * Interrupts. shared->masked is the virtual interrupt flag: 1 keeps interrupts away. Write it without a hypercall.
 * After writing 0, look at shared->pending: when it isn't 0, PARA_CALL_UNMASK takes what was kept back.
 */
#ifndef VIRTLAB_PARA_H
#define VIRTLAB_PARA_H

#define PARA_VERSION 1
#define PARA_MAGIC   0x41524150 /* "PARA" */

#define PARA_NOTE_NAME  "Virtlab"
#define PARA_NOTE_START 2

#define PARA_WINDOW    0x400000000000 /* bit 46 */
#define PARA_USER_MIN  0x10000        /* hosts keep the first 64 KiB for themselves */
#define PARA_KERNEL_CS 0x08
#define PARA_KERNEL_SS 0x10
#define PARA_USER_SS   0x23
#define PARA_USER_CS   0x2b

#define PARA_STUB_SIZE  32
#define PARA_GATE_PAGES 35

/* clang-format off */
/* Calls. "list" is an array in the window, of at most PARA_LIST_MAX entries. */
#define PARA_CALL_VERSION      0  /* -> PARA_VERSION */
#define PARA_CALL_FEATURES     1  /* -> PARA_FEATURE_... */
#define PARA_CALL_MULTICALL    2  /* (struct para_multicall *list, count): carries them out in order, each with a result of
                                     its own. Only calls that come back at once: -EINVAL for the others. */
#define PARA_CALL_MMU_UPDATE   3  /* (struct para_mmu_update *list, count): writes page-table entries, until one is refused;
                                     shared->done tells how many were written */
#define PARA_CALL_PIN          4  /* (frame's address): makes a top-level table of it, and tables of what it refers to;
                                     then it may be loaded */
#define PARA_CALL_UNPIN        5  /* (frame's address): it and its tables are ordinary pages again */
#define PARA_CALL_FLUSH        6  /* (va, pages): nothing to do, for updates take effect at once; for other hypervisors */
#define PARA_CALL_SET_CR3      7  /* (frame's address): as storing shared->cr3, but checked now */
#define PARA_CALL_SET_TRAPS    8  /* (struct para_trap *list, count) */
#define PARA_CALL_SET_STACK    9  /* (rsp): as storing shared->kernel_stack */
#define PARA_CALL_IRET        10  /* see above */
#define PARA_CALL_UNMASK      11  /* shared->masked = 0, and pending interrupts are taken */
#define PARA_CALL_BLOCK       12  /* the same, and waits until there is one */
#define PARA_CALL_YIELD       13  /* lets the hypervisor look after its devices */
#define PARA_CALL_SET_TIMER   14  /* (ns): PARA_PORT_TIMER's bit is set when the clock (struct para_time) says so; 0: never */
#define PARA_CALL_CONSOLE     15  /* (PARA_CONSOLE_WRITE, buffer, size), at most a page */
#define PARA_CALL_EVENT       16  /* (PARA_EVENT_..., a, b): event channels */
#define PARA_CALL_GRANT       17  /* (PARA_GRANT_..., a, b): pages for a driver domain */
#define PARA_CALL_IO          18  /* (port, size in bytes 1 2 4, PARA_IO_IN or PARA_IO_OUT, value): the platform's devices */
#define PARA_CALL_IO_STRING   19  /* (port, size, direction, buffer, elements): REP INS and OUTS, at most a page */
#define PARA_CALL_SHUTDOWN    20  /* (status) */
#define PARA_CALL_FPU         21  /* makes shared->fpu user code's state, when shared->fpu_elsewhere isn't 0 */
#define PARA_CALL_PEER        22  /* the hypercall page's own: nobody came */
#define PARA_CALL_RELAX       23  /* by its stub only: whoever else wants this core may have it, a driver domain say. No exit */
#define PARA_CALL_COUNT       24

#define PARA_LIST_MAX 1024

/* Error codes: Linux's numbers. */
#define PARA_EPERM   1
#define PARA_EFAULT 14  /* a pointer leaves the window, or may not be written */
#define PARA_EBUSY  16
#define PARA_ENODEV 19
#define PARA_EIO     5
#define PARA_EINVAL 22
#define PARA_ENOSYS 38

#define PARA_FEATURE_BATCH 1  /* multicalls and lists longer than 1: else -EINVAL, for comparison's sake */
#define PARA_FEATURE_ASYNC 2  /* PARA_EVENT_SEND returns at once; what it asks for is done later, and told by an event */

#define PARA_IO_OUT 0
#define PARA_IO_IN  1

#define PARA_CONSOLE_WRITE 0
/* clang-format on */

/* clang-format off */
/* Event channels: a port is a bit of shared->event_pending. Set and not masked in shared->event_mask, it is delivered as
   an interrupt to the handler of PARA_TRAP_EVENT, if there is one; the handler clears the bit. */
#define PARA_EVENT_BIND_DISK 0 /* (a grant of the ring's page): -> port; -PARA_ENODEV without a disk */
#define PARA_EVENT_SEND      1 /* (port, 0 or PARA_SEND_WAIT): there are new requests. No need to tell, while
                                  ring->domain_sleeps is 0. With PARA_SEND_WAIT, and always without PARA_FEATURE_ASYNC, it
                                  comes back when all are done (or early: PARA_EVENT_POLL waits for the rest) */
#define PARA_EVENT_POLL      2 /* (port): waits until its bit is set, and clears it; may come back early */
#define PARA_EVENT_UNBIND    3 /* (port) */
#define PARA_SEND_WAIT       1
#define PARA_PORT_TIMER      0
#define PARA_PORT_DISK       1
#define PARA_PORTS           64

#define PARA_GRANT_SHARE  0 /* (frame's address, PARA_GRANT_READ_ONLY or 0): -> reference. While it is shared, a page can't
                               become a page table */
#define PARA_GRANT_REVOKE 1 /* (reference): nobody reaches it any more; requests under way fail. -PARA_EBUSY: it is a ring */
#define PARA_GRANT_READ_ONLY 1
#define PARA_GRANTS_MAX   256
/* clang-format on */

#define PARA_TRAP_EVENT   257 /* the vector of event channels */
#define PARA_TRAP_SYSCALL 256 /* the vector, for SET_TRAPS, of the SYSCALL instruction */
#define PARA_TRAPS        258

#define PARA_FPU_SIZE 2688 /* XSAVE area, standard format, up to AVX-512 */

#ifndef __ASSEMBLER__
#include <stdint.h>

struct para_note {
    uint64_t entry, hypercall_page; /* virtual addresses in the window; the page is 4 KiB of the kernel's image */
};

/* All addresses physical. */
struct para_start_info {
    uint32_t magic, version;
    uint64_t shared; /* struct para_shared, one page */
    uint64_t hypercall_page;
    uint64_t table_map;      /* read-only: bit n of byte n/8 is set when frame n is a page table */
    uint64_t table_map_size; /* bytes */
    uint64_t frames;
    uint64_t gate;      /* PARA_GATE_PAGES pages of the hypervisor's own */
    uint64_t image_end; /* what lies below is executable */
    uint64_t
        boot_info; /* command line, initrd, memory map: a PVH hvm_start_info (Xen, public/arch-x86/hvm/start_info.h) */
};

/* Time, as pvclock has it: read `version` before and after; odd or changed means read again. */
struct para_time {
    uint32_t version, shift;
    uint64_t tsc, ns; /* when the TSC was `tsc`, the guest's clock said `ns` */
    uint64_t mul;     /* ns = ns + ((TSC - tsc) * mul >> shift) */
    uint64_t seconds; /* since 1970, when the clock said 0 */
};

/* One page that both sides read and write. Nothing in it is believed without a check. */
struct para_shared {
    uint32_t masked;  /* virtual interrupt flag: 0 lets interrupts in */
    uint32_t pending; /* an interrupt waits for masked to become 0 */
    uint64_t cr2;     /* of the last page fault */
    uint64_t cr3;     /* the address space that user code is to run in: a pinned frame's address; 0: none */
    uint64_t kernel_stack;
    uint64_t fs_base, gs_base; /* user code's */
    uint64_t done;             /* by the last MMU_UPDATE */
    uint32_t fpu_written;      /* the kernel sets it when it has written `fpu` */
    uint32_t fpu_elsewhere;    /* `fpu` is out of date; PARA_CALL_FPU fetches it */
    uint64_t updates;          /* a list as for MMU_UPDATE, carried out at the next return to user mode */
    uint32_t update_count;     /* its length; then 0 again. A list that is refused is the guest's death */
    uint32_t pad;
    uint64_t fpu_save_at; /* where to store user code's state that is elsewhere, at the next return to user mode; 0 */
    struct para_time time;
    uint64_t event_pending, event_mask; /* one bit a port */
    uint8_t fpu[PARA_FPU_SIZE]
        __attribute__((aligned(64))); /* user code's; bytes 512..519 tell what it holds (SDM 1, 13.4) */
};

struct para_multicall {
    uint64_t call, args[6];
    int64_t result;
};

struct para_mmu_update {
    uint64_t entry; /* physical address of the page-table entry; or of a root, plus PARA_UPDATE_UNPIN: see UNPIN */
    uint64_t value;
};
#define PARA_UPDATE_UNPIN 1

struct para_trap {
    uint64_t vector;  /* 0..255, PARA_TRAP_SYSCALL or PARA_TRAP_EVENT */
    uint64_t handler; /* in the window; 0: none */
};

/*
 * The disk's ring, one granted page, which the driver domain looks at by itself. Producers' indices run freely; entry i
 * is i modulo PARA_RING. To notify or not: the guest writes request_produced, then (behind a full barrier) reads
 * domain_sleeps; the domain does it the other way round, so that one of them sees what the other did. Requests are
 * carried out in their order.
 */
#define PARA_RING          32
#define PARA_BLOCK_READ    0
#define PARA_BLOCK_WRITE   1
#define PARA_BLOCK_FLUSH   2 /* answered when all writes answered before are on the disk's medium */
#define PARA_BLOCK_SECTORS 8 /* of 512 bytes, in a request: what fits a page */

struct para_block_request {
    uint64_t id; /* returned with the response */
    uint64_t sector;
    uint16_t operation, first, count, pad; /* sectors `first` to first + count of the granted page */
    uint32_t grant;
    uint32_t pad2;
};

struct para_block_response {
    uint64_t id;
    int64_t status; /* 0 or an error code, negative */
};

struct para_block_ring {
    uint32_t request_produced;  /* by the guest */
    uint32_t response_consumed; /* by the guest */
    uint32_t response_produced; /* by the driver domain */
    uint32_t domain_sleeps;     /* by the driver domain: it wants to be notified; else it looks by itself */
    uint64_t sectors;           /* of the disk, by the hypervisor */
    struct para_block_request request[PARA_RING];
    struct para_block_response response[PARA_RING];
};
#endif

#endif
