/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_bt_trace.c - traces: blocks translated as one. What may go wrong in them is all that a block's border used to
 * settle: code that changes under them, faults and interrupts in their midst, instructions counted, registers that have
 * changed places, a stack pointer that lags. Each program is run by full/bt:all, which makes traces of it at once, and
 * by emulate/interp, in one piece and in many.
 *
 * Read before: test_bt.c.
 */
#include "bt_rig.h"

#define GDT      UINT64_C(0x9000)
#define IDT      UINT64_C(0xa000)
#define HANDLER  (CODE + 0x100)
#define VECTOR   0x40
#define UNMAPPED UINT64_C(0x30000000)

/* clang-format off */
static const uint8_t patched[] = {
    0xb9, 0x20, 0x4e, 0x00, 0x00,                      /*   0: mov ecx, 0x4e20 */
    0x01, 0xcb,                                        /*   5: add ebx, ecx */
    0xf7, 0xc1, 0x03, 0x00, 0x00, 0x00,                /*   7: test ecx, 0x3 */
    0x74, 0x04,                                        /*   d: je 0x13 */
    0x48, 0x8d, 0x14, 0x1a,                            /*   f: lea rdx, [rdx+rbx*1] */
    0x05, 0x04, 0x03, 0x02, 0x01,                      /*  13: add eax, 0x1020304 */
    0xf7, 0xc1, 0xff, 0x0f, 0x00, 0x00,                /*  18: test ecx, 0xfff */
    0x75, 0x06,                                        /*  1e: jne 0x26 */
    0xff, 0x05, 0xee, 0xff, 0xff, 0xff,                /*  20: inc dword [rip+0xffffffffffffffee] */
    0xff, 0xc9,                                        /*  26: dec ecx */
    0x75, 0xdb,                                        /*  28: jne 0x5 */
    0xf4,                                              /*  2a: hlt */
};

static const uint8_t registers[] = {
    0x41, 0xba, 0x2c, 0x01, 0x00, 0x00,                /*   0: mov r10d, 0x12c */
    0x41, 0xb9, 0xc8, 0x00, 0x00, 0x00,                /*   6: mov r9d, 0xc8 */
    0x4d, 0x89, 0xd6,                                  /*   c: mov r14, r10 */
    0x45, 0x31, 0xff,                                  /*   f: xor r15d, r15d */
    0x4a, 0x8b, 0x04, 0xf7,                            /*  12: mov rax, [rdi+r14*8] */
    0x49, 0x01, 0xc7,                                  /*  16: add r15, rax */
    0x49, 0xc1, 0xc7, 0x07,                            /*  19: rol r15, 0x7 */
    0x4d, 0x31, 0xfd,                                  /*  1d: xor r13, r15 */
    0x4e, 0x89, 0x6c, 0xf7, 0x08,                      /*  20: mov [rdi+r14*8+0x8], r13 */
    0x41, 0x80, 0xc6, 0x03,                            /*  25: add r14b, 0x3 */
    0x45, 0x0f, 0xb6, 0xf6,                            /*  29: movzx r14d, r14b */
    0x45, 0x38, 0xef,                                  /*  2d: cmp r15b, r13b */
    0x72, 0x04,                                        /*  30: jb 0x36 */
    0x49, 0x83, 0xd5, 0x05,                            /*  32: adc r13, 0x5 */
    0x41, 0x83, 0xe9, 0x01,                            /*  36: sub r9d, 0x1 */
    0x75, 0xd6,                                        /*  3a: jne 0x12 */
    0x41, 0x55,                                        /*  3c: push r13 */
    0x41, 0x56,                                        /*  3e: push r14 */
    0x41, 0x5c,                                        /*  40: pop r12 */
    0x5b,                                              /*  42: pop rbx */
    0x49, 0x01, 0xdb,                                  /*  43: add r11, rbx */
    0x41, 0x83, 0xea, 0x01,                            /*  46: sub r10d, 0x1 */
    0x75, 0xba,                                        /*  4a: jne 0x6 */
    0xf4,                                              /*  4c: hlt */
};

