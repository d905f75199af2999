/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_bt_system.c - a translator's short cuts: gates between rings that stay in native code, going on behind an
 * instruction that the interpreter executed, status flags that are made again instead of saved, and memory found by the
 * software TLB's span, by small pages, and across pages. Each program is run by full/bt:all and by emulate/interp.
 *
 * Read before: test_bt.c.
 */
#include "bt_rig.h"

#define SMALL UINT64_C(0x800000) /* mapped by small pages, in reverse order, to 6 MiB up to 8 MiB */
#define GATE  (CODE + 0x40)

/* clang-format off */
static const uint8_t gates[] = {
    0x48, 0x8d, 0x0d, 0x09, 0x00, 0x00, 0x00,          /*   0: lea rcx, [rip+0x9] */
    0x41, 0xbb, 0x02, 0x02, 0x00, 0x00,                /*   7: mov r11d, 0x202 */
    0x48, 0x0f, 0x07,                                  /*   d: sysretq */
    0x41, 0xba, 0x2c, 0x01, 0x00, 0x00,                /*  10: mov r10d, 0x12c */
    0x44, 0x01, 0xd0,                                  /*  16: add eax, r10d */
    0x0f, 0x05,                                        /*  19: syscall */
    0x4a, 0x8d, 0x14, 0x42,                            /*  1b: lea rdx, [rdx+r8*2] */
    0x48, 0x83, 0xe8, 0x77,                            /*  1f: sub rax, 0x77 */
    0x0f, 0x05,                                        /*  23: syscall */
    0xf9,                                              /*  25: stc */
    0x41, 0xff, 0xca,                                  /*  26: dec r10d */
    0x75, 0xeb,                                        /*  29: jne 16 */
    0xbf, 0x00, 0x00, 0x00, 0x00,                      /*  2b: mov edi, 0x0 */
    0x0f, 0x05,                                        /*  30: syscall */
    0x0f, 0x0b,                                        /*  32: ud2 */
    0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00, /*  34: data16 cs nop [rax+rax*1+0x0] */
    0x90,                                              /*  3f: nop */
    0x49, 0x89, 0xcc,                                  /*  40: mov r12, rcx */
    0x4c, 0x01, 0xdb,                                  /*  43: add rbx, r11 */
    0x9c,                                              /*  46: pushf */
    0x41, 0x59,                                        /*  47: pop r9 */
    0x48, 0xc1, 0xc3, 0x03,                            /*  49: rol rbx, 0x3 */
    0x4c, 0x01, 0xcb,                                  /*  4d: add rbx, r9 */
    0x4f, 0x8d, 0x04, 0x20,                            /*  50: lea r8, [r8+r12*1] */
    0x41, 0x0f, 0x20, 0xdd,                            /*  54: mov r13, cr3 */
    0x4c, 0x01, 0xeb,                                  /*  58: add rbx, r13 */
    0x0f, 0x01, 0xf8,                                  /*  5b: swapgs */
    0x0f, 0x01, 0xf8,                                  /*  5e: swapgs */
    0x85, 0xff,                                        /*  61: test edi, edi */
    0x74, 0x06,                                        /*  63: je 6b */
    0x4c, 0x89, 0xe1,                                  /*  65: mov rcx, r12 */
    0x48, 0x0f, 0x07,                                  /*  68: sysretq */
    0xf4,                                              /*  6b: hlt */
};

