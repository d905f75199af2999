/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_host.c - a few instructions on the CPU that runs this test, with every register chosen.
 *
 * The pages of oracle.h are mapped at their fixed addresses; oracle_host_enter loads all registers and jumps there. The
 * code comes back in one way only: by an exception, at the latest by the INT3s behind it. The kernel makes a signal of
 * it and shows the registers at the exception, error code and CR2 in the signal frame. The handler does not return
 * through sigreturn: it goes back to oracle_host_enter's caller, as longjmp would.
 *
 * What needs care: the handler starts with the code's FS base (where the C library's thread data should be) and with
 * its AC flag, so its first instructions are assembler; it needs a stack of its own, since RSP may point anywhere.
 */
#include "oracle.h"
#include <asm/prctl.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define HWCAP2_HAS_FSGSBASE 2u /* the kernel has set CR4.FSGSBASE */
#define USER_END            UINT64_C(0x7ffffffff000)
#define WATCHDOG_US         400000

/* What the assembler below works on; the offsets are its own. */
struct oracle_host_context {
    uint64_t gpr[GPR_COUNT]; /* 0 */
    uint64_t rflags, rip;    /* 128, 136 */
    uint64_t fs_base;        /* 144 */
    uint64_t gs_base;        /* 152 */
    uint64_t mxcsr;          /* 160 */
    uint64_t has_bases;      /* 168 */
    uint8_t xmm[16][16];     /* 176 */
    uint64_t host_rsp;       /* 432 */
    uint64_t host_fs;        /* 440 */
    uint64_t host_gs;        /* 448 */
    uint64_t host_mxcsr;     /* 456 */
    uint64_t armed;          /* 464: the code is running */
};
_Static_assert(offsetof(struct oracle_host_context, rip) == 136, "the assembler's offsets");
_Static_assert(offsetof(struct oracle_host_context, xmm) == 176, "the assembler's offsets");
_Static_assert(offsetof(struct oracle_host_context, armed) == 464, "the assembler's offsets");

/* The processor is one, and so is this: what a signal handler can find without an argument. */
struct oracle_host_context oracle_host_context __attribute__((aligned(16)));
static struct oracle_outcome *outcome;
static uint64_t runs, runs_seen; /* watchdog: has it been the same run for a whole period? */

void oracle_host_enter(void);
void oracle_host_signal(int number, siginfo_t *info, void *context);
bool oracle_host_capture(int number, siginfo_t *info, void *context, uint64_t fs_base, uint64_t gs_base);

/* clang-format off */
__asm__(
    ".text\n"
    ".globl oracle_host_enter\n"
    ".type oracle_host_enter, @function\n"
    "oracle_host_enter:\n"
    "    push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "    lea oracle_host_context(%rip), %rdi\n"
    "    mov %rsp, 432(%rdi)\n"
    "    stmxcsr 456(%rdi)\n"
    "    .irp x, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "    movaps 176+16*\\x(%rdi), %xmm\\x\n"
    "    .endr\n"
    "    ldmxcsr 160(%rdi)\n"
    "    cmpq $0, 168(%rdi)\n"
    "    je 1f\n"
    "    rdfsbase %rax; mov %rax, 440(%rdi)\n"
    "    rdgsbase %rax; mov %rax, 448(%rdi)\n"
    "    movq $1, 464(%rdi)\n" /* from here on a signal may find any base */
    "    mov 144(%rdi), %rax; wrfsbase %rax\n"
    "    mov 152(%rdi), %rax; wrgsbase %rax\n"
    "1:  movq $1, 464(%rdi)\n"
    "    pushq 128(%rdi); popfq\n"
    "    mov 0(%rdi), %rax; mov 8(%rdi), %rcx; mov 16(%rdi), %rdx; mov 24(%rdi), %rbx\n"
    "    mov 32(%rdi), %rsp; mov 40(%rdi), %rbp; mov 48(%rdi), %rsi\n"
    "    mov 64(%rdi), %r8; mov 72(%rdi), %r9; mov 80(%rdi), %r10; mov 88(%rdi), %r11\n"
    "    mov 96(%rdi), %r12; mov 104(%rdi), %r13; mov 112(%rdi), %r14; mov 120(%rdi), %r15\n"
    "    mov 56(%rdi), %rdi\n"
    "    jmp *136+oracle_host_context(%rip)\n"
    ".size oracle_host_enter, .-oracle_host_enter\n"

    ".globl oracle_host_signal\n"
    ".type oracle_host_signal, @function\n"
    "oracle_host_signal:\n" /* returning, it needs to keep no register: sigreturn restores them all */
    "    pushfq; andq $~0x40400, (%rsp); popfq\n" /* AC, DF: C code wants them clear (ID isn't restored: keep it) */
    "    lea oracle_host_context(%rip), %rbx\n"
    "    xor %r14d, %r14d\n"
    "    cmpq $0, 464(%rbx)\n"
    "    je 1f\n"
    "    cmpq $0, 168(%rbx)\n"
    "    je 1f\n"
    "    rdfsbase %r12; rdgsbase %r13\n" /* in registers, not in memory: a signal may come during a signal */
    "    mov 440(%rbx), %rax; wrfsbase %rax\n"
    "    mov 448(%rbx), %rax; wrgsbase %rax\n"
    "    mov $1, %r14d\n"
    "1:  mov %r12, %rcx; mov %r13, %r8\n"
    "    sub $8, %rsp; call oracle_host_capture; add $8, %rsp\n"
    "    test %al, %al\n"
    "    jz 2f\n"
    "    pushq $0x202; popfq\n" /* the run is over: leave the signal stack for good */
    "    ldmxcsr 456(%rbx)\n"
    "    mov 432(%rbx), %rsp\n"
    "    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "    ret\n"
    "2:  test %r14d, %r14d\n" /* interrupted, not ended: goes on where it was */
    "    jz 3f\n"
    "    wrfsbase %r12; wrgsbase %r13\n"
    "3:  ret\n"
    ".size oracle_host_signal, .-oracle_host_signal\n");