static const uint8_t stack[] = {
    0xb9, 0xb8, 0x0b, 0x00, 0x00,                      /*   0: mov ecx, 0xbb8 */
    0x51,                                              /*   5: push rcx */
    0x48, 0x83, 0xec, 0x18,                            /*   6: sub rsp, 0x18 */
    0x48, 0x89, 0x4c, 0x24, 0x08,                      /*   a: mov [rsp+0x8], rcx */
    0xe8, 0x2c, 0x00, 0x00, 0x00,                      /*   f: call 40 */
    0x48, 0x83, 0xc4, 0x10,                            /*  14: add rsp, 0x10 */
    0x72, 0x25,                                        /*  18: jb 3f */
    0x48, 0x8b, 0x54, 0x24, 0xf8,                      /*  1a: mov rdx, [rsp-0x8] */
    0x48, 0x8d, 0x64, 0x24, 0x08,                      /*  1f: lea rsp, [rsp+0x8] */
    0x9c,                                              /*  24: pushf */
    0x41, 0x59,                                        /*  25: pop r9 */
    0x41, 0x81, 0xe1, 0xc5, 0x08, 0x00, 0x00,          /*  27: and r9d, 0x8c5 */
    0x4d, 0x01, 0xcb,                                  /*  2e: add r11, r9 */
    0x59,                                              /*  31: pop rcx */
    0x48, 0x01, 0xd3,                                  /*  32: add rbx, rdx */
    0x49, 0x89, 0xe0,                                  /*  35: mov r8, rsp */
    0x4c, 0x31, 0xc3,                                  /*  38: xor rbx, r8 */
    0xff, 0xc9,                                        /*  3b: dec ecx */
    0x75, 0xc6,                                        /*  3d: jne 5 */
    0xf4,                                              /*  3f: hlt */
    0x53,                                              /*  40: push rbx */
    0x55,                                              /*  41: push rbp */
    0x48, 0x89, 0xe5,                                  /*  42: mov rbp, rsp */
    0xf7, 0xc1, 0x01, 0x00, 0x00, 0x00,                /*  45: test ecx, 0x1 */
    0x74, 0x0c,                                        /*  4b: je 59 */
    0x50,                                              /*  4d: push rax */
    0xff, 0x74, 0x24, 0x18,                            /*  4e: push [rsp+0x18] */
    0x58,                                              /*  52: pop rax */
    0x5e,                                              /*  53: pop rsi */
    0x48, 0x01, 0xf0,                                  /*  54: add rax, rsi */
    0xeb, 0x16,                                        /*  57: jmp 6f */
    0x48, 0x83, 0xec, 0x40,                            /*  59: sub rsp, 0x40 */
    0x48, 0x89, 0x44, 0x24, 0x28,                      /*  5d: mov [rsp+0x28], rax */
    0x48, 0x03, 0x44, 0x24, 0x28,                      /*  62: add rax, [rsp+0x28] */
    0x48, 0x83, 0xc4, 0x40,                            /*  67: add rsp, 0x40 */
    0x48, 0x83, 0xd0, 0x01,                            /*  6b: adc rax, 0x1 */
    0x5d,                                              /*  6f: pop rbp */
    0x5b,                                              /*  70: pop rbx */
    0xc2, 0x00, 0x00,                                  /*  71: ret 0x0 */
};

static const uint8_t faulting[] = {
    0x41, 0xbc, 0x70, 0x17, 0x00, 0x00,                /*   0: mov r12d, 0x1770 */
    0x44, 0x89, 0xe0,                                  /*   6: mov eax, r12d */
    0x83, 0xe0, 0x3f,                                  /*   9: and eax, 0x3f */
    0x4c, 0x8d, 0x14, 0xc7,                            /*   c: lea r10, [rdi+rax*8] */
    0x83, 0xf8, 0x20,                                  /*  10: cmp eax, 0x20 */
    0x75, 0x03,                                        /*  13: jne 0x18 */
    0x49, 0x89, 0xf2,                                  /*  15: mov r10, rsi */
    0x41, 0x54,                                        /*  18: push r12 */
    0x39, 0xd8,                                        /*  1a: cmp eax, ebx */
    0x49, 0x8b, 0x12,                                  /*  1c: mov rdx, [r10] */
    0x90,                                              /*  1f: nop */
    0x48, 0x11, 0xd3,                                  /*  20: adc rbx, rdx */
    0x41, 0x5d,                                        /*  23: pop r13 */
    0x4d, 0x01, 0xeb,                                  /*  25: add r11, r13 */
    0x41, 0x83, 0xec, 0x01,                            /*  28: sub r12d, 0x1 */
    0x75, 0xd8,                                        /*  2c: jne 0x6 */
    0xf4,                                              /*  2e: hlt */
};

