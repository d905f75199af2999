/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smc.c - a guest program whose code changes while it runs, in every way that a program can change code. Prints what
 * the code returned; the same under every engine and natively.
 *
 * An x86 needs no special instruction between a write to code and its execution by the same thread: a jump is enough
 * on the oldest, nothing at all since the Pentium Pro (SDM 3, 9.1.3 and 12.6). Each case runs the code often enough for
 * a translator to find it hot, before and after the change, and the case as a whole several times.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE   4096
#define HOT    3000 /* calls after which a translator has surely taken notice */
#define ROUNDS 4

typedef uint32_t (*function)(void);
static uint8_t *page; /* four pages, rwx */

/* mov eax, VALUE; ret */
static void returns(uint8_t *at, uint32_t value)
{
    uint8_t code[6] = {0xb8, (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24),
                       0xc3};

    memcpy(at, code, sizeof code);
}

static uint64_t call_often(uint8_t *at)
{
    uint64_t sum = 0;

    for (int i = 0; i < HOT; i++)
        sum += ((function)(uintptr_t)at)();
    return sum;
}

static void tell(const char *what, uint64_t value)
{
    printf("%s: %lu\n", what, value);
}

/* ---- the cases ---- */

static void own_page(void)
{
    returns(page, 1);
    uint64_t sum = call_often(page);
    for (uint32_t i = 2; i < 40; i++) {
        page[1] = (uint8_t)i; /* the immediate alone */
        sum += ((function)(uintptr_t)page)();
    }
    returns(page, 1000);
    tell("own page", sum + call_often(page));
}

/* An instruction writes the immediate of the next one, in a loop: the code is always hot and always wrong. */
static void next_instruction(void)
{
    static const uint8_t code[] = {
        0xb9, 0xe8, 0x03, 0, 0,    /* mov ecx, 1000 */
        0x31, 0xc0,                /* xor eax, eax */
        0x88, 0x0d, 0x01, 0, 0, 0, /* mov [rip + 1], cl: the byte behind the ADD's opcode */
        0x05, 0,    0,    0, 0,    /* add eax, imm32 */
        0xff, 0xc9,                /* dec ecx */
        0x75, 0xf1,                /* jnz: to the MOV */
        0xc3,
    };
    memcpy(page, code, sizeof code);
    tell("next instruction", ((function)(uintptr_t)page)());
}

/* The instruction that is executing overwrites itself: it is completed all the same, the next round is new. */
static void rep_over_itself(void)
{
    static const uint8_t code[] = {
        0x48, 0x89, 0xfa,             /* mov rdx, rdi */
        0xb9, 0x40, 0,    0, 0,       /* mov ecx, 64 */
        0xb0, 0x90,                   /* mov al, NOP */
        0xf3, 0xaa,                   /* rep stosb: from RDI on, over this very instruction */
        0xb8, 0x07, 0,    0, 0, 0xc3, /* mov eax, 7; ret: overwritten too */
    };
    uint8_t *at = page + 256;

    memset(page, 0xc3, PAGE);
    memcpy(at, code, sizeof code);
    memcpy(at + 64, (uint8_t[]){0xb8, 0x09, 0, 0, 0, 0xc3}, 6); /* mov eax, 9; ret: behind what is overwritten */
    uint32_t got;
    __asm__ volatile("call *%1" : "=a"(got), "+r"(at) : "D"(at) : "rcx", "rdx", "memory", "cc");
    tell("rep stosb over itself", got);
}

static void across_pages(void)
{
    uint8_t *at = page + PAGE - 3; /* the immediate lies in the second page */
    uint64_t sum = 0;

    returns(at, 5);
    sum += call_often(at);
    page[PAGE] = 1; /* the second page changes, the first doesn't: bits 16.. of the immediate */
    sum += call_often(at);
    at[1] = 6; /* and the other way round */
    sum += call_often(at);
    page[PAGE] = 0;
    tell("across pages", sum + call_often(at));
}

/* Two mappings of the same memory: one is written, the other executes. */
static void alias(void)
{
    int fd = open("/tmp/smc", O_RDWR | O_CREAT | O_TRUNC, 0600);
    uint8_t zero[PAGE] = {0};

    if (fd < 0 || write(fd, zero, PAGE) != PAGE) {
        printf("alias: no file\n");
        return;
    }
    uint8_t *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint8_t *x = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (w == MAP_FAILED || x == MAP_FAILED) {
        printf("alias: shared mappings refused\n");
    } else {
        uint64_t sum = 0;
        for (uint32_t i = 1; i < 30; i++) {
            returns(w, i);
            sum += i % 10 ? ((function)(uintptr_t)x)() : call_often(x);
        }
        tell("alias", sum);
        /* From another process. */
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            returns(w, 77);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        tell("alias, written by another process", call_often(x));
        /* By the kernel, through the file. */
        returns(zero, 88);
        if (pwrite(fd, zero, PAGE, 0) == PAGE)
            tell("alias, written through the file", call_often(x));
        munmap(w, PAGE), munmap(x, PAGE);
    }
    close(fd);
    unlink("/tmp/smc");
}

