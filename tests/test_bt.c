/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_bt.c - what a translator may get wrong even if it translates every instruction right: budgets, kicks, code that
 * changes, code seen under two addresses, a code cache that is full. Each program is run by full/bt and by
 * emulate/interp, and both must end in the same state.
 *
 * The instructions themselves: test_bt_oracle.c; whole guests: test_lockstep.sh.
 */
#include "bt_rig.h"
#include <pthread.h>
#include <time.h>

/* Runs a program to its HLT on both engines and compares; returns with the rigs open for more questions. */
static void run_both(struct rig *interp, struct rig *bt, const uint8_t *code, size_t size)
{
    CHECK(rig_open(interp, &emulate_interp, code, size) && rig_open(bt, &full_bt_all, code, size));
    CHECK(rig_run(interp, 0) && rig_run(bt, 0));
    CHECK_EQ_U64(interp->exit.kind, VM_EXIT_HLT);
    check_same(interp, bt);
    CHECK(bt->stats.counter[COUNTER_BLOCKS_TRANSLATED] > 0);
}
static void close_both(struct rig *a, struct rig *b)
{
    rig_close(a);
    rig_close(b);
}

/* A checksum with memory, stack, a call, SSE and conditions: 1000 rounds, about 20 instructions each. */
static const uint8_t mixed[] = {
    0xb9, 0xe8, 0x03, 0x00, 0x00, /*    mov ecx, 1000 */
    0x49, 0x89, 0xcd,             /* 1: mov r13, rcx */
    0x4d, 0x01, 0xee,             /*    add r14, r13 */
    0x49, 0xc1, 0xc6, 0x07,       /*    rol r14, 7 */
    0x4c, 0x31, 0x37,             /*    xor [rdi], r14 */
    0x11, 0x4f, 0x08,             /*    adc [rdi + 8], ecx */
    0x66, 0x0f, 0x6e, 0xc1,       /*    movd xmm0, ecx */
    0x66, 0x0f, 0xfe, 0xc8,       /*    paddd xmm1, xmm0 */
    0xf3, 0x0f, 0x7f, 0x4f, 0x11, /*    movdqu [rdi + 0x11], xmm1 */
    0xe8, 0x09, 0x00, 0x00, 0x00, /*    call 3f */
    0x75, 0x02,                   /*    jnz 2f */
    0xff, 0xc0,                   /*    inc eax */
    0xff, 0xc9,                   /* 2: dec ecx */
    0x75, 0xd6,                   /*    jnz 1b */
    0xf4,                         /*    hlt */
    0x53,                         /* 3: push rbx */
    0x0f, 0xa3, 0xca,             /*    bt edx, ecx */
    0x48, 0x83, 0xd2, 0x03,       /*    adc rdx, 3 */
    0x41, 0x57,                   /*    push r15 */
    0x41, 0x5c,                   /*    pop r12 */
    0x5b,                         /*    pop rbx */
    0xf6, 0xc1, 0x03,             /*    test cl, 3 */
    0xc3,                         /*    ret */
};

static void test_mixed(void)
{
    struct rig a, b;
    run_both(&a, &b, mixed, sizeof(mixed));
    CHECK(b.stats.counter[COUNTER_BLOCKS_CHAINED] > 0);
    close_both(&a, &b);
}

/* A destination that stays as it is, in a register that native code keeps in memory. */
static void test_kept_destination(void)
{
    static const uint8_t code[] = {0x49, 0xc7, 0xc5, 0x34, 0x12, 0x00, 0x00, /* mov r13, 0x1234 */
                                   0x4d, 0x31, 0xdb,                         /* xor r11, r11 */
                                   0x4d, 0x0f, 0xbd, 0xeb,                   /* bsr r13, r11 */
                                   0x4d, 0x0f, 0xbc, 0xf3,                   /* bsf r14, r11 */
                                   0xf4};
    struct rig a, b;
    run_both(&a, &b, code, sizeof(code));
    CHECK_EQ_U64(b.s.gpr[R13], 0x1234);
    CHECK_EQ_U64(b.s.gpr[R14], 0);
    close_both(&a, &b);
}