/* clang-format on */

/* The registers in the order of their encoding, as <sys/ucontext.h> numbers them. */
static const int frame_index[GPR_COUNT] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                           REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void capture_registers(const ucontext_t *frame)
{
    struct oracle_regs *regs = &outcome->regs;
    for (unsigned i = 0; i < GPR_COUNT; i++)
        regs->gpr[i] = (uint64_t)frame->uc_mcontext.gregs[frame_index[i]];
    regs->rip = (uint64_t)frame->uc_mcontext.gregs[REG_RIP];
    regs->rflags = (uint64_t)frame->uc_mcontext.gregs[REG_EFL];
    regs->mxcsr = frame->uc_mcontext.fpregs->mxcsr;
    memcpy(regs->xmm, frame->uc_mcontext.fpregs->_xmm, sizeof(regs->xmm));
}

/* Called by oracle_host_signal with the C library's FS base. True: the run is over. */
bool oracle_host_capture(int number, siginfo_t *info, void *context, uint64_t fs_base, uint64_t gs_base)
{
    const ucontext_t *frame = context;
    (void)info;
    if (number == SIGVTALRM) {
        bool same = oracle_host_context.armed && runs == runs_seen;
        runs_seen = runs;
        if (!same)
            return false;
    } else if (!oracle_host_context.armed) { /* a bug of the test itself: let it be seen */
        signal(number, SIG_DFL);
        return false;
    }
    capture_registers(frame);
    if (oracle_host_context.has_bases)
        outcome->regs.fs_base = fs_base, outcome->regs.gs_base = gs_base;
    outcome->vector = number == SIGVTALRM ? ORACLE_HUNG : (int)frame->uc_mcontext.gregs[REG_TRAPNO];
    outcome->error = (uint32_t)frame->uc_mcontext.gregs[REG_ERR];
    outcome->cr2 = outcome->vector == VEC_PF ? (uint64_t)frame->uc_mcontext.gregs[REG_CR2] : 0;
    if (outcome->cr2 >= USER_END) /* Linux claims P for what is not user space, whatever is there */
        outcome->error &= ~PF_PRESENT;
    if (outcome->vector == VEC_BP || outcome->vector == VEC_DB || outcome->vector == ORACLE_HUNG)
        outcome->error = 0;
    oracle_host_context.armed = 0;
    return true;
}

static void host_run(struct oracle_cpu *cpu, const struct oracle_regs *in, struct oracle_outcome *out)
{
    struct oracle_host_context *c = &oracle_host_context;
    (void)cpu;
    memcpy(c->gpr, in->gpr, sizeof(c->gpr));
    memcpy(c->xmm, in->xmm, sizeof(c->xmm));
    c->rflags = (in->rflags & ~(uint64_t)FLAG_TF) | FLAG_ONE | FLAG_IF;
    c->rip = in->rip;
    c->mxcsr = in->mxcsr;
    c->fs_base = in->fs_base, c->gs_base = in->gs_base;
    *out = (struct oracle_outcome){0};
    outcome = out;
    runs++;
    oracle_host_enter();
}

/* New bytes were written through another address: a serializing instruction before they are run (SDM 3, 9.1.3). */
static void host_code_changed(struct oracle_cpu *cpu)
{
    unsigned a = 0, b, c = 0, d;
    (void)cpu;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)::"memory");
}