/* The kernel writes, by read() from a pipe into the executable page. */
static void from_the_kernel(void)
{
    int ends[2];
    uint8_t code[6];
    uint64_t sum = 0;

    if (pipe(ends))
        return;
    for (uint32_t i = 1; i < 20; i++) {
        returns(code, i * 3);
        if (write(ends[1], code, 6) != 6 || read(ends[0], page + 100, 6) != 6)
            return;
        sum += i % 5 ? ((function)(uintptr_t)(page + 100))() : call_often(page + 100);
    }
    tell("read() into code", sum);
    close(ends[0]), close(ends[1]);
}

/* Code and data in one page: writes next to hot code, which changes nothing of it. */
static void beside_code(void)
{
    volatile uint32_t *data = (volatile uint32_t *)(page + 2048);
    uint64_t sum = 0;

    returns(page, 11);
    for (uint32_t i = 0; i < 2 * HOT; i++) {
        *data += i;
        sum += ((function)(uintptr_t)page)() + *data;
    }
    tell("beside code", sum);
}

/* The page is no longer executable, then again; then another page stands there. */
static void mappings(void)
{
    uint64_t sum;

    returns(page, 21);
    sum = call_often(page);
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    returns(page, 22);
    mprotect(page, PAGE, PROT_READ | PROT_EXEC);
    sum += call_often(page);
    munmap(page, PAGE);
    if (mmap(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page)
        exit(2);
    returns(page, 23);
    tell("mapped anew", sum + call_often(page));
    /* A file's page in its place. */
    uint8_t other[PAGE] = {0};
    int fd = open("/tmp/smc", O_RDWR | O_CREAT | O_TRUNC, 0600);
    returns(other, 24);
    if (fd < 0 || write(fd, other, PAGE) != PAGE ||
        mmap(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) != page)
        exit(2);
    sum = call_often(page);
    returns(page, 25); /* copy-on-write: the file keeps its own */
    tell("a file in its place", sum + call_often(page));
    close(fd);
    unlink("/tmp/smc");
}

/* After fork the page is shared copy-on-write: each process changes its own. */
static void after_fork(void)
{
    int status;

    returns(page, 31);
    uint64_t sum = call_often(page);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        returns(page, 5);
        uint64_t mine = call_often(page);
        _exit(mine == 5ul * HOT ? 5 : 1);
    }
    sum += call_often(page);
    waitpid(pid, &status, 0);
    returns(page, 32);
    tell("after fork", sum + call_often(page));
    tell("after fork, the child", (uint64_t)WEXITSTATUS(status));
}

/* A jump into the middle of an instruction: the same bytes mean two things. */
static void middle(void)
{
    static const uint8_t code[] = {0x48, 0xb8, 0xb8, 0x2a, 0, 0, 0, 0xc3, 0, 0, 0xc3}; /* mov rax, imm64; ret */

    memcpy(page, code, sizeof code);
    uint64_t sum = 0;
    for (int i = 0; i < HOT; i++)
        sum += (uint8_t)((function)(uintptr_t)page)() + ((function)(uintptr_t)(page + 2))();
    page[3] = 0x2b;
    sum += ((function)(uintptr_t)(page + 2))();
    tell("middle of an instruction", sum);
}

/* Code makes code that makes code. */
static void chain(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < 200; i++) {
        uint8_t *at = page + 16 * (i % 200);
        uint8_t code[] = {0xc7, 0x05, 8, 0, 0, 0, 0, 0, 0, 0, 0xe9, 2, 0, 0, 0, 0x90, 0x90, 0xb8};
        uint32_t value = i; /* mov dword [rip + 8], value: the MOV's immediate; jmp to it */
        memcpy(code + 6, &value, 4);
        memcpy(at, code, sizeof code);
        memcpy(at + 18, (uint8_t[]){0, 0, 0, 0, 0xc3}, 5);
        sum += ((function)(uintptr_t)at)();
    }
    tell("chain", sum);
}

int main(void)
{
    page = mmap((void *)0x11000000, 4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (page == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    for (int round = 0; round < ROUNDS; round++) {
        own_page();
        next_instruction();
        rep_over_itself();
        across_pages();
        alias();
        from_the_kernel();
        beside_code();
        mappings();
        after_fork();
        middle();
        chain();
    }
    printf("end\n");
    return 0;
}