static const uint8_t replays[] = {
    0x41, 0xba, 0xf4, 0x01, 0x00, 0x00,                /*   0: mov r10d, 0x1f4 */
    0x48, 0x69, 0xc0, 0x6d, 0x4e, 0xc6, 0x41,          /*   6: imul rax, rax, 0x41c64e6d */
    0x48, 0x05, 0x39, 0x30, 0x00, 0x00,                /*   d: add rax, 0x3039 */
    0x48, 0x89, 0xc3,                                  /*  13: mov rbx, rax */
    0x48, 0xc1, 0xcb, 0x11,                            /*  16: ror rbx, 0x11 */
    0x48, 0x29, 0xd8,                                  /*  1a: sub rax, rbx */
    0x48, 0x8b, 0x0f,                                  /*  1d: mov rcx, [rdi] */
    0x9c,                                              /*  20: pushf */
    0x5a,                                              /*  21: pop rdx */
    0x81, 0xe2, 0xc5, 0x08, 0x00, 0x00,                /*  22: and edx, 0x8c5 */
    0x49, 0xc1, 0xc0, 0x05,                            /*  28: rol r8, 0x5 */
    0x49, 0x01, 0xd0,                                  /*  2c: add r8, rdx */
    0x01, 0xc3,                                        /*  2f: add ebx, eax */
    0x48, 0x8b, 0x0f,                                  /*  31: mov rcx, [rdi] */
    0x9c,                                              /*  34: pushf */
    0x5a,                                              /*  35: pop rdx */
    0x81, 0xe2, 0xc5, 0x08, 0x00, 0x00,                /*  36: and edx, 0x8c5 */
    0x49, 0xc1, 0xc0, 0x05,                            /*  3c: rol r8, 0x5 */
    0x49, 0x01, 0xd0,                                  /*  40: add r8, rdx */
    0x81, 0xeb, 0x45, 0x23, 0x01, 0x00,                /*  43: sub ebx, 0x12345 */
    0x48, 0x8b, 0x0f,                                  /*  49: mov rcx, [rdi] */
    0x9c,                                              /*  4c: pushf */
    0x5a,                                              /*  4d: pop rdx */
    0x81, 0xe2, 0xc5, 0x08, 0x00, 0x00,                /*  4e: and edx, 0x8c5 */
    0x49, 0xc1, 0xc0, 0x05,                            /*  54: rol r8, 0x5 */
    0x49, 0x01, 0xd0,                                  /*  58: add r8, rdx */
    0x48, 0x83, 0xc0, 0x80,                            /*  5b: add rax, 0xffffffffffffff80 */
    0x48, 0x8b, 0x0f,                                  /*  5f: mov rcx, [rdi] */
    0x9c,                                              /*  62: pushf */
    0x5a,                                              /*  63: pop rdx */
    0x81, 0xe2, 0xc5, 0x08, 0x00, 0x00,                /*  64: and edx, 0x8c5 */
    0x49, 0xc1, 0xc0, 0x05,                            /*  6a: rol r8, 0x5 */
    0x49, 0x01, 0xd0,                                  /*  6e: add r8, rdx */
    0x38, 0xf8,                                        /*  71: cmp al, bh */
    0x48, 0x8b, 0x0f,                                  /*  73: mov rcx, [rdi] */
    0x9c,                                              /*  76: pushf */
    0x5a,                                              /*  77: pop rdx */
    0x81, 0xe2, 0xc5, 0x08, 0x00, 0x00,                /*  78: and edx, 0x8c5 */
    0x49, 0xc1, 0xc0, 0x05,                            /*  7e: rol r8, 0x5 */
    0x49, 0x01, 0xd0,                                  /*  82: add r8, rdx */
    0x48, 0x39, 0xd8,                                  /*  85: cmp rax, rbx */
    0x48, 0x8b, 0x47, 0x08,                            /*  88: mov rax, [rdi+0x8] */
    0x48, 0x8b, 0x0f,                                  /*  8c: mov rcx, [rdi] */
    0x9c,                                              /*  8f: pushf */
    0x5a,                                              /*  90: pop rdx */
    0x81, 0xe2, 0xc5, 0x08, 0x00, 0x00,                /*  91: and edx, 0x8c5 */
    0x49, 0xc1, 0xc0, 0x05,                            /*  97: rol r8, 0x5 */
    0x49, 0x01, 0xd0,                                  /*  9b: add r8, rdx */
    0xf7, 0xc3, 0x10, 0x10, 0x00, 0x00,                /*  9e: test ebx, 0x1010 */
    0x4c, 0x89, 0x47, 0x10,                            /*  a4: mov [rdi+0x10], r8 */
    0x48, 0x0f, 0x45, 0x5f, 0x08,                      /*  a8: cmovne rbx, [rdi+0x8] */
    0x21, 0xd8,                                        /*  ad: and eax, ebx */
    0x48, 0x8b, 0x0f,                                  /*  af: mov rcx, [rdi] */
    0x9c,                                              /*  b2: pushf */
    0x5a,                                              /*  b3: pop rdx */
    0x81, 0xe2, 0xc5, 0x08, 0x00, 0x00,                /*  b4: and edx, 0x8c5 */
    0x49, 0xc1, 0xc0, 0x05,                            /*  ba: rol r8, 0x5 */
    0x49, 0x01, 0xd0,                                  /*  be: add r8, rdx */
    0x48, 0x31, 0xc3,                                  /*  c1: xor rbx, rax */
    0x48, 0x87, 0x5f, 0x08,                            /*  c4: xchg [rdi+0x8], rbx */
    0x48, 0x8b, 0x0f,                                  /*  c8: mov rcx, [rdi] */
    0x9c,                                              /*  cb: pushf */
    0x5a,                                              /*  cc: pop rdx */
    0x81, 0xe2, 0xc5, 0x08, 0x00, 0x00,                /*  cd: and edx, 0x8c5 */
    0x49, 0xc1, 0xc0, 0x05,                            /*  d3: rol r8, 0x5 */
    0x49, 0x01, 0xd0,                                  /*  d7: add r8, rdx */
    0x66, 0x09, 0xd8,                                  /*  da: or ax, bx */
    0x48, 0x8b, 0x0f,                                  /*  dd: mov rcx, [rdi] */
    0x9c,                                              /*  e0: pushf */
    0x5a,                                              /*  e1: pop rdx */
    0x81, 0xe2, 0xc5, 0x08, 0x00, 0x00,                /*  e2: and edx, 0x8c5 */
    0x49, 0xc1, 0xc0, 0x05,                            /*  e8: rol r8, 0x5 */
    0x49, 0x01, 0xd0,                                  /*  ec: add r8, rdx */
    0x41, 0xb9, 0x14, 0x00, 0x00, 0x00,                /*  ef: mov r9d, 0x14 */
    0x4a, 0x8b, 0x34, 0x0f,                            /*  f5: mov rsi, [rdi+r9*1] */
    0x4c, 0x01, 0xce,                                  /*  f9: add rsi, r9 */
    0x4a, 0x89, 0x74, 0xcf, 0x40,                      /*  fc: mov [rdi+r9*8+0x40], rsi */
    0x49, 0x83, 0xe9, 0x01,                            /* 101: sub r9, 0x1 */
    0x75, 0xee,                                        /* 105: jne 0xf5 */
    0x49, 0x83, 0xd0, 0x00,                            /* 107: adc r8, 0x0 */
    0x41, 0xff, 0xca,                                  /* 10b: dec r10d */
    0x0f, 0x85, 0xf2, 0xfe, 0xff, 0xff,                /* 10e: jne 0x6 */
    0xf4,                                              /* 114: hlt */
};

