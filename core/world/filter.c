/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * filter.c - the two seccomp filters: what guest code may ask of the host (nothing), and what the mapping thread may.
 *
 * A filter is a program for the kernel's BPF machine that sees number, architecture, instruction pointer and arguments
 * of each system call (Linux, Documentation/userspace-api/seccomp_filter.rst). It is entered by every gate: SYSCALL,
 * INT 0x80 and SYSENTER (told by the architecture), x32 numbers (bit 30 of the number), and the vsyscall page.
 *
 * The guest thread: everything is trapped, that is, becomes SIGSYS with no effect, but for some `syscall` instructions
 * of entry.c, told by the address behind them:
 *   FUTEX_WAIT on control.run without a time-out: sleeps until the VMM wakes it, then goes on in entry.c's text;
 *   FUTEX_WAKE on report.turn: wakes the VMM, which then finds out that there is nothing, or a guest's exit;
 *   write of the number 1 to its eventfd: tells the VMM, when it has asked, that this thread is in entry.c's text;
 *   arch_prctl(ARCH_SET_FS or ARCH_SET_GS), on CPUs without FSGSBASE only: its own registers;
 *   sched_yield, if the pool's options say so: gives its core to who else wants it, and goes on with guest code.
 * That guest code may jump to these is all right: see entry.c.
 *
 * In front of this filter, where the kernel has it (5.11), stands Syscall User Dispatch, which turns every call from
 * outside the text into SIGSYS. Newer kernels need it: they let two calls pass by all filters, uretprobe (335, since
 * 6.14) and uprobe (336, since 6.18). Those refuse to work for code that isn't the kernel's own trampoline, so they do
 * no harm, but a guest's system call of that number would get the host's answer.
 *
 * The mapping thread: mmap of guest RAM at a fixed place, munmap, mprotect, futex; anything else kills the process. Its
 * arguments come from pages that only the VMM can write, so this filter is the second line and needs no more detail.
 *
 * Next: start.c installs them.
 */
#include <asm/prctl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "world/private.h"

#define LOAD(field)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARG(n)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (n))
#define LOAD_HIGH(n)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (n) + 4)
#define LOAD_IP_HIGH  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
/* If the loaded word is `value`, goes on behind the next n instructions; else with the next one. And the reverse. */
#define SKIP_IF(value, n)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), (n), 0)
#define SKIP_UNLESS(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, (n))
/* The loaded word must be `value`, else the call is trapped. */
#define MUST_BE(value) SKIP_IF(value, 1), RETURN(SECCOMP_RET_TRAP)

static unsigned copy(struct sock_filter *out, const struct sock_filter *from, size_t bytes)
{
    unsigned count = (unsigned)(bytes / sizeof *from);

    for (unsigned i = 0; i < count; i++)
        out[i] = from[i];
    return count;
}

/* Lets a call through whose instruction ends at `address` and which passes the checks; for others, goes on behind. */
static unsigned allow(struct sock_filter *out, uint64_t address, const struct sock_filter *checks, size_t bytes)
{
    unsigned count = copy(out + 2, checks, bytes);

    out[0] = (struct sock_filter)LOAD(instruction_pointer);
    out[1] = (struct sock_filter)SKIP_UNLESS(address, count + 1);
    out[2 + count] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    return 2 + count + 1;
}

unsigned filter_guest(struct sock_filter *out, uint64_t hole, bool fsgsbase, bool yield)
{
#define ADDRESS_OF(label) (hole + HOLE_TEXT + (uint64_t)((label)-world_text))
    uint64_t run = hole + HOLE_CONTROL + C_RUN, turn = hole + HOLE_REPORT + R_TURN;
    uint64_t one = hole + HOLE_CONTROL + C_ONE;
    const struct sock_filter head[] = {
        LOAD(arch), MUST_BE(AUDIT_ARCH_X86_64), LOAD_IP_HIGH,
        MUST_BE(hole >> 32), /* a hole doesn't cross a multiple of 4 GiB */
    };
    const struct sock_filter sleep[] = {
        LOAD(nr),     MUST_BE(SYS_futex), LOAD_ARG(1), MUST_BE(FUTEX_WAIT), LOAD_ARG(0),  MUST_BE(run),
        LOAD_HIGH(0), MUST_BE(run >> 32), LOAD_ARG(3), MUST_BE(0),          LOAD_HIGH(3), MUST_BE(0),
    };
    const struct sock_filter wake[] = {
        LOAD(nr),    MUST_BE(SYS_futex), LOAD_ARG(1),  MUST_BE(FUTEX_WAKE),
        LOAD_ARG(0), MUST_BE(turn),      LOAD_HIGH(0), MUST_BE(turn >> 32),
    };
    const struct sock_filter answer[] = {
        LOAD(nr),     MUST_BE(SYS_write), LOAD_ARG(0), MUST_BE(FD_ANSWER), LOAD_ARG(1),  MUST_BE(one),
        LOAD_HIGH(1), MUST_BE(one >> 32), LOAD_ARG(2), MUST_BE(8),         LOAD_HIGH(2), MUST_BE(0),
    };
    const struct sock_filter set_fs[] = {LOAD(nr), MUST_BE(SYS_arch_prctl), LOAD_ARG(0), MUST_BE(ARCH_SET_FS)};
    const struct sock_filter set_gs[] = {LOAD(nr), MUST_BE(SYS_arch_prctl), LOAD_ARG(0), MUST_BE(ARCH_SET_GS)};
    const struct sock_filter give_way[] = {LOAD(nr), MUST_BE(SYS_sched_yield)};
    unsigned count = copy(out, head, sizeof head);

    if (yield)
        count += allow(out + count, ADDRESS_OF(world_guest_yields), give_way, sizeof give_way);
    count += allow(out + count, ADDRESS_OF(world_guest_waits), sleep, sizeof sleep);
    count += allow(out + count, ADDRESS_OF(world_guest_wakes), wake, sizeof wake);
    count += allow(out + count, ADDRESS_OF(world_guest_answers), answer, sizeof answer);
    if (!fsgsbase) {
        count += allow(out + count, ADDRESS_OF(world_prctl_fs), set_fs, sizeof set_fs);
        count += allow(out + count, ADDRESS_OF(world_prctl_gs), set_gs, sizeof set_gs);
    }
    out[count] = (struct sock_filter)RETURN(SECCOMP_RET_TRAP);
    return count + 1;
}

unsigned filter_mapper(struct sock_filter *out)
{
    const struct sock_filter filter[] = {
        LOAD(arch),
        SKIP_UNLESS(AUDIT_ARCH_X86_64, 11),
        LOAD(nr),
        SKIP_IF(SYS_munmap, 8),
        SKIP_IF(SYS_mprotect, 7),
        SKIP_IF(SYS_futex, 6),
        SKIP_UNLESS(SYS_mmap, 6),
        LOAD_ARG(4),
        SKIP_UNLESS(FD_RAM, 4),
        LOAD_ARG(3),
        SKIP_IF(MAP_SHARED | MAP_FIXED, 1),
        SKIP_UNLESS(MAP_SHARED | MAP_FIXED | MAP_POPULATE, 1),
        RETURN(SECCOMP_RET_ALLOW),
        RETURN(SECCOMP_RET_KILL_PROCESS),
    };

    return copy(out, filter, sizeof filter);
}