static const uint8_t fault_handler[] = {
    0x4c, 0x8b, 0x4c, 0x24, 0x18,                      /* 100: mov r9, [rsp+0x18] */
    0x41, 0x81, 0xe1, 0xc5, 0x08, 0x00, 0x00,          /* 105: and r9d, 0x8c5 */
    0x49, 0xc1, 0xc8, 0x05,                            /* 10c: ror r8, 0x5 */
    0x4d, 0x01, 0xc8,                                  /* 110: add r8, r9 */
    0x4c, 0x03, 0x44, 0x24, 0x08,                      /* 113: add r8, [rsp+0x8] */
    0x4c, 0x03, 0x44, 0x24, 0x20,                      /* 118: add r8, [rsp+0x20] */
    0x4d, 0x01, 0xe8,                                  /* 11d: add r8, r13 */
    0x4d, 0x01, 0xd8,                                  /* 120: add r8, r11 */
    0x48, 0x83, 0x44, 0x24, 0x08, 0x03,                /* 123: add [rsp+0x8], 0x3 */
    0x48, 0x83, 0xc4, 0x08,                            /* 129: add rsp, 0x8 */
    0xba, 0x07, 0x00, 0x00, 0x00,                      /* 12d: mov edx, 0x7 */
    0x48, 0xcf,                                        /* 132: iretq */
};

static const uint8_t first_page[] = {
    0xb9, 0x20, 0x4e, 0x00, 0x00,                      /*   0: mov ecx, 0x4e20 */
    0xe9, 0xe6, 0x0f, 0x00, 0x00,                      /*   5: jmp 0xff0 */
};

static const uint8_t page_end[] = {
    0x01, 0xcb,                                        /* ff0: add ebx, ecx */
    0xf7, 0xc1, 0xff, 0x07, 0x00, 0x00,                /* ff2: test ecx, 0x7ff */
    0x75, 0x0a,                                        /* ff8: jne 0x1004 */
    0xeb, 0x16,                                        /* ffa: jmp 0x1012 */
};

static const uint8_t second_page[] = {
    0x05, 0x44, 0x33, 0x22, 0x11,                      /* 1004: add eax, 0x11223344 */
    0x48, 0x8d, 0x14, 0x42,                            /* 1009: lea rdx, [rdx+rax*2] */
    0xff, 0xc9,                                        /* 100d: dec ecx */
    0x75, 0xdf,                                        /* 100f: jne 0xff0 */
    0xf4,                                              /* 1011: hlt */
    0xff, 0x05, 0xed, 0xff, 0xff, 0xff,                /* 1012: inc dword [rip+0xffffffffffffffed] */
    0xeb, 0xea,                                        /* 1018: jmp 0x1004 */
};

static const uint8_t interrupted[] = {
    0xfb,                                              /*   0: sti */
    0x41, 0xb9, 0x64, 0x00, 0x00, 0x00,                /*   1: mov r9d, 0x64 */
    0x4d, 0x01, 0xcd,                                  /*   7: add r13, r9 */
    0x41, 0xf6, 0xc5, 0x01,                            /*   a: test r13b, 0x1 */
    0x74, 0x03,                                        /*   e: je 0x13 */
    0x4d, 0x31, 0xee,                                  /*  10: xor r14, r13 */
    0x49, 0xc1, 0xc6, 0x03,                            /*  13: rol r14, 0x3 */
    0x41, 0x83, 0xe9, 0x01,                            /*  17: sub r9d, 0x1 */
    0x75, 0xea,                                        /*  1b: jne 0x7 */
    0x4d, 0x01, 0xf7,                                  /*  1d: add r15, r14 */
    0x41, 0x83, 0xea, 0x01,                            /*  20: sub r10d, 0x1 */
    0x75, 0xdb,                                        /*  24: jne 0x1 */
    0xfa,                                              /*  26: cli */
    0xf4,                                              /*  27: hlt */
};