static const uint8_t resumes[] = {
    0xb9, 0xc8, 0x00, 0x00, 0x00,                      /*   0: mov ecx, 0xc8 */
    0xdb, 0xe3,                                        /*   5: fninit */
    0x89, 0xc8,                                        /*   7: mov eax, ecx */
    0x51,                                              /*   9: push rcx */
    0x48, 0x89, 0x47, 0x08,                            /*   a: mov [rdi+0x8], rax */
    0x83, 0xc0, 0xf0,                                  /*   e: add eax, 0xfffffff0 */
    0xdf, 0x6f, 0x08,                                  /*  11: fild [rdi+0x8] */
    0xd8, 0xc0,                                        /*  14: fadd st, st(0) */
    0xdf, 0x7f, 0x10,                                  /*  16: fistp [rdi+0x10] */
    0x48, 0x13, 0x57, 0x10,                            /*  19: adc rdx, [rdi+0x10] */
    0x66, 0x0f, 0x6e, 0xca,                            /*  1d: movd xmm1, edx */
    0x66, 0x0f, 0xfe, 0xc1,                            /*  21: paddd xmm0, xmm1 */
    0xdf, 0x6f, 0x10,                                  /*  25: fild [rdi+0x10] */
    0xdf, 0x7f, 0x18,                                  /*  28: fistp [rdi+0x18] */
    0x66, 0x0f, 0xfe, 0xc1,                            /*  2b: paddd xmm0, xmm1 */
    0xf3, 0x0f, 0x7f, 0x47, 0x28,                      /*  2f: movdqu [rdi+0x28], xmm0 */
    0xd7,                                              /*  34: xlat ds:[rbx] */
    0x48, 0x29, 0xd3,                                  /*  35: sub rbx, rdx */
    0xac,                                              /*  38: lods al, ds:[rsi] */
    0x48, 0x1b, 0x5f, 0x18,                            /*  39: sbb rbx, [rdi+0x18] */
    0x48, 0x8d, 0x77, 0x28,                            /*  3d: lea rsi, [rdi+0x28] */
    0x59,                                              /*  41: pop rcx */
    0x48, 0x8d, 0x1f,                                  /*  42: lea rbx, [rdi] */
    0xff, 0xc9,                                        /*  45: dec ecx */
    0x75, 0xbe,                                        /*  47: jne 0x7 */
    0xf4,                                              /*  49: hlt */
};

