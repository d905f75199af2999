/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * entry.c - everything that a world process executes besides guest code: assembly, 1 KiB, no stack, no data.
 *
 * The VMM never runs this. It is copied into an ELF file (image.c), which execve loads at the hole, in a process that
 * holds nothing else. All addresses are relative to RIP. Two threads run it, and all that they need to remember is in
 * the control and report pages (layout.h), for guest code can jump to any byte of this text with any registers, and a
 * kick can arrive at any instruction. Labels in their order:
 *
 *   world_start    from execve: maps the control pages, carries out the mapper's start list, starts a second thread
 *   run_list       carries out a list of system calls from a read-only page, registers only; goes on at R15
 *   mapper_done    the mapping thread: says that a list is done, waits for the next, runs it
 *   world_handler  the guest thread, on any signal: the kernel has put the guest's registers on the signal stack
 *   publish        ... where the VMM reads them, once R_TURN says so
 *   wait           waits for the VMM to name the next entry, spinning first (and answering roll calls), then asleep
 *   world_enter    loads all registers from the control page, where only the VMM writes, and goes to the guest
 *   world_yield    guest code that waits for another process gives its core away here (options.yield), and goes on
 *                  at R15: it counts as guest code, also when a kick arrives in it
 *   world_call     guest code that knows of it leaves by itself: registers into the report page, then as after a signal
 *
 * Two properties carry the isolation; change nothing here without checking them.
 *  1. A system call of the guest thread is let through at few places only, told by their address (filter.c):
 *     FUTEX_WAIT, FUTEX_WAKE, a write to an eventfd and, on CPUs without WRFSBASE, two arch_prctl. No arguments of
 *     theirs can do harm. The code behind each leads, whatever the registers hold, to `wait`. (world_call makes none;
 *     sched_yield has no arguments, and goes on with guest code.)
 *  2. `wait` is left only when C_RUN isn't 0, a word that the VMM alone can write. So a thread that, while C_RUN was 0,
 *     the VMM has found sleeping in that FUTEX_WAIT, or has got an answer from by that write, runs no guest code before
 *     the VMM says so. (handover.c) No way leads from there to world_yield.
 *
 * Why no rt_sigreturn: IRETQ restores RIP, RSP and RFLAGS at once in ring 3 as well, XRSTOR the rest; that is faster,
 * and no forged frame can change this thread's signal mask. Kicks arriving inside this text are therefore handled as
 * restarts (`kicked`); those inside world_call as exits whose registers are partly in the frame (exits.c).
 *
 * Read next: handover.c, the other side of this conversation.
 */
#include "world/layout.h"

#define TEXT_(x)        #x
#define TEXT(x)         TEXT_(x)
#define CONTROL(offset) "world_text+" TEXT(HOLE_CONTROL) "+" TEXT(offset) "(%rip)"
#define REPORT(offset)  "world_text+" TEXT(HOLE_REPORT) "+" TEXT(offset) "(%rip)"
#define HOLE(offset)    "world_text+" TEXT(offset) "(%rip)"
#define L(line)         line "\n\t"
/* All but RSP. */
#define LOAD_GPRS                           \
    L("mov " CONTROL(C_GPR + 0) ", %rax")   \
    L("mov " CONTROL(C_GPR + 8) ", %rcx")   \
    L("mov " CONTROL(C_GPR + 16) ", %rdx")  \
    L("mov " CONTROL(C_GPR + 24) ", %rbx")  \
    L("mov " CONTROL(C_GPR + 40) ", %rbp")  \
    L("mov " CONTROL(C_GPR + 48) ", %rsi")  \
    L("mov " CONTROL(C_GPR + 56) ", %rdi")  \
    L("mov " CONTROL(C_GPR + 64) ", %r8")   \
    L("mov " CONTROL(C_GPR + 72) ", %r9")   \
    L("mov " CONTROL(C_GPR + 80) ", %r10")  \
    L("mov " CONTROL(C_GPR + 88) ", %r11")  \
    L("mov " CONTROL(C_GPR + 96) ", %r12")  \
    L("mov " CONTROL(C_GPR + 104) ", %r13") \
    L("mov " CONTROL(C_GPR + 112) ", %r14") \
    L("mov " CONTROL(C_GPR + 120) ", %r15")

