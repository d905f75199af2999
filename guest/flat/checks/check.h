/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.h - what the checks share: verdicts, exceptions that come back, ring 3, page tables.
 *
 * A check is a function that returns when all is right; want() and want_trap() end the program on the first thing that
 * isn't. Since a check may leave the CPU in any state, and a wrong CPU may do anything, each has a machine of its own:
 * selfcheck.c runs the one that its argument names.
 *
 * Read next: selfcheck.c, the list; then traps.c, the simplest family.
 */
#ifndef FLAT_CHECK_H
#define FLAT_CHECK_H

#include "../runtime.h"
#include "layout.h"

/* The families of checks. */
void check_string(void), check_sse(void), check_rdtsc(void), check_self_modify(void);
void check_int3(void), check_int(void), check_ud(void), check_divide(void), check_gp(void), check_iret(void);
void check_paging(void), check_invlpg(void), check_cr3(void), check_accessed_dirty(void), check_page_fault(void);
void check_write_protect(void), check_no_execute(void), check_user_page(void);
void check_ring3(void), check_privileged(void), check_iopl(void), check_popf(void), check_cli_sti(void);
void check_syscall(void), check_syscall_user(void), check_sysret(void), check_fs_base(void), check_swapgs(void);
void check_timer(void), check_hlt(void), check_compat32(void);

/* Ends the program with "wrong (got WHAT 0x.., want 0x..)" unless the two are the same. */
void want(const char *what, uint64_t got, uint64_t wanted);
_Noreturn void verdict_ok(void);
_Noreturn void verdict_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- exceptions (trap.S, cpu.c) ---- */

/* What the CPU pushed for the last exception or interrupt, and what it found otherwise. */
struct trap {
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
    uint64_t stack_end; /* where RSP was before it pushed */
    uint64_t cr2;
};

extern struct trap trap;

/* GDTR, IDTR and TR: own tables, a handler for each vector. */
void use_descriptors(void);

/* Calls code(a, b). True if an exception or interrupt ended it (see `trap`), false if it returned. */
bool try(const void *code, uint64_t a, uint64_t b);

/* Was there an exception, and this one? `trapped` is try()'s answer. */
void want_trap(bool trapped, uint64_t vector, uint64_t error);

/* ---- ring 3 (trap.S): all of them jump to `code` with the flags given, on a stack of its own ---- */

void user_by_iret(const void *code, uint64_t rflags);
void user_by_far_return(const void *code, uint64_t rflags);
void user_by_sysret(const void *code, uint64_t rflags);

extern char user_stack_end[], trap_stack_end[]; /* the latter is what the TSS holds for ring 0 */

/* ---- paging (cpu.c) ---- */

/* Loads CR3 with tables like the ones found, but open to ring 3, and with 4 KiB pages around `window`. */
void use_page_tables(void);
void set_window(uint64_t entry); /* the page-table entry of `window`; forgets what the TLB holds of it */
void set_window_quietly(uint64_t entry);
uint64_t get_window(void);

/* Three pages of RAM; `window` is the one whose mapping changes. */
extern volatile uint64_t window[512], frame[512], other_frame[512];

#define ADDRESS(object) ((uint64_t)(object))

/* ---- registers ---- */

static inline void wrmsr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline uint64_t rdmsr(uint32_t index)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}

#define READ_REGISTER(name, instruction)                       \
    static inline uint64_t name(void)                          \
    {                                                          \
        uint64_t value;                                        \
        __asm__ volatile(instruction : "=r"(value)::"memory"); \
        return value;                                          \
    }
READ_REGISTER(read_cr0, "mov %%cr0, %0")
READ_REGISTER(read_cr3, "mov %%cr3, %0")
READ_REGISTER(read_rflags, "pushfq; popq %0")
READ_REGISTER(read_cs, "mov %%cs, %q0")
READ_REGISTER(read_ss, "mov %%ss, %q0")

static inline void write_rflags(uint64_t value)
{
    __asm__ volatile("pushq %0; popfq" : : "r"(value) : "cc", "memory");
}

static inline void write_cr0(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline void write_cr3(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

#endif