static const uint8_t across_pages[] = {
    0x49, 0x89, 0xfa,                                  /*   0: mov r10, rdi */
    0x4c, 0x8d, 0x5c, 0x37, 0xc0,                      /*   3: lea r11, [rdi+rsi*1-0x40] */
    0xbb, 0x01, 0x00, 0x00, 0x00,                      /*   8: mov ebx, 0x1 */
    0x49, 0x8b, 0x42, 0x08,                            /*   d: mov rax, [r10+0x8] */
    0x49, 0x03, 0x02,                                  /*  11: add rax, [r10] */
    0x48, 0x01, 0xc3,                                  /*  14: add rbx, rax */
    0x49, 0x89, 0x5a, 0x0d,                            /*  17: mov [r10+0xd], rbx */
    0x41, 0x89, 0x5a, 0x15,                            /*  1b: mov [r10+0x15], ebx */
    0xf3, 0x41, 0x0f, 0x6f, 0x42, 0x03,                /*  1f: movdqu xmm0, [r10+0x3] */
    0xf3, 0x41, 0x0f, 0x7f, 0x42, 0x21,                /*  25: movdqu [r10+0x21], xmm0 */
    0x49, 0x81, 0xc2, 0xf5, 0x03, 0x00, 0x00,          /*  2b: add r10, 0x3f5 */
    0x4d, 0x39, 0xda,                                  /*  32: cmp r10, r11 */
    0x72, 0xd6,                                        /*  35: jb 0xd */
    0x4c, 0x89, 0xdc,                                  /*  37: mov rsp, r11 */
    0x48, 0x81, 0xe4, 0x00, 0xf0, 0xff, 0xff,          /*  3a: and rsp, 0xfffffffffffff000 */
    0x48, 0x83, 0xc4, 0x04,                            /*  41: add rsp, 0x4 */
    0x53,                                              /*  45: push rbx */
    0x50,                                              /*  46: push rax */
    0x41, 0x52,                                        /*  47: push r10 */
    0x59,                                              /*  49: pop rcx */
    0x5a,                                              /*  4a: pop rdx */
    0x5b,                                              /*  4b: pop rbx */
    0xf4,                                              /*  4c: hlt */
};
/* clang-format on */

/* ---- running ---- */

static void map_user_too(struct rig *r)
{
    for (uint64_t at = TABLES; at < TABLES + 0x3000; at += 8) {
        uint64_t entry;
        memcpy(&entry, r->ram.base + at, 8);
        if (entry)
            put64(r, at, entry | 4);
    }
}