static const uint8_t interrupt_handler[] = {
    0x49, 0xc1, 0xc8, 0x05,                            /* 100: ror r8, 0x5 */
    0x4c, 0x03, 0x04, 0x24,                            /* 104: add r8, [rsp] */
    0x4c, 0x03, 0x44, 0x24, 0x18,                      /* 108: add r8, [rsp+0x18] */
    0x4c, 0x8b, 0x5c, 0x24, 0x10,                      /* 10d: mov r11, [rsp+0x10] */
    0x41, 0x81, 0xe3, 0xc5, 0x08, 0x00, 0x00,          /* 112: and r11d, 0x8c5 */
    0x4d, 0x01, 0xd8,                                  /* 119: add r8, r11 */
    0x4d, 0x01, 0xf0,                                  /* 11c: add r8, r14 */
    0x49, 0xff, 0xc4,                                  /* 11f: inc r12 */
    0x48, 0xcf,                                        /* 122: iretq */
};


static const uint8_t two_spans[] = {
    0xb9, 0xb8, 0x0b, 0x00, 0x00,                      /*   0: mov ecx, 0xbb8 */
    0x51,                                              /*   5: push rcx */
    0x58,                                              /*   6: pop rax */
    0x48, 0x01, 0xc3,                                  /*   7: add rbx, rax */
    0x48, 0x89, 0x5c, 0xcf, 0x08,                      /*   a: mov [rdi+rcx*8+0x8], rbx */
    0x81, 0xf9, 0xe8, 0x03, 0x00, 0x00,                /*   f: cmp ecx, 0x3e8 */
    0x75, 0x07,                                        /*  15: jne 0x1e */
    0x48, 0x89, 0x1e,                                  /*  17: mov [rsi], rbx */
    0x48, 0x03, 0x5e, 0x08,                            /*  1a: add rbx, [rsi+0x8] */
    0xff, 0xc9,                                        /*  1e: dec ecx */
    0x75, 0xe3,                                        /*  20: jne 0x5 */
    0xf4,                                              /*  22: hlt */
};
/* clang-format on */

struct piece {
    uint64_t at; /* from CODE on */
    const uint8_t *bytes;
    size_t size;
};
#define PIECE(at, bytes)         \
    {                            \
        at, bytes, sizeof(bytes) \
    }

struct program {
    struct piece piece[3];
    uint64_t r10, rsp;
    bool two_spans;  /* a larger one at ALIAS, seen late */
    bool no_trace;   /* can be made of it */
    bool interrupts; /* one between any two pieces, as soon as it can be taken */
};

static void set_gate(struct rig *r, unsigned vector)
{
    put64(r, IDT + 16 * vector, (HANDLER & 0xffff) | 8 << 16 | UINT64_C(0x8e00) << 32 | (HANDLER >> 16) << 48);
    put64(r, IDT + 16 * vector + 8, HANDLER >> 32);
}

/* A span grows over large pages that were written: at 0 one at a time, at ALIAS all four. */
static void map_two_spans(struct rig *r)
{
    const uint64_t other = TABLES + 0x4000;
    put64(r, TABLES + 0x1000 + 8 * (ALIAS >> 30), other | 3);
    for (uint64_t i = 0; i < 4; i++)
        put64(r, other + 8 * i, i << 21 | 0xe3); /* accessed and dirty */
    r->s.gpr[RSI] = ALIAS + DATA;
}

static bool open_program(struct rig *r, const struct engine_ops *ops, const struct program *p)
{
    struct reason why = {""};
    if (!rig_open(r, ops, p->piece[0].bytes, p->piece[0].size))
        return false;
    for (unsigned i = 1; i < ARRAY_SIZE(p->piece); i++)
        if (p->piece[i].size)
            memcpy(r->ram.base + CODE + p->piece[i].at, p->piece[i].bytes, p->piece[i].size);
    for (unsigned i = 0; i < 512; i++) /* something to compute with */
        put64(r, DATA + 8 * i, (i + 1) * UINT64_C(0x9e3779b97f4a7c15));
    put64(r, GDT + 8, UINT64_C(0x00af9b000000ffff));
    set_gate(r, VEC_PF);
    set_gate(r, VECTOR);
    r->s.gdtr = (struct table_reg){.base = GDT, .limit = 15};
    r->s.idtr = (struct table_reg){.base = IDT, .limit = 0xfff};
    r->s.gpr[RSI] = UNMAPPED;
    if (p->two_spans)
        map_two_spans(r);
    r->s.gpr[R10] = p->r10;
    r->s.gpr[RSP] = p->rsp ? p->rsp : STACK;
    return ops->set_state(r->engine, &r->s, &why) == 0;
}