/* clang-format off */
__asm__(
    ".pushsection .rodata.world_text, \"a\", @progbits\n"
    ".balign 64\n"
    ".globl world_text, world_text_end, world_start, world_die, world_handler, world_enter\n"
    ".globl world_call, world_call_saved, world_call_flags, world_call_end\n"
    ".hidden world_call, world_call_saved, world_call_flags, world_call_end\n"
    ".globl world_guest_waits, world_guest_wakes, world_guest_answers, world_prctl_fs, world_prctl_gs\n"
    ".globl world_yield, world_guest_yields\n"
    ".hidden world_text, world_text_end, world_start, world_die, world_handler, world_enter\n"
    ".hidden world_guest_waits, world_guest_wakes, world_guest_answers, world_prctl_fs, world_prctl_gs\n"
    ".hidden world_yield, world_guest_yields\n"
    "world_text:\n"

    /* ---- start: map what can only be read, then obey it ---- */
    "world_start:\n\t"
    L("lea " HOLE(HOLE_CONTROL) ", %rdi")
    L("mov $" TEXT(READ_ONLY_SIZE) ", %esi")
    L("mov $1, %edx")                        /* PROT_READ */
    L("mov $0x11, %r10d")                    /* MAP_SHARED | MAP_FIXED */
    L("mov $" TEXT(FD_SHARED) ", %r8d")
    L("xor %r9d, %r9d")
    L("mov $9, %eax")                        /* mmap */
    L("syscall")
    L("cmp %rdi, %rax")
    L("jne world_die")
    L("lea " HOLE(HOLE_START) ", %r12")
    L("mov " CONTROL(C_START_MAPPER) ", %r13d")
    L("lea start_thread(%rip), %r15")
    L("xor %ebx, %ebx")

    /* ---- R13D system calls from R12 on, then to R15; EBX is the errno of the one that failed ---- */
    "run_list:\n\t"
    L("test %r13d, %r13d")
    L("jz 1f")
    L("mov 8(%r12), %rdi")
    L("mov 16(%r12), %rsi")
    L("mov 24(%r12), %rdx")
    L("mov 32(%r12), %r10")
    L("mov 40(%r12), %r8")
    L("mov 48(%r12), %r9")
    L("mov 0(%r12), %rax")
    L("syscall")
    L("cmp $-4095, %rax")
    L("jae 2f")
    L("add $" TEXT(COMMAND_SIZE) ", %r12")
    L("dec %r13d")
    L("jmp run_list")
    "2:\n\t"
    L("neg %eax")
    L("mov %eax, %ebx")
    "1:\n\t"
    L("jmp *%r15")

    /* The second thread shares all but the registers; neither has a stack. It runs the list that follows the first. */
    "start_thread:\n\t"
    L("mov $1, %ebp")                        /* the start counts as command list number 1 */
    L("test %ebx, %ebx")
    L("jnz mapper_done")
    L("mov $0x50f00, %edi")                  /* CLONE_VM FS FILES SIGHAND THREAD SYSVSEM */
    L("xor %esi, %esi")
    L("xor %edx, %edx")
    L("xor %r10d, %r10d")
    L("xor %r8d, %r8d")
    L("mov $56, %eax")                       /* clone */
    L("syscall")
    L("test %rax, %rax")
    L("js world_die")
    L("jnz start_mapper")
    L("mov " CONTROL(C_START_GUEST) ", %r13d")
    L("lea started(%rip), %r15")
    L("jmp run_list")
    "started:\n\t"
    L("mov %ebx, " REPORT(R_START_ERROR))
    L("mov %r13d, " REPORT(R_START_LEFT))
    L("xor %r15d, %r15d")
    L("jmp publish")                         /* as the end of entry number 1, which was never made */
    "world_die:\n\t"
    L("hlt")                                 /* #GP: the end when there is no handler yet; also an exit to measure */

    /* ---- the mapping thread: R12, R13, R15, RBX as above, EBP the number of the list ---- */
    "start_mapper:\n\t"
    L("mov %eax, " REPORT(R_GUEST_TID))
    /* Its last command, the seccomp filter, stands behind the guest thread's list. */
    L("mov " CONTROL(C_START_GUEST) ", %r13d")
    L("shl $6, %r13d")
    L("add %r13, %r12")
    L("mov $1, %r13d")
    L("lea mapper_done(%rip), %r15")
    L("jmp run_list")
    "mapper_done:\n\t"
    L("mov %ebx, " REPORT(R_MAP_ERROR))
    L("mov %r13d, " REPORT(R_MAP_LEFT))
    L("mov %ebp, %eax")
    L("xchg %eax, " REPORT(R_MAP_DONE))      /* XCHG: a full barrier before the word below is read */
    L("cmpl $0, " CONTROL(C_VMM_WAITS))
    L("je mapper_wait")
    L("lea " REPORT(R_MAP_DONE) ", %rdi")
    L("mov $1, %esi")                        /* FUTEX_WAKE */
    L("mov $1, %edx")
    L("mov $202, %eax")                      /* futex */
    L("syscall")
    "mapper_wait:\n\t"
    L("mov " CONTROL(C_MAP_SPIN) ", %ecx")
    "1:\n\t"
    L("cmp " CONTROL(C_MAP_NUMBER) ", %ebp")
    L("jne 2f")
    L("pause")
    L("dec %ecx")
    L("jg 1b")
    L("mov $1, %eax")
    L("xchg %eax, " REPORT(R_MAP_SLEEPS))
    L("lea " CONTROL(C_MAP_NUMBER) ", %rdi")
    L("xor %esi, %esi")                      /* FUTEX_WAIT while it is still EBP */
    L("mov %ebp, %edx")
    L("xor %r10d, %r10d")
    L("mov $202, %eax")
    L("syscall")
    L("movl $0, " REPORT(R_MAP_SLEEPS))
    L("jmp mapper_wait")
    "2:\n\t"
    L("mov " CONTROL(C_MAP_NUMBER) ", %ebp")
    L("mov " CONTROL(C_MAP_COUNT) ", %r13d")
    L("lea " HOLE(HOLE_COMMANDS) ", %r12")
    L("lea mapper_done(%rip), %r15")
    L("xor %ebx, %ebx")
    L("jmp run_list")

    /* ---- the guest thread: a signal. RSP is the frame; it stays where it is until the next entry ---- */
    "world_handler:\n\t"
    L("xor %r15d, %r15d")
    L("cmpl $" TEXT(SIGNAL_KICK) ", " TEXT(FRAME_SIGNO) "(%rsp)")
    L("je kicked")
    "publish_frame:\n\t"
    L("mov %rsp, " REPORT(R_FRAME))
    L("mov " CONTROL(C_FEATURES) ", %eax")
    L("and $" TEXT(FEATURE_FSGSBASE) "|" TEXT(FEATURE_GENERAL) ", %eax")
    L("cmp $" TEXT(FEATURE_FSGSBASE) ", %eax")
    L("jne publish")
    L("rdfsbase %rax")
    L("mov %rax, " REPORT(R_FS_BASE))
    L("rdgsbase %rax")
    L("mov %rax, " REPORT(R_GS_BASE))
    "publish:\n\t"
    L("mov " CONTROL(C_RUN) ", %eax")
    L("mov %eax, " REPORT(R_ENTERED))
    L("xchg %eax, " REPORT(R_TURN))          /* XCHG: a full barrier before the word below is read */
    L("add %r15d, " REPORT(R_KICKS))
    L("cmpl $0, " CONTROL(C_VMM_WAITS))
    L("je wait")
    L("lea " REPORT(R_TURN) ", %rdi")
    L("mov $1, %esi")                        /* FUTEX_WAKE */
    L("mov $1, %edx")
    L("mov $202, %eax")
    L("syscall")
    "world_guest_wakes:\n\t"

    /* Left when C_RUN names an entry that hasn't been made. */
    "wait:\n\t"
    L("mov " CONTROL(C_GUEST_SPIN) ", %ecx")
    "1:\n\t"
    L("mov " CONTROL(C_RUN) ", %eax")
    L("test %eax, %eax")
    L("jz 2f")
    L("cmp " REPORT(R_TURN) ", %eax")
    L("jne world_enter")
    "2:\n\t"
    L("mov " CONTROL(C_ROLL_CALL) ", %edx")
    L("cmp " REPORT(R_ANSWERED) ", %edx")
    L("jne 6f")
    L("pause")
    L("dec %ecx")
    L("jg 1b")
    "3:\n\t"
    L("mov $1, %edx")
    L("xchg %edx, " REPORT(R_SLEEPS))        /* XCHG: a full barrier before C_RUN is read once more */
    L("mov " CONTROL(C_RUN) ", %edx")
    L("test %edx, %edx")
    L("jz 4f")
    L("cmp " REPORT(R_TURN) ", %edx")
    L("jne 5f")
    "4:\n\t"
    L("lea " CONTROL(C_RUN) ", %rdi")
    L("xor %esi, %esi")                      /* FUTEX_WAIT while it is still EDX */
    L("xor %r10d, %r10d")
    L("mov $202, %eax")
    L("syscall")
    "world_guest_waits:\n"
    "5:\n\t"
    L("movl $0, " REPORT(R_SLEEPS))
    L("jmp wait")
    "6:\n\t"
    L("mov %edx, " REPORT(R_ANSWERED))
    L("mov $" TEXT(FD_ANSWER) ", %edi")
    L("lea " CONTROL(C_ONE) ", %rsi")
    L("mov $8, %edx")
    L("mov $1, %eax")                        /* write */
    L("syscall")
    "world_guest_answers:\n\t"
    L("jmp wait")

    /*
     * A kick. In guest code: an exit like any other. In world_enter: the entry is given up, nothing of it has happened.
     * In the code above: the frame under this one, which RSP was at, may not have been published yet; if it has, and
     * the next entry is allowed already, that entry is given up. The VMM sends no kick before the last has arrived
     * (R_KICKS), so there are never two frames of kicks here.
     */
    "kicked:\n\t"
    L("mov $1, %r15d")
    L("mov " TEXT(FRAME_RIP) "(%rsp), %rax")
    L("lea world_text(%rip), %rcx")
    L("sub %rcx, %rax")
    L("cmp $(world_text_end - world_text), %rax")
    L("jae publish_frame")
    L("cmp $(world_yield - world_text), %rax")
    L("jae publish_frame")
    L("cmp $(world_enter - world_text), %rax")
    L("jae not_entered")
    L("mov " TEXT(FRAME_RSP) "(%rsp), %rax")
    L("lea " HOLE(HOLE_STACK) ", %rcx")
    L("mov %rax, %rdx")
    L("sub %rcx, %rdx")
    L("cmp $" TEXT(STACK_SIZE) ", %rdx")
    L("jae not_entered")                     /* guest code has jumped here: it was in the middle of nothing */
    L("mov " REPORT(R_ENTERED) ", %ecx")
    L("cmp %ecx, " REPORT(R_TURN))
    L("je 1f")
    L("mov %rax, %rsp")
    L("jmp publish_frame")
    "1:\n\t"
    L("mov %rax, %rsp")
    L("mov " CONTROL(C_RUN) ", %ecx")
    L("test %ecx, %ecx")
    L("jz 2f")
    L("cmp " REPORT(R_TURN) ", %ecx")
    L("jne not_entered")
    "2:\n\t"
    L("add %r15d, " REPORT(R_KICKS))         /* a late kick: its entry has been left already */
    L("jmp wait")
    "not_entered:\n\t"
    L("movq $0, " REPORT(R_FRAME))
    L("jmp publish")

    /* ---- enter guest code; EAX is the entry's number ---- */
    "world_enter:\n\t"
    L("mov %eax, " REPORT(R_ENTERED))
    L("testl $" TEXT(FEATURE_GENERAL) ", " CONTROL(C_FEATURES))
    L("jnz enter_general")
    L("mov %ds, %ecx")                       /* 64-bit code can load selectors too; ours are 0 */
    L("mov %es, %edx")
    L("or %edx, %ecx")
    L("mov %fs, %edx")
    L("or %edx, %ecx")
    L("mov %gs, %edx")
    L("or %edx, %ecx")
    L("jz 1f")
    L("xor %ecx, %ecx")
    L("mov %ecx, %ds")
    L("mov %ecx, %es")
    L("mov %ecx, %fs")
    L("mov %ecx, %gs")
    "1:\n\t"
    L("testl $" TEXT(FEATURE_FSGSBASE) ", " CONTROL(C_FEATURES))
    L("jz 2f")
    L("mov " CONTROL(C_FS_BASE) ", %rax")
    L("wrfsbase %rax")
    L("mov " CONTROL(C_GS_BASE) ", %rax")
    L("wrgsbase %rax")
    L("jmp 3f")
    "2:\n\t"
    L("mov $0x1002, %edi")                   /* ARCH_SET_FS */
    L("mov " CONTROL(C_FS_BASE) ", %rsi")
    L("mov $158, %eax")                      /* arch_prctl */
    L("syscall")
    "world_prctl_fs:\n\t"
    L("mov $0x1001, %edi")                   /* ARCH_SET_GS */
    L("mov " CONTROL(C_GS_BASE) ", %rsi")
    L("mov $158, %eax")
    L("syscall")
    "world_prctl_gs:\n\t"
    "3:\n\t"
    L("testl $" TEXT(FEATURE_XSAVE) ", " CONTROL(C_FEATURES))
    L("jz 4f")
    L("mov $-1, %eax")                       /* all components: those that the image lacks are initialised (SDM 1, 13.8) */
    L("mov $-1, %edx")
    L("xrstor64 " CONTROL(C_XSAVE))
    L("jmp 5f")
    "4:\n\t"
    L("fxrstor64 " CONTROL(C_XSAVE))
    "5:\n\t"
    L("lea " CONTROL(C_FLAGS_CLEAN) ", %rsp")
    L("popfq")                               /* IRETQ with NT set is #GP in 64-bit mode, and a guest may set NT */
    LOAD_GPRS
    L("lea " CONTROL(C_IRET) ", %rsp")
    L("iretq")
    "enter_general:\n\t"
    L("testb $1, " CONTROL(C_IRET + 17))      /* RFLAGS.TF must not act before the guest's first instruction */
    L("jnz 5b")
    L("lea " CONTROL(C_IRET + 16) ", %rsp")
    L("popfq")
    LOAD_GPRS
    L("mov " CONTROL(C_IRET + 24) ", %rsp")
    L("jmp *" CONTROL(C_IRET))               /* IRETQ would do the same, and take longer */

    "world_yield:\n\t"
    L("mov $24, %eax")                       /* sched_yield */
    L("syscall")
    "world_guest_yields:\n\t"
    L("jmp *%r15")

    /* ---- guest code leaves by itself; RCX: where it will go on. No signal, no frame ---- */
    "world_call:\n\t"
    L("mov %rax, " REPORT(R_GPR + 0))
    L("mov %rcx, " REPORT(R_GPR + 8))
    L("mov %rdx, " REPORT(R_GPR + 16))
    L("mov %rbx, " REPORT(R_GPR + 24))
    L("mov %rsp, " REPORT(R_GPR + 32))
    L("mov %rbp, " REPORT(R_GPR + 40))
    L("mov %rsi, " REPORT(R_GPR + 48))
    L("mov %rdi, " REPORT(R_GPR + 56))
    L("mov %r8, " REPORT(R_GPR + 64))
    L("mov %r9, " REPORT(R_GPR + 72))
    L("mov %r10, " REPORT(R_GPR + 80))
    L("mov %r11, " REPORT(R_GPR + 88))
    L("mov %r12, " REPORT(R_GPR + 96))
    L("mov %r13, " REPORT(R_GPR + 104))
    L("mov %r14, " REPORT(R_GPR + 112))
    L("mov %r15, " REPORT(R_GPR + 120))
    L("mov %rcx, " REPORT(R_RIP))
    "world_call_saved:\n\t"                 /* exits.c: from here on the report has them */
    L("lea " REPORT(R_STACK_END) ", %rsp")   /* the guest's own may lead anywhere */
    L("pushfq")
    "world_call_flags:\n\t"
    L("mov " CONTROL(C_FEATURES) ", %ecx")
    L("test $" TEXT(FEATURE_GENERAL) ", %ecx")
    L("jnz 2f")
    L("test $" TEXT(FEATURE_XSAVE) ", %ecx")
    L("jz 1f")
    L("mov $0xe7, %eax")                     /* x87, SSE and WORLD_EXTENDED */
    L("xor %edx, %edx")
    L("xsave64 " REPORT(R_XSAVE))
    L("jmp 2f")
    "1:\n\t"
    L("fxsave64 " REPORT(R_XSAVE))
    "2:\n\t"
    L("lea " HOLE(HOLE_STACK) ", %rsp")      /* in place of a frame */
    L("xor %r15d, %r15d")
    L("jmp publish_frame")
    "world_call_end:\n"
    "world_text_end:\n"
    ".popsection\n");
/* clang-format on */