static void map_small_pages(struct rig *r)
{
    const uint64_t table = TABLES + 0x3000;
    put64(r, TABLES + 0x2000 + 8 * (SMALL >> 21), table | 3);
    for (uint64_t i = 0; i < 512; i++)
        put64(r, table + 8 * i, (0x600000 + (511 - i) * PAGE_SIZE) | 3);
}

static bool open_with(struct rig *r, const struct engine_ops *ops, const uint8_t *code, size_t size)
{
    struct reason why = {""};
    if (!rig_open(r, ops, code, size))
        return false;
    map_user_too(r);
    map_small_pages(r);
    r->s.efer |= EFER_SCE;
    r->s.star = UINT64_C(0x0013000800000000);
    r->s.lstar = GATE;
    r->s.sfmask = FLAG_IF | FLAG_DF | FLAG_CF;
    r->s.kernel_gs_base = 0x1234;
    return ops->set_state(r->engine, &r->s, &why) == 0;
}

static void check_segments(const struct rig *a, const struct rig *b)
{
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        CHECK_EQ_U64(b->s.seg[i].selector, a->s.seg[i].selector);
        CHECK_EQ_U64(b->s.seg[i].base, a->s.seg[i].base);
        CHECK_EQ_U64(b->s.seg[i].limit, a->s.seg[i].limit);
        CHECK_EQ_U64(b->s.seg[i].attr, a->s.seg[i].attr);
    }
    CHECK_EQ_U64(b->s.kernel_gs_base, a->s.kernel_gs_base);
}

/* Runs a program to its HLT in pieces of `budget` instructions (0: in one), and compares after each piece. */
static void compare(const uint8_t *code, size_t size, uint64_t rdi, uint64_t rsi, uint64_t budget)
{
    struct rig a, b;
    struct reason why = {""};
    CHECK(open_with(&a, &emulate_interp, code, size) && open_with(&b, &full_bt_all, code, size));
    a.s.gpr[RDI] = b.s.gpr[RDI] = rdi;
    a.s.gpr[RSI] = b.s.gpr[RSI] = rsi;
    CHECK(!a.ops->set_state(a.engine, &a.s, &why) && !b.ops->set_state(b.engine, &b.s, &why));
    for (unsigned piece = 0; piece < 1000000 && a.exit.kind == VM_EXIT_INTERRUPTED; piece++) {
        a.ops->run(a.engine, &a.exit, budget);
        b.ops->run(b.engine, &b.exit, budget);
        a.ops->get_state(a.engine, &a.s);
        b.ops->get_state(b.engine, &b.s);
        if (memcmp(a.s.gpr, b.s.gpr, sizeof(a.s.gpr)) || a.s.rip != b.s.rip)
            break;
    }
    CHECK_EQ_U64(a.exit.kind, VM_EXIT_HLT);
    check_same(&a, &b);
    check_segments(&a, &b);
    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++)
        CHECK_EQ_U64(b.stats.exits[i].avoided, a.stats.exits[i].avoided);
    CHECK(b.stats.counter[COUNTER_BLOCKS_TRANSLATED] > 0);
    rig_close(&a);
    rig_close(&b);
}

/* ---- statements ---- */

static void test_gates(void)
{
    compare(gates, sizeof(gates), DATA, 0, 0);
    compare(gates, sizeof(gates), DATA, 0, 1001);
}

static void test_replays(void)
{
    compare(replays, sizeof(replays), DATA, 0, 0);
    compare(replays, sizeof(replays), SMALL + 0x800, 0, 0);
    compare(replays, sizeof(replays), SMALL + 0xff0, 0, 0); /* across two small pages */
    compare(replays, sizeof(replays), DATA, 0, 509);
}

static void test_resumes(void)
{
    compare(resumes, sizeof(resumes), DATA, 0, 0);
    compare(resumes, sizeof(resumes), SMALL + 0x800, 0, 0);
    compare(resumes, sizeof(resumes), SMALL + 0xfe4, 0, 0);
    compare(resumes, sizeof(resumes), DATA, 0, 499);
}

