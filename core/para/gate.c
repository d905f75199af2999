/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate.c - the code by which a user thread and the kernel's thread hand over to each other without the hypervisor.
 *
 * With two cores, the two threads of a system call (in two processes) can both stay awake. User code that makes a call
 * stores its registers in the out page and goes on looking at the in page; kernel code that goes back to user mode
 * stores registers in the in page and goes on looking at the out page. A hand-over is a cache line that moves from core
 * to core, some 100 ns, where an exit by signal and a switch of processes take micro-seconds.
 *
 * This is guest code as far as the host is concerned: it runs with the guest's rights, no more, and who jumps into the
 * middle of it gets what he deserves. peer.c reads from RIP how far a thread has come when it is fetched out of it.
 *
 *   user:   gate_entry  RCX = where to go on. Saves, publishes, waits, loads. Gate closed, or out of patience: an exit
 *           gate_plain  nobody waits on the other side: an exit, which the hypervisor takes for the call itself
 *   kernel: gate_call   what the hypercall stubs lead to: closes the gate, so that the hypervisor is woken, and leaves
 *           gate_iret   the stub of PARA_CALL_IRET. Back to the waiting user thread, if it is the same as before
 *           gate_wait   waits for the next call, and enters the kernel with it; closed, or out of patience:
 * PARA_CALL_PEER
 *
 * Exits are jumps to world_call (core/world/entry.c): no signal.
 * Next: peer.c.
 */
#include "para/gate.h"

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
#define L(line)  line "\n\t"
#define IN(at)   "gate_user+" TEXT(GATE_IN_AT) "+" TEXT(at) "(%rip)"
#define OUT(at)  "gate_user+" TEXT(GATE_OUT_AT) "+" TEXT(at) "(%rip)"
/* Stores what differs: a cache line that stays as it is needn't move to the other core. */
#define PUT(reg, to) L("cmp " reg ", " to) L("je 5f") L("mov " reg ", " to) "5:\n\t"

