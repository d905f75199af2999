/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gates.c - every way into a kernel, from odd places; privileged instructions; instructions that tell which CPU it is.
 */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

#define PAGE_END (PROBE_PAGE)

/* SYSCALL of getppid: harmless, and its answer known. */
static void syscall_at(const char *name, size_t at, const unsigned char *code, size_t size)
{
    struct probe p = {.gpr = {[RAX] = SYS_getpgrp, [RCX] = 0x1111, [R11] = 0x2222}, .rip = PROBE_CODE + at};

    probe_code(at, code, size);
    probe_run(&p);
    probe_print(name, &p);
}

void test_gates(void)
{
    static const unsigned char plain[] = {0x0f, 0x05}, rex[] = {0x48, 0x0f, 0x05}, size16[] = {0x66, 0x0f, 0x05},
                               rep[] = {0xf3, 0x0f, 0x05}, lock[] = {0xf0, 0x0f, 0x05}, fs[] = {0x64, 0x0f, 0x05},
                               cut[] = {0x0f};
    syscall_at("syscall", 0, plain, 2);
    syscall_at("rex syscall", 0, rex, 3);
    syscall_at("66 syscall", 0, size16, 3);
    syscall_at("rep syscall", 0, rep, 3);
    syscall_at("lock syscall", 0, lock, 3);
    syscall_at("fs syscall", 0, fs, 3);
    syscall_at("syscall across pages", PAGE_END - 1, plain, 2);
    syscall_at("syscall ends a page", PAGE_END - 2, plain, 2);
    syscall_at("syscall ends what is mapped", 2 * PAGE_END - 2, plain, 2);
    syscall_at("syscall half mapped", 2 * PAGE_END - 1, cut, 1);

    struct probe step = {.gpr = {[RAX] = SYS_getpgrp}, .rflags = 0x100};
    PROBE("syscall, stepped", &step, 0x0f, 0x05, 0x90, 0x90);

    uint64_t sum = 0;
    for (unsigned n = 0; n < 256; n++) { /* INT n: gates that user code may use, and others */
        unsigned char code[] = {0xcd, (unsigned char)n};
        struct probe p = {.gpr = {[RAX] = 1, [RBX] = 1, [RCX] = PROBE_DATA, [RDX] = 5}};
        probe_bytes(&p, code, sizeof code);
        sum = probe_sum(sum, &p);
        if (n < 6 || n == 0x20 || n == 0x80)
            printf("int %02x: signal %d(%d) trap %lu error %lx rip %lx\n", n, p.signal, p.code, p.trap, p.error, p.rip);
    }
    printf("int, all: sum %lx\n", sum);
    struct probe p = {0};
    PROBE("int3", &p, 0xcc);
    p = (struct probe){0};
    PROBE("int1", &p, 0xf1);
    p = (struct probe){0};
    PROBE("into", &p, 0xce);
    p = (struct probe){.gpr = {[RAX] = 1}};
    PROBE("sysenter", &p, 0x0f, 0x34);
    p = (struct probe){.gpr = {[RAX] = 1}};
    PROBE("vmcall", &p, 0x0f, 0x01, 0xc1);
    p = (struct probe){.gpr = {[RAX] = 1}};
    PROBE("vmmcall", &p, 0x0f, 0x01, 0xd9);
    p = (struct probe){0};
    PROBE("ud2", &p, 0x0f, 0x0b);
    /* Numbers that the host's kernel treats apart: uretprobe, uprobe, x32's. */
    static const uint64_t numbers[] = {335, 336, 0x40000000, 0x40000027, UINT64_MAX, 1ul << 32 | SYS_getpgrp};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        p = (struct probe){.gpr = {[RAX] = numbers[i]}};
        PROBE("syscall of another number", &p, 0x0f, 0x05);
    }
}

#define LIST(...)                               \
    {                                           \
        sizeof((unsigned char[]){__VA_ARGS__}), \
        {                                       \
            __VA_ARGS__                         \
        }                                       \
    }
struct instruction {
    size_t size;
    unsigned char bytes[8];
};

static void run_list(const char *name, const struct instruction *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct probe p = {.gpr = {[RBX] = PROBE_DATA, [RSI] = PROBE_DATA, [RDI] = PROBE_DATA + 64}};
        char text[64];

        memset((void *)PROBE_DATA, 0, 64);
        snprintf(text, sizeof text, "%s %02x%02x%02x%02x", name, list[i].bytes[0], list[i].bytes[1], list[i].bytes[2],
                 list[i].bytes[3]);
        probe_bytes(&p, list[i].bytes, list[i].size);
        probe_print(text, &p);
        const uint64_t *data = (const uint64_t *)PROBE_DATA;
        if (data[0] || data[1])
            printf("   stored %lx %lx\n", data[0], data[1]);
    }
}