static void test_pages(void)
{
    compare(across_pages, sizeof(across_pages), SMALL, 100 * PAGE_SIZE, 0);
    compare(across_pages, sizeof(across_pages), DATA - 8 * PAGE_SIZE, 100 * PAGE_SIZE, 0);
    /* From the span into small pages. */
    compare(across_pages, sizeof(across_pages), SMALL - 20 * PAGE_SIZE, 40 * PAGE_SIZE, 0);
    /* Over frames that hold code: its guards let no store through unseen. */
    compare(across_pages, sizeof(across_pages), CODE + PAGE_SIZE, 10 * PAGE_SIZE, 0);
}

/* Stores to a page that holds code: never without the interpreter. The block is soon translated anew. */
static void test_odd(void)
{
    static const uint8_t code[] = {
        0xb9, 0x2c, 0x01, 0x00, 0x00, /* 0: mov ecx, 0x12c */
        0x48, 0x01, 0x0f,             /* 5: add [rdi], rcx */
        0x48, 0x8b, 0x04, 0x4f,       /* 8: mov rax, [rdi+rcx*2] */
        0x48, 0x01, 0xc3,             /* c: add rbx, rax */
        0x48, 0x89, 0x5c, 0x4f, 0x10, /* f: mov [rdi+rcx*2+0x10], rbx */
        0x48, 0x39, 0xc3,             /* 14: cmp rbx, rax */
        0x48, 0x83, 0xd2, 0x00,       /* 17: adc rdx, 0x0 */
        0x83, 0xe9, 0x01,             /* 1b: sub ecx, 0x1 */
        0x75, 0xe5,                   /* 1e: jne 0x5 */
        0xf4,                         /* 20: hlt */
    };
    struct rig r;
    compare(code, sizeof(code), CODE + 0x400, 0, 0);
    compare(code, sizeof(code), CODE + 0x400, 0, 701);
    CHECK(open_with(&r, &full_bt_all, code, sizeof(code)));
    struct reason why = {""};
    r.s.gpr[RDI] = CODE + 0x400;
    CHECK(!r.ops->set_state(r.engine, &r.s, &why) && rig_run(&r, 0));
    struct block_cache *blocks = ((struct cpu *)r.engine)->blocks;
    unsigned odd = 0;
    for (struct block *b = blocks->page[CODE >> PAGE_SHIFT].blocks; b; b = b->page_next)
        for (unsigned i = 0; i < b->count; i++)
            odd += !!(b->insn[i + 1].flags & INSN_ODD);
    CHECK(odd > 0);
    rig_close(&r);
}

/* A store across 2 GiB, where two neighbours share a slot of the software TLB. */
static void test_two_gib(void)
{
    static const uint8_t code[] = {
        0x48, 0x8b, 0x46, 0x10, /* mov rax, [rsi + 16] */
        0x48, 0x89, 0x37,       /* mov [rdi], rsi */
        0x48, 0x8b, 0x1f,       /* mov rbx, [rdi] */
        0xf4,                   /* hlt */
    };
    const struct engine_ops *engines[] = {&emulate_interp, &full_bt_all};
    for (unsigned i = 0; i < ARRAY_SIZE(engines); i++) {
        struct rig r;
        struct reason why = {""};
        const uint64_t end = UINT64_C(0x80000000), low = TABLES + 0x4000, high = TABLES + 0x5000;
        CHECK(open_with(&r, engines[i], code, sizeof(code)));
        put64(&r, TABLES + 0x1000 + 8, low | 3);
        put64(&r, TABLES + 0x1000 + 16, high | 3);
        put64(&r, low + 8 * 511, 0x400083);
        put64(&r, high, 0x400083); /* the same 2 MiB: its end and its beginning meet */
        const uint64_t value = end + 0xf21;
        r.s.gpr[RSI] = value;
        r.s.gpr[RDI] = end - 3;
        CHECK(!r.ops->set_state(r.engine, &r.s, &why) && rig_run(&r, 0));
        CHECK_EQ_U64(r.s.gpr[RBX], value);
        CHECK_EQ_U64(r.ram.base[0x5ffffd], value & 0xff);
        CHECK_EQ_U64(r.ram.base[0x400000], value >> 24);
        CHECK_EQ_U64(r.ram.base[0x3ffffd], 0); /* the frame in front of the second page's is none of its business */
        rig_close(&r);
    }
}