/* clang-format off */
__asm__(
    ".pushsection .rodata.gate, \"a\", @progbits\n"
    ".balign 4096\n"
    ".globl gate_user, gate_user_end, gate_entry, gate_saved, gate_published, gate_load, gate_plain\n"
    ".globl gate_kernel, gate_kernel_end, gate_call, gate_iret, gate_wait, gate_got\n"
    ".hidden gate_user, gate_user_end, gate_entry, gate_saved, gate_published, gate_load, gate_plain\n"
    ".hidden gate_kernel, gate_kernel_end, gate_call, gate_iret, gate_wait, gate_got\n"
    "gate_user:\n"
    "gate_entry:\n\t"
    L("cmpl $0, " IN(G_OPEN))
    L("je gate_plain")
    PUT("%rax", OUT(G_GPR+0))
    L("mov %rcx, " OUT(G_RIP))
    PUT("%rdx", OUT(G_GPR+16))
    PUT("%rbx", OUT(G_GPR+24))
    PUT("%rsp", OUT(G_GPR+32))
    PUT("%rbp", OUT(G_GPR+40))
    PUT("%rsi", OUT(G_GPR+48))
    PUT("%rdi", OUT(G_GPR+56))
    PUT("%r8", OUT(G_GPR+64))
    PUT("%r9", OUT(G_GPR+72))
    PUT("%r10", OUT(G_GPR+80))
    PUT("%r12", OUT(G_GPR+96))
    PUT("%r13", OUT(G_GPR+104))
    PUT("%r14", OUT(G_GPR+112))
    PUT("%r15", OUT(G_GPR+120))
    "gate_saved:\n\t"
    L("lea " OUT(G_STACK) ", %rsp")          /* the user's may not be written: a red zone */
    L("pushfq")
    L("pop %r11")
    L("mov %r11, " OUT(G_FLAGS))
    L("mov " IN(G_PATIENCE) ", %edx")
    L("mov " IN(G_RUN) ", %eax")
    L("mov %eax, " OUT(G_TURN))
    "gate_published:\n\t"
    "1:\n\t"
    L("cmp %eax, " IN(G_RUN))
    L("jne gate_load")
    L("cmpl $0, " IN(G_OPEN))
    L("je 3f")
    L("pause")
    L("dec %edx")
    L("jnz 1b")
    "3:\n\t"
    L("lea 2f(%rip), %rcx")
    L("jmp *" IN(G_WORLD))
    "2:\n\t"
    L("ud2")
    "gate_load:\n\t"
    L("lea " IN(G_FLAGS) ", %rsp")
    L("popfq")
    L("mov " IN(G_GPR+0) ", %rax")
    L("mov " IN(G_GPR+8) ", %rcx")
    L("mov " IN(G_GPR+16) ", %rdx")
    L("mov " IN(G_GPR+24) ", %rbx")
    L("mov " IN(G_GPR+40) ", %rbp")
    L("mov " IN(G_GPR+48) ", %rsi")
    L("mov " IN(G_GPR+56) ", %rdi")
    L("mov " IN(G_GPR+64) ", %r8")
    L("mov " IN(G_GPR+72) ", %r9")
    L("mov " IN(G_GPR+80) ", %r10")
    L("mov " IN(G_GPR+88) ", %r11")
    L("mov " IN(G_GPR+96) ", %r12")
    L("mov " IN(G_GPR+104) ", %r13")
    L("mov " IN(G_GPR+112) ", %r14")
    L("mov " IN(G_GPR+120) ", %r15")
    L("mov " IN(G_GPR+32) ", %rsp")
    L("jmp *" IN(G_RIP))
    "gate_plain:\n\t"
    L("jmp *" IN(G_WORLD))
    "gate_user_end:\n"

    /* In the hypercall page, behind the stubs. The words are filled in by the hypervisor. */
    ".balign 64\n"
    "gate_kernel:\n"
    "gate_shared: .quad 0\n"                 /* struct para_shared */
    "gate_in: .quad 0\n"
    "gate_out: .quad 0\n"
    "gate_handler: .quad 0\n"                /* of SYSCALL */
    "gate_world: .quad 0\n"                  /* world_call_at */
    "gate_call:\n\t"                         /* what all stubs but one lead to */
    L("pop %rcx")
    L("mov gate_in(%rip), %r11")
    L("movl $0, " TEXT(G_OPEN) "(%r11)")     /* the user thread makes room for the hypervisor */
    L("jmp *gate_world(%rip)")
    "gate_slow:\n\t"                         /* an exit, as without all this */
    L("movl $0, " TEXT(G_OPEN) "(%rcx)")
    L("mov $" TEXT(PARA_CALL_IRET) ", %eax")
    L("lea 1f(%rip), %rcx")
    L("jmp *gate_world(%rip)")
    "1:\n\t"
    L("ud2")
    "gate_iret:\n\t"
    L("push %rcx")
    L("push %r11")
    L("push %rax")
    L("mov gate_shared(%rip), %r11")
    L("mov gate_in(%rip), %rcx")
    L("cmpl $0, " TEXT(G_OPEN) "(%rcx)")
    L("je gate_slow")
    L("testb $3, 32(%rsp)")                  /* CS: to user mode? */
    L("jz gate_slow")
    L("testb $1, 41(%rsp)")                  /* RFLAGS.TF */
    L("jnz gate_slow")
    L("mov " TEXT(S_CR3) "(%r11), %rax")
    L("cmp " TEXT(G_CR3) "(%rcx), %rax")
    L("jne gate_slow")
    L("mov " TEXT(S_FS_BASE) "(%r11), %rax")
    L("cmp " TEXT(G_FS_BASE) "(%rcx), %rax")
    L("jne gate_slow")
    L("mov " TEXT(S_GS_BASE) "(%r11), %rax")
    L("cmp " TEXT(G_GS_BASE) "(%rcx), %rax")
    L("jne gate_slow")
    L("mov " TEXT(S_PENDING) "(%r11), %eax")
    L("or " TEXT(S_FPU_WRITTEN) "(%r11), %eax")
    L("or " TEXT(S_UPDATE_COUNT) "(%r11), %eax")
    L("jnz gate_slow")
    PUT("%rdx", TEXT(G_GPR+16) "(%rcx)")
    PUT("%rbx", TEXT(G_GPR+24) "(%rcx)")
    PUT("%rbp", TEXT(G_GPR+40) "(%rcx)")
    PUT("%rsi", TEXT(G_GPR+48) "(%rcx)")
    PUT("%rdi", TEXT(G_GPR+56) "(%rcx)")
    PUT("%r8", TEXT(G_GPR+64) "(%rcx)")
    PUT("%r9", TEXT(G_GPR+72) "(%rcx)")
    PUT("%r10", TEXT(G_GPR+80) "(%rcx)")
    PUT("%r12", TEXT(G_GPR+96) "(%rcx)")
    PUT("%r13", TEXT(G_GPR+104) "(%rcx)")
    PUT("%r14", TEXT(G_GPR+112) "(%rcx)")
    PUT("%r15", TEXT(G_GPR+120) "(%rcx)")
    L("mov (%rsp), %rax")
    PUT("%rax", TEXT(G_GPR+0) "(%rcx)")
    L("mov 8(%rsp), %rax")
    PUT("%rax", TEXT(G_GPR+88) "(%rcx)")
    L("mov 16(%rsp), %rax")
    PUT("%rax", TEXT(G_GPR+8) "(%rcx)")
    L("mov 24(%rsp), %rax")
    L("mov %rax, " TEXT(G_RIP) "(%rcx)")
    L("mov 40(%rsp), %rax")
    L("mov %rax, " TEXT(G_FLAGS) "(%rcx)")
    L("mov 48(%rsp), %rax")
    PUT("%rax", TEXT(G_GPR+32) "(%rcx)")
    L("mov " TEXT(G_RUN) "(%rcx), %eax")
    L("inc %eax")
    L("mov %eax, " TEXT(G_RUN) "(%rcx)")
    "gate_wait:\n\t"                         /* EAX: G_RUN; R11: shared; RCX: in */
    L("mov gate_out(%rip), %rdx")
    L("mov " TEXT(G_KERNEL_PATIENCE) "(%rcx), %esi")
    "1:\n\t"
    L("cmp " TEXT(G_TURN) "(%rdx), %eax")
    L("je gate_got")
    L("cmpl $0, " TEXT(G_OPEN) "(%rcx)")
    L("je 8f")
    L("pause")
    L("dec %esi")
    L("jns 1b")
    "8:\n\t"
    L("xor %esi, %esi")
    L("xchg %esi, " TEXT(G_OPEN) "(%rcx)")    /* closed; then a last look, behind a full barrier */
    L("cmp " TEXT(G_TURN) "(%rdx), %eax")
    L("je gate_got")
    L("mov $" TEXT(PARA_CALL_PEER) ", %eax")
    L("lea 9f(%rip), %rcx")
    L("jmp *gate_world(%rip)")
    "9:\n\t"
    L("ud2")
    "gate_got:\n\t"
    L("movl $1, " TEXT(S_MASKED) "(%r11)")
    L("movl $1, " TEXT(S_FPU_ELSEWHERE) "(%r11)")
    L("mov " TEXT(G_GPR+0) "(%rdx), %rax")
    L("mov " TEXT(G_RIP) "(%rdx), %rcx")
    L("mov " TEXT(G_GPR+24) "(%rdx), %rbx")
    L("mov " TEXT(G_GPR+32) "(%rdx), %rsp")
    L("mov " TEXT(G_GPR+40) "(%rdx), %rbp")
    L("mov " TEXT(G_GPR+48) "(%rdx), %rsi")
    L("mov " TEXT(G_GPR+56) "(%rdx), %rdi")
    L("mov " TEXT(G_GPR+64) "(%rdx), %r8")
    L("mov " TEXT(G_GPR+72) "(%rdx), %r9")
    L("mov " TEXT(G_GPR+80) "(%rdx), %r10")
    L("mov " TEXT(G_FLAGS) "(%rdx), %r11")
    L("mov " TEXT(G_GPR+96) "(%rdx), %r12")
    L("mov " TEXT(G_GPR+104) "(%rdx), %r13")
    L("mov " TEXT(G_GPR+112) "(%rdx), %r14")
    L("mov " TEXT(G_GPR+120) "(%rdx), %r15")
    L("mov " TEXT(G_GPR+16) "(%rdx), %rdx")
    L("jmp *gate_handler(%rip)")
    "gate_kernel_end:\n"
    ".popsection\n");
/* clang-format on */