/* Every piece ends after exactly as many instructions as asked for, in the interpreter's state. */
static void test_budget(void)
{
    static const uint64_t pieces[] = {1, 7, 47, 48, 49, 95, 96, 97, 98, 101, 150, 500, 1009};
    for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
        struct rig a, b;
        vltest_row("pieces of %u", (unsigned)pieces[i]);
        CHECK(rig_open(&a, &emulate_interp, mixed, sizeof(mixed)) && rig_open(&b, &full_bt_all, mixed, sizeof(mixed)));
        for (uint64_t sum = pieces[i]; sum < 16000; sum += pieces[i]) {
            a.ops->run(a.engine, &a.exit, pieces[i]);
            b.ops->run(b.engine, &b.exit, pieces[i]);
            a.ops->get_state(a.engine, &a.s);
            b.ops->get_state(b.engine, &b.s);
            if (b.stats.counter[COUNTER_INSTRUCTIONS] != sum || b.s.rip != a.s.rip || b.s.gpr[R14] != a.s.gpr[R14] ||
                ((b.s.rflags ^ a.s.rflags) & FLAGS_STATUS & ~FLAG_AF)) {
                CHECK_EQ_U64(b.stats.counter[COUNTER_INSTRUCTIONS], sum);
                check_same(&a, &b);
                break;
            }
        }
        close_both(&a, &b);
    }
    vltest_row("%s", "");
}

/* ---- code that changes ---- */

/* A loop that counts up the immediate of an instruction of its own block, before it and behind it. */
static const uint8_t own_block[] = {
    0xb9, 0x64, 0x00, 0x00, 0x00,       /*    mov ecx, 100 */
    0x05, 0x01, 0x00, 0x00, 0x00,       /* 1: add eax, 1        (at +5) */
    0xff, 0x05, 0xf6, 0xff, 0xff, 0xff, /*    inc dword [rip - 10]: the one above */
    0xff, 0x05, 0x02, 0x00, 0x00, 0x00, /*    inc dword [rip + 2]: the one below */
    0x81, 0xc3, 0x01, 0x00, 0x00, 0x00, /*    add ebx, 1 */
    0xff, 0xc9,                         /*    dec ecx */
    0x75, 0xe5,                         /*    jnz 1b */
    0xf4,                               /*    hlt */
};

/* A hot function is rewritten while its caller stays as it is, through the other mapping of its page. */
static const uint8_t other_alias[] = {
    0xb9, 0xc8, 0x00, 0x00, 0x00,                               /*    mov ecx, 200 */
    0xe8, 0x16, 0x00, 0x00, 0x00,                               /* 1: call 2f */
    0x48, 0xba, 0x22, 0x00, 0x20, 0x40, 0x00, 0x00, 0x00, 0x00, /*    mov rdx, ALIAS + CODE + 0x22 */
    0xf6, 0xc1, 0x1f,                                           /*    test cl, 31 */
    0x75, 0x02,                                                 /*    jnz +2 */
    0xfe, 0x02,                                                 /*    inc byte [rdx] */
    0xff, 0xc9,                                                 /*    dec ecx */
    0x75, 0xe6,                                                 /*    jnz 1b */
    0xf4,                                                       /*    hlt */
    0x83, 0xc0, 0x01,                                           /* 2: add eax, 1: its immediate is at +0x22 */
    0xc3,                                                       /*    ret */
};

static void test_own_block(void)
{
    struct rig a, b;
    run_both(&a, &b, own_block, sizeof(own_block));
    CHECK_EQ_U64(b.s.gpr[RAX], 100 * 101 / 2);
    CHECK(b.stats.counter[COUNTER_BLOCKS_INVALIDATED] > 0);
    close_both(&a, &b);
}

static void test_other_alias(void)
{
    struct rig a, b;
    run_both(&a, &b, other_alias, sizeof(other_alias));
    CHECK(b.s.gpr[RAX] > 200);
    CHECK(b.stats.counter[COUNTER_BLOCKS_INVALIDATED] > 0);
    close_both(&a, &b);
}

/* ---- one piece of code under two addresses ---- */

/* Calls the same function by both, so that its native code runs under both: RIP-relative results differ. */
static const uint8_t two_addresses[] = {
    0xb9, 0x2c, 0x01, 0x00, 0x00,             /*    mov ecx, 300 */
    0xbb, 0x20, 0x00, 0x20, 0x00,             /*    mov ebx, CODE + 0x20 */
    0xff, 0xd3,                               /* 1: call rbx */
    0x81, 0xf3, 0x00, 0x00, 0x00, 0x40,       /*    xor ebx, ALIAS */
    0xff, 0xc9,                               /*    dec ecx */
    0x75, 0xf4,                               /*    jnz 1b */
    0xf4,                                     /*    hlt */
    0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, /* */
    0x90, 0x90,                               /* */
    0x48, 0x8d, 0x15, 0x00, 0x00, 0x00, 0x00, /* 2: lea rdx, [rip]     (at +0x20) */
    0x48, 0x01, 0xd0,                         /*    add rax, rdx */
    0x48, 0x03, 0x05, 0xef, 0xff, 0xff, 0xff, /*    add rax, [rip - 17] */
    0xc3,                                     /*    ret */
};