/* ---- an instruction across two pages, of which the second is mapped anew ---- */

/* clang-format off */
static const uint8_t crossing[] = {
    0x01, 0xc6,                                        /* ff0: add esi, eax */
    0x48, 0xd1, 0xc6,                                  /* ff2: rol rsi, 1 */
    0xf7, 0xc1, 0x7f, 0x00, 0x00, 0x00,                /* ff5: test ecx, 0x7f */
    0x90,                                              /* ffb: nop */
    0x90,                                              /* ffc: nop */
    0xb8, 0x04, 0x03, 0x02, 0x01,                      /* ffd: mov eax, 0x1020304 */
    0x75, 0x07,                                        /* 1002: jne 0x100b */
    0x4c, 0x87, 0x03,                                  /* 1004: xchg [rbx], r8 */
    0x41, 0x0f, 0x01, 0x39,                            /* 1007: invlpg [r9] */
    0xff, 0xc9,                                        /* 100b: dec ecx */
    0x75, 0xe1,                                        /* 100d: jne 0xff0 */
    0xf4,                                              /* 100f: hlt */
};
/* clang-format on */

#define FRAME(n) (UINT64_C(0x600000) + (511 - (n)) * PAGE_SIZE) /* of page n at SMALL */

static bool open_crossing(struct rig *r, const struct engine_ops *ops)
{
    struct reason why = {""};
    const uint64_t other = DATA + 16 * PAGE_SIZE;
    if (!open_with(r, ops, crossing, sizeof(crossing)))
        return false;
    memcpy(r->ram.base + FRAME(0) + 0xff0, crossing, 16);
    memcpy(r->ram.base + FRAME(1), crossing + 16, sizeof(crossing) - 16);
    memcpy(r->ram.base + other, crossing + 16, sizeof(crossing) - 16);
    r->ram.base[other] = 0x55; /* of the constant */
    r->s.rip = SMALL + 0xff0;
    r->s.gpr[RCX] = 3000;
    r->s.gpr[RBX] = TABLES + 0x3000 + 8;
    r->s.gpr[R8] = other | 3;
    r->s.gpr[R9] = SMALL + PAGE_SIZE;
    return ops->set_state(r->engine, &r->s, &why) == 0;
}

static void test_crossing(void)
{
    struct rig a, b;
    CHECK(open_crossing(&a, &emulate_interp) && open_crossing(&b, &full_bt_all));
    CHECK(rig_run(&a, 0) && rig_run(&b, 0));
    CHECK_EQ_U64(a.exit.kind, VM_EXIT_HLT);
    check_same(&a, &b);
    unsigned native = 0; /* crossing blocks that have native code */
    struct cpu *cpu = (struct cpu *)b.engine;
    for (struct block *block = cpu->blocks->page[FRAME(0) >> PAGE_SHIFT].blocks; block; block = block->page_next)
        native += block->crossing && !block->dead && block->native != cpu->translator->cold;
    CHECK_EQ_U64(native, 1);
    rig_close(&a);
    rig_close(&b);
}

int main(void)
{
    static const struct vltest tests[] = {
        {"SYSCALL, SYSRET, SWAPGS and control registers, as interpreted", test_gates},
        {"flags that are made again", test_replays},
        {"native code goes on behind what was interpreted", test_resumes},
        {"small pages, the span, and across both", test_pages},
        {"instructions whose probes are in vain are translated anew", test_odd},
        {"an access across 2 GiB reaches both pages", test_two_gib},
        {"an instruction across two pages, of which one is mapped anew", test_crossing},
    };
    return vltest_run("bt_system", tests, ARRAY_SIZE(tests));
}
