/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe.c - see probe.h. The signal handler leaves the code under test for good: it returns to probe_run. */
#define _GNU_SOURCE
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS};
static struct probe *running;
static uint8_t alternate[32768] __attribute__((aligned(16)));

/* ---- in and out ---- */

uint64_t probe_saved_rsp, probe_target, probe_fs_base;
void probe_enter(const uint64_t *gpr, uint64_t rflags);
void probe_return(void);

/* Loads everything, and jumps; the handler comes back at probe_return with the stack of the call. */
__asm__(".text\n"
        ".globl probe_enter, probe_return\n"
        "probe_enter:\n"
        "   push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "   mov %rsp, probe_saved_rsp(%rip)\n"
        "   push %rsi\n"
        "   mov (%rdi), %rax; mov 8(%rdi), %rcx; mov 16(%rdi), %rdx; mov 24(%rdi), %rbx; mov 40(%rdi), %rbp\n"
        "   mov 48(%rdi), %rsi; mov 64(%rdi), %r8; mov 72(%rdi), %r9; mov 80(%rdi), %r10; mov 88(%rdi), %r11\n"
        "   mov 96(%rdi), %r12; mov 104(%rdi), %r13; mov 112(%rdi), %r14; mov 120(%rdi), %r15\n"
        "   popf\n"
        "   mov 32(%rdi), %rsp\n"
        "   mov 56(%rdi), %rdi\n"
        "   jmp *probe_target(%rip)\n"
        "probe_return:\n"
        "   mov $158, %eax; mov $0x1002, %edi; mov probe_fs_base(%rip), %rsi; syscall\n" /* arch_prctl(ARCH_SET_FS) */
        "   pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "   ret\n");

static void on_signal(int signal, siginfo_t *info, void *context)
{
    static const int order[GPRS] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct probe *p = running;

    if (!p)
        _exit(100 + signal); /* not in code under test: the program itself is broken */
    running = NULL;
    for (int i = 0; i < GPRS; i++)
        p->gpr[i] = (uint64_t)regs[order[i]];
    p->rip = (uint64_t)regs[REG_RIP];
    p->rflags = (uint64_t)regs[REG_EFL];
    p->signal = signal, p->code = info->si_code, p->address = (uint64_t)info->si_addr;
    p->trap = (uint64_t)regs[REG_TRAPNO], p->error = (uint64_t)regs[REG_ERR], p->address2 = (uint64_t)regs[REG_CR2];
    regs[REG_RIP] = (greg_t)probe_return;
    regs[REG_RSP] = (greg_t)probe_saved_rsp;
    regs[REG_EFL] = 0x202;
}

static void *map(uint64_t at, size_t size, int prot)
{
    void *got = mmap((void *)at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (got != (void *)at) {
        perror("mmap");
        exit(2);
    }
    return got;
}

void probe_init(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};

    map(PROBE_CODE, 2 * PROBE_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    map(PROBE_DATA, 2 * PROBE_PAGE, PROT_READ | PROT_WRITE);
    map(PROBE_STACK - 4 * PROBE_PAGE, 4 * PROBE_PAGE, PROT_READ | PROT_WRITE);
    __asm__("mov %%fs:0, %0" : "=r"(probe_fs_base)); /* the thread's own block begins with its address */
    sigaltstack(&stack, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
}

void probe_code(size_t at, const void *code, size_t size)
{
    memset((void *)PROBE_CODE, 0xcc, 2 * PROBE_PAGE);
    memcpy((uint8_t *)PROBE_CODE + at, code, size);
}

void probe_run(struct probe *probe)
{
    if (!probe->gpr[RSP])
        probe->gpr[RSP] = PROBE_STACK - 0x800;
    probe_target = probe->rip ? probe->rip : PROBE_CODE;
    running = probe;
    probe_enter(probe->gpr, probe->rflags | 2);
}

void probe_bytes(struct probe *probe, const void *code, size_t size)
{
    probe_code(0, code, size);
    probe_run(probe);
}

/* ---- telling ---- */

static uint64_t add(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 1099511628211u;
}

uint64_t probe_sum(uint64_t sum, const struct probe *p)
{
    for (int i = 0; i < GPRS; i++)
        sum = add(sum, p->gpr[i]);
    sum = add(add(sum, p->rip), p->rflags);
    sum = add(add(sum, (uint64_t)p->signal), (uint64_t)p->code);
    return add(add(add(sum, p->address), p->trap), p->error);
}

void probe_print(const char *name, const struct probe *p)
{
    printf("%s: signal %d(%d) at %lx trap %lu error %lx cr2 %lx rip %lx rflags %lx rax %lx sum %lx\n", name, p->signal,
           p->code, p->address, p->trap, p->error, p->address2, p->rip, p->rflags, p->gpr[RAX], probe_sum(0, p));
}

void probe_child(const char *name, void (*f)(void))
{
    int status = 0;

    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        f();
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("%s: killed by signal %d\n", name, WTERMSIG(status));
    else
        printf("%s: exited with %d\n", name, WEXITSTATUS(status));
}