static void test_two_addresses(void)
{
    struct rig a, b;
    run_both(&a, &b, two_addresses, sizeof(two_addresses));
    close_both(&a, &b);
}

/* ---- a full code cache ---- */

#define ISLANDS 3000

/* Thousands of little blocks, gone through again and again, in a code cache that can't hold them all. */
static void test_full_cache(void)
{
    static uint8_t code[ISLANDS * 16 + 64];
    size_t at = 0;
    code[at++] = 0xb9; /* mov ecx, 40 */
    code[at++] = 40;
    at += 3;
    size_t loop = at;
    for (unsigned i = 0; i < ISLANDS; i++) {
        const uint8_t island[] = {0x05, (uint8_t)i, (uint8_t)(i >> 8), 0, 0, /* add eax, i */
                                  0x31, 0x07,                                /* xor [rdi], eax */
                                  0xeb, 0x00};                               /* jmp to the next */
        memcpy(code + at, island, sizeof(island));
        at += sizeof(island);
    }
    int32_t back = (int32_t)loop - (int32_t)(at + 8);
    const uint8_t end[] = {0xff, 0xc9, 0x0f, 0x85}; /* dec ecx; jnz loop */
    memcpy(code + at, end, sizeof(end));
    memcpy(code + at + 4, &back, 4);
    code[at + 8] = 0xf4;

    struct rig a, b;
    CHECK(rig_open(&a, &emulate_interp, code, sizeof(code)) && rig_open(&b, &full_bt_all, code, sizeof(code)));
    struct bt *bt = bt_of((struct cpu *)b.engine);
    bt->code.end = bt->first + CODE_RESERVE + (100 << 10);
    CHECK(rig_run(&a, 0) && rig_run(&b, 0));
    check_same(&a, &b);
    CHECK(b.stats.counter[COUNTER_CACHE_FLUSHES] > 0);
    CHECK(b.stats.counter[COUNTER_BLOCKS_TRANSLATED] > 500);
    close_both(&a, &b);
}

/* ---- kicks ---- */

/* What a thread kicks, every millisecond, until it is told to stop. */
struct kicker {
    struct rig *rig;
    volatile bool stop;
};

static void *kick_on(void *argument)
{
    struct kicker *kicker = argument;
    while (!kicker->stop) {
        struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
        kicker->rig->ops->kick(kicker->rig->engine);
    }
    return NULL;
}

static void test_kick(void)
{
    static const struct {
        const char *name;
        uint8_t code[8];
    } loops[] = {
        {"jmp $", {0xeb, 0xfe}},
        {"inc eax; jmp", {0xff, 0xc0, 0xeb, 0xfc}},
        {"add eax, 1; jnz; jmp", {0x83, 0xc0, 0x01, 0x75, 0xfb, 0xeb, 0xf9}},
        {"jz; jmp", {0x74, 0x00, 0xeb, 0xfc}},
        {"push; pop; jmp", {0x50, 0x58, 0xeb, 0xfc}},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(loops); i++) {
        struct rig r;
        struct kicker kicker = {.rig = &r};
        pthread_t thread;
        vltest_row("%s", loops[i].name);
        CHECK(rig_open(&r, &full_bt_all, loops[i].code, sizeof(loops[i].code)));
        if (pthread_create(&thread, NULL, kick_on, &kicker))
            break;
        do { /* the first kicks may come before the loop has begun */
            r.ops->run(r.engine, &r.exit, 0);
            CHECK_EQ_U64(r.exit.kind, VM_EXIT_INTERRUPTED);
        } while (r.stats.counter[COUNTER_INSTRUCTIONS] < 100000);
        kicker.stop = true;
        pthread_join(thread, NULL);
        rig_close(&r);
    }
    vltest_row("%s", "");
}

int main(void)
{
    static const struct vltest tests[] = {
        {"a program of many kinds of instructions ends as interpreted", test_mixed},
        {"a scan of zero keeps its destination", test_kept_destination},
        {"budgets are kept to the instruction", test_budget},
        {"a block that rewrites itself", test_own_block},
        {"code rewritten through another mapping", test_other_alias},
        {"code under two addresses", test_two_addresses},
        {"a code cache that is full", test_full_cache},
        {"a kick ends run() in any loop", test_kick},
    };
    return vltest_run("bt", tests, ARRAY_SIZE(tests));
}