void test_privileged(void)
{
    static const struct instruction list[] = {
        LIST(0xf4),                   /* hlt */
        LIST(0xfa),                   /* cli */
        LIST(0xfb),                   /* sti */
        LIST(0xe4, 0x71),             /* in al, 0x71 */
        LIST(0xe6, 0xf4),             /* out 0xf4, al: would end the machine */
        LIST(0x6c),                   /* insb */
        LIST(0x6e),                   /* outsb */
        LIST(0x0f, 0x20, 0xc0),       /* mov rax, cr0 */
        LIST(0x0f, 0x22, 0xd8),       /* mov cr3, rax */
        LIST(0x44, 0x0f, 0x22, 0xc0), /* mov cr8, rax */
        LIST(0x0f, 0x21, 0xf8),       /* mov rax, dr7 */
        LIST(0x0f, 0x23, 0xf8),       /* mov dr7, rax */
        LIST(0x0f, 0x32),             /* rdmsr */
        LIST(0x0f, 0x30),             /* wrmsr */
        LIST(0x0f, 0x33),             /* rdpmc */
        LIST(0x0f, 0x06),             /* clts */
        LIST(0x0f, 0x08),             /* invd */
        LIST(0x0f, 0x09),             /* wbinvd */
        LIST(0x0f, 0x01, 0x13),       /* lgdt [rbx] */
        LIST(0x0f, 0x01, 0x1b),       /* lidt [rbx] */
        LIST(0x0f, 0x00, 0xd0),       /* lldt ax */
        LIST(0x0f, 0x00, 0xd8),       /* ltr ax */
        LIST(0x0f, 0x01, 0xf0),       /* lmsw ax */
        LIST(0x0f, 0x01, 0x3b),       /* invlpg [rbx] */
        LIST(0x0f, 0x01, 0xf8),       /* swapgs */
        LIST(0x48, 0x0f, 0x07),       /* sysretq */
        LIST(0x48, 0x0f, 0x35),       /* sysexit */
        LIST(0x0f, 0x01, 0xd1),       /* xsetbv */
        LIST(0x0f, 0x01, 0xc8),       /* monitor */
        LIST(0x0f, 0x01, 0xc9),       /* mwait */
        LIST(0x0f, 0x01, 0xca),       /* clac */
        LIST(0x0f, 0x01, 0xd8),       /* vmrun */
    };
    run_list("privileged", list, sizeof list / sizeof *list);
}

/* What must show the virtual CPU, and not the host's. */
void test_identity(void)
{
    static const struct instruction list[] = {
        LIST(0x0f, 0x01, 0x03),       /* sgdt [rbx] */
        LIST(0x0f, 0x01, 0x0b),       /* sidt [rbx] */
        LIST(0x0f, 0x00, 0xc0),       /* sldt eax */
        LIST(0x0f, 0x00, 0xc8),       /* str eax */
        LIST(0x0f, 0x01, 0xe0),       /* smsw eax */
        LIST(0x66, 0x0f, 0x01, 0xe0), /* smsw ax, behind a prefix */
        LIST(0x0f, 0x01, 0xd0),       /* xgetbv */
        LIST(0x0f, 0x01, 0xee),       /* rdpkru */
        LIST(0x0f, 0x01, 0xef),       /* wrpkru */
        LIST(0xf3, 0x0f, 0xc7, 0xf8), /* rdpid rax */
        LIST(0x0f, 0xc7, 0xf0),       /* rdrand eax, if it isn't there */
        LIST(0xc5, 0xf8, 0x77),       /* vzeroupper */
        LIST(0xc5, 0xf8, 0x57, 0xc0), /* vxorps */
        LIST(0x0f, 0xae, 0x23),       /* xsave [rbx] */
        LIST(0x0f, 0x01, 0xd6),       /* xtest */
        LIST(0xf3, 0x0f, 0x1e, 0xc8), /* rdsspd eax: a NOP without CET */
        LIST(0x8c, 0xc8),             /* mov eax, cs */
        LIST(0x8c, 0xd0),             /* mov eax, ss */
        LIST(0x8c, 0xd8),             /* mov eax, ds */
        LIST(0x8c, 0x0b),             /* mov [rbx], cs */
        LIST(0x0f, 0xa0, 0x58),       /* push fs; pop rax */
        LIST(0x0f, 0xa8, 0x58),       /* push gs; pop rax */
        LIST(0x9c, 0x58),             /* pushf; pop rax */
    };
    run_list("identity", list, sizeof list / sizeof *list);
    for (unsigned leaf = 0; leaf < 0x15; leaf++) { /* from 0x15 on: the frequency, which is measured */
        static const unsigned char cpuid[] = {0x0f, 0xa2};
        struct probe p = {.gpr = {[RAX] = leaf}};
        probe_bytes(&p, cpuid, sizeof cpuid);
        printf("cpuid %x: %lx %lx %lx %lx\n", leaf, p.gpr[RAX], p.gpr[RBX], p.gpr[RCX], p.gpr[RDX]);
    }
}