/* ---- set-up ---- */

struct host {
    struct oracle_cpu cpu;
    void *signal_stack;
    stack_t old_stack;
};

static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGVTALRM};
static struct sigaction old_actions[ARRAY_SIZE(caught)];
#define SIGNAL_STACK_SIZE 0x20000 /* AVX-512 frames alone are 3 KiB; a sanitizer's handler calls are deep */

static int map_at(int fd, uint64_t address, size_t offset, size_t size, int protection, struct reason *why)
{
    void *want = (void *)(uintptr_t)address;
    void *got = mmap(want, size, protection, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd, (off_t)offset);
    if (got == want)
        return 0;
    int error = got == MAP_FAILED ? errno : EEXIST;
    if (got != MAP_FAILED)
        munmap(got, size);
    return fail(why, error, "oracle: no pages at 0x%llx: %s", (unsigned long long)address, strerror(error));
}

/* One memfd, mapped whole for the test and in pieces, with their permissions, for the code under test. */
static int map_memory(struct oracle_cpu *cpu, struct reason *why)
{
    int fd = memfd_create("oracle", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, sizeof(struct oracle_memory)))
        return fail(why, errno, "oracle: memfd: %s", strerror(errno));
    cpu->memory = mmap(NULL, sizeof(struct oracle_memory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    int error = cpu->memory == MAP_FAILED ? fail(why, errno, "oracle: mmap: %s", strerror(errno)) : 0;
    const int rw = PROT_READ | PROT_WRITE;
    if (!error)
        error =
            map_at(fd, ORACLE_CODE, offsetof(struct oracle_memory, code), ORACLE_CODE_SIZE, PROT_READ | PROT_EXEC, why);
    if (!error)
        error = map_at(fd, ORACLE_DATA, offsetof(struct oracle_memory, data), ORACLE_DATA_SIZE, rw, why);
    if (!error)
        error = map_at(fd, ORACLE_READONLY, offsetof(struct oracle_memory, readonly), PAGE_SIZE, PROT_READ, why);
    if (!error)
        error = map_at(fd, ORACLE_STACK, offsetof(struct oracle_memory, stack), ORACLE_STACK_SIZE, rw, why);
    close(fd);
    return error;
}

static void catch_signals(struct host *host)
{
    stack_t stack = {.ss_sp = host->signal_stack, .ss_size = SIGNAL_STACK_SIZE};
    sigaltstack(&stack, &host->old_stack);
    struct sigaction action = {.sa_sigaction = oracle_host_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};
    for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
        sigaction(caught[i], &action, &old_actions[i]);
    const struct itimerval watch = {{0, WATCHDOG_US}, {0, WATCHDOG_US}};
    setitimer(ITIMER_VIRTUAL, &watch, NULL);
}

static void host_close(struct oracle_cpu *cpu)
{
    struct host *host = (struct host *)cpu;
    const struct itimerval off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_VIRTUAL, &off, NULL);
    if (host->signal_stack) {
        for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
            sigaction(caught[i], &old_actions[i], NULL);
        sigaltstack(&host->old_stack, NULL);
        free(host->signal_stack);
    }
    munmap((void *)(uintptr_t)ORACLE_CODE, ORACLE_CODE_SIZE);
    munmap((void *)(uintptr_t)ORACLE_DATA, ORACLE_DATA_SIZE);
    munmap((void *)(uintptr_t)ORACLE_READONLY, PAGE_SIZE);
    munmap((void *)(uintptr_t)ORACLE_STACK, ORACLE_STACK_SIZE);
    if (cpu->memory && cpu->memory != MAP_FAILED)
        munmap(cpu->memory, sizeof(struct oracle_memory));
    free(host);
}

struct oracle_cpu *oracle_host_open(struct reason *why)
{
    struct host *host = calloc(1, sizeof(*host));
    if (!host) {
        fail(why, ENOMEM, "oracle: out of memory");
        return NULL;
    }
    host->cpu = (struct oracle_cpu){.name = "host", .run = host_run, .code_changed = host_code_changed};
    host->cpu.close = host_close;
    host->cpu.has_bases = getauxval(AT_HWCAP2) & HWCAP2_HAS_FSGSBASE;
    oracle_host_context = (struct oracle_host_context){.has_bases = host->cpu.has_bases};
    if (map_memory(&host->cpu, why)) {
        host_close(&host->cpu);
        return NULL;
    }
    host->signal_stack = malloc(SIGNAL_STACK_SIZE);
    if (!host->signal_stack) {
        fail(why, ENOMEM, "oracle: out of memory");
        host_close(&host->cpu);
        return NULL;
    }
    catch_signals(host);
    return &host->cpu;
}
