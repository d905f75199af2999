/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rings.c - is there a ring 3, and is it kept from what it may not do? And SYSCALL, SYSRET and the swapped bases.
 *
 * Where exceptions may not work, ring 3 runs with IOPL 3 and gives the verdict itself: no way back is needed.
 */
#include "check.h"

extern char user_read_cr3[], user_in[], user_cli[], user_leave[], user_clear_if[], user_syscall[],
    user_syscall_behind[];
extern char user_look_round[], probe_syscall_behind[], syscall_landing[];
_Noreturn void look_round(void);
uint64_t probe_syscall(uint64_t rflags);

/* What syscall_landing found (probes.S). */
extern struct {
    uint64_t rcx, r11, cs, ss, rflags;
} syscall_seen;

#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_SFMASK         0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

/*
 * Runs in ring 3 with IOPL 3. A selector is soon loaded: whether the CPU means it shows where ring 3 is told nothing
 * but has no effect, in POPF with another IOPL (SDM 2, POPF).
 */
_Noreturn void look_round(void)
{
    want("cs", read_cs(), USER_CODE);
    want("ss", read_ss(), USER_DATA);
    write_rflags(FLAG_ONE);
    want("IOPL after POPF in ring 3", read_rflags() & FLAG_IOPL, FLAG_IOPL);
    verdict_ok();
}

void check_ring3(void)
{
    use_page_tables();
    use_descriptors();
    user_by_far_return(user_look_round, FLAG_ONE | FLAG_IOPL);
    verdict_wrong("got nowhere by a far return, want ring 3");
}

void check_privileged(void)
{
    use_page_tables();
    use_descriptors();
    want_trap(try(user_by_iret, ADDRESS(user_read_cr3), FLAG_ONE | FLAG_IOPL), GP, 0);
    want("rip", trap.rip, ADDRESS(user_read_cr3));
    want("cs", trap.cs, USER_CODE);
    want("ss", trap.ss, USER_DATA);
    want("rsp", trap.rsp, ADDRESS(user_stack_end));
    want("the handler's stack", trap.stack_end, ADDRESS(trap_stack_end));
}

void check_iopl(void)
{
    use_page_tables();
    use_descriptors();
    want_trap(try(user_by_iret, ADDRESS(user_in), FLAG_ONE), GP, 0);
    want("rip", trap.rip, ADDRESS(user_in)); /* and not at the output that would have told of it */
    want_trap(try(user_by_iret, ADDRESS(user_cli), FLAG_ONE), GP, 0);
    want("rip", trap.rip, ADDRESS(user_cli));
    want_trap(try(user_by_iret, ADDRESS(user_leave), FLAG_ONE | FLAG_IOPL), VECTOR_LEAVE, 0);
}

/* With IOPL below CPL, POPF leaves IF as it is, and does not fault (SDM 2, POPF). */
void check_popf(void)
{
    enum { PIC1_MASK = 0x21, PIC2_MASK = 0xa1 };

    outb(PIC1_MASK, 0xff);
    outb(PIC2_MASK, 0xff);
    use_page_tables();
    use_descriptors();
    want_trap(try(user_by_iret, ADDRESS(user_clear_if), FLAG_ONE | FLAG_IF), VECTOR_LEAVE, 0);
    want("interrupt flag with IOPL 0", trap.rflags & FLAG_IF, FLAG_IF);
    want_trap(try(user_by_iret, ADDRESS(user_clear_if), FLAG_ONE | FLAG_IF | FLAG_IOPL), VECTOR_LEAVE, 0);
    want("interrupt flag with IOPL 3", trap.rflags & FLAG_IF, 0);
}

static void use_syscall(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (uint64_t)(SYSRET_BASE | 3) << 48 | (uint64_t)KERNEL_CODE << 32);
    wrmsr(MSR_LSTAR, ADDRESS(syscall_landing));
    wrmsr(MSR_SFMASK, FLAG_DF);
}

void check_syscall(void)
{
    use_syscall();
    want("entered", probe_syscall(FLAG_ONE | FLAG_DF), 1);
    want("rcx", syscall_seen.rcx, ADDRESS(probe_syscall_behind));
    want("r11", syscall_seen.r11, FLAG_ONE | FLAG_DF);
    want("rflags", syscall_seen.rflags, FLAG_ONE);
    want("cs", syscall_seen.cs, KERNEL_CODE);
    want("ss", syscall_seen.ss, KERNEL_DATA);
}

/* From ring 3; the landing jumps back to the code behind SYSCALL, still in ring 0. */
void check_syscall_user(void)
{
    use_page_tables();
    use_descriptors();
    use_syscall();
    want_trap(try(user_by_iret, ADDRESS(user_syscall), FLAG_ONE), VECTOR_LEAVE, 0);
    want("rcx", syscall_seen.rcx, ADDRESS(user_syscall_behind));
    want("cs", syscall_seen.cs, KERNEL_CODE);
    want("cs behind", trap.cs, KERNEL_CODE);
}

void check_sysret(void)
{
    use_page_tables();
    use_descriptors();
    use_syscall();
    user_by_sysret(user_look_round, FLAG_ONE | FLAG_IOPL);
}

static const uint64_t word_a = 0xaaaa, word_b = 0xbbbb;

static uint64_t load_fs(void)
{
    uint64_t value;
    __asm__ volatile("mov %%fs:0, %0" : "=r"(value)::"memory");
    return value;
}

static uint64_t load_gs(void)
{
    uint64_t value;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(value)::"memory");
    return value;
}

void check_fs_base(void)
{
    wrmsr(MSR_FS_BASE, ADDRESS(&word_a));
    want("the word at FS:0", load_fs(), word_a);
    wrmsr(MSR_FS_BASE, ADDRESS(&word_b));
    want("the word at FS:0", load_fs(), word_b);
    want("the base read back", rdmsr(MSR_FS_BASE), ADDRESS(&word_b));
}

void check_swapgs(void)
{
    wrmsr(MSR_GS_BASE, ADDRESS(&word_a));
    wrmsr(MSR_KERNEL_GS_BASE, ADDRESS(&word_b));
    want("the word at GS:0", load_gs(), word_a);
    __asm__ volatile("swapgs" : : : "memory");
    want("the word at GS:0 after SWAPGS", load_gs(), word_b);
    want("the other base", rdmsr(MSR_KERNEL_GS_BASE), ADDRESS(&word_a));
}