static void run_piece(struct rig *r, const struct program *p, uint64_t budget)
{
    if (p->interrupts && r->ops->can_inject(r->engine))
        r->ops->inject(r->engine, VECTOR);
    r->ops->run(r->engine, &r->exit, budget);
    r->ops->get_state(r->engine, &r->s);
}

/* To the HLT in pieces of `budget` instructions (0: in one), the same after each of them. */
static void compare(const struct program *p, uint64_t budget)
{
    struct rig a, b;
    vltest_row("pieces of %u", (unsigned)budget);
    CHECK(open_program(&a, &emulate_interp, p) && open_program(&b, &full_bt_all, p));
    do {
        run_piece(&a, p, budget);
        run_piece(&b, p, budget);
        if (memcmp(a.s.gpr, b.s.gpr, sizeof(a.s.gpr)) || a.s.rip != b.s.rip ||
            ((a.s.rflags ^ b.s.rflags) & ~(uint64_t)FLAG_AF))
            break;
    } while (a.exit.kind == VM_EXIT_INTERRUPTED && a.stats.counter[COUNTER_INSTRUCTIONS] < 100000000);
    CHECK_EQ_U64(a.exit.kind, VM_EXIT_HLT);
    check_same(&a, &b);
    CHECK(p->no_trace || b.stats.counter[COUNTER_TRACES] > 0);
    rig_close(&a);
    rig_close(&b);
    vltest_row("%s", "");
}

static void compare_in_pieces(const struct program *p)
{
    static const uint64_t budgets[] = {0, 163, 263, 997, 5003};
    for (unsigned i = p->interrupts; i < ARRAY_SIZE(budgets); i++)
        compare(p, budgets[i]);
}

/* ---- statements ---- */

static void test_patched(void)
{
    static const struct program one_page = {.piece = {PIECE(0, patched)}};
    static const struct program across = {
        .piece = {PIECE(0, first_page), PIECE(0xff0, page_end), PIECE(0x1004, second_page)}, .no_trace = true};
    compare_in_pieces(&one_page);
    compare_in_pieces(&across);
}

static void test_registers(void)
{
    static const struct program p = {.piece = {PIECE(0, registers)}};
    compare_in_pieces(&p);
}

static void test_stack(void)
{
    static const struct program p = {.piece = {PIECE(0, stack)}};
    static const struct program across_pages = {.piece = {PIECE(0, stack)}, .rsp = DATA + 4 * PAGE_SIZE + 40};
    static const struct program over_code = {.piece = {PIECE(0, stack)}, .rsp = CODE + 0x400, .no_trace = true};
    compare_in_pieces(&p);
    compare_in_pieces(&across_pages);
    compare(&over_code, 0); /* every store is watched */
}

static void test_faults(void)
{
    static const struct program p = {.piece = {PIECE(0, faulting), PIECE(0x100, fault_handler)}};
    compare_in_pieces(&p);
}

static void test_two_spans(void)
{
    static const struct program p = {.piece = {PIECE(0, two_spans)}, .rsp = DATA + 0x80000, .two_spans = true};
    compare_in_pieces(&p);
}

static void test_interrupts(void)
{
    static const struct program p = {
        .piece = {PIECE(0, interrupted), PIECE(0x100, interrupt_handler)}, .r10 = 500, .interrupts = true};
    compare_in_pieces(&p);
}

int main(void)
{
    static const struct vltest tests[] = {
        {"a loop that rewrites a block of its own trace, in its page and in the next", test_patched},
        {"R13 to R15 in the places of registers that a loop doesn't use", test_registers},
        {"pushes, pops and calls in a trace, whose stack pointer lags", test_stack},
        {"a page fault in the midst of a trace finds flags and registers as they are", test_faults},
        {"so does an interrupt", test_interrupts},
        {"a larger span is found while stores go to the one known", test_two_spans},
    };
    return vltest_run("bt_trace", tests, ARRAY_SIZE(tests));
}
