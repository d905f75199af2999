/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_cases.c - the integer instructions, a row for each form. oracle.h says what the operand codes mean; what makes
 * an input meaningful (a count, a dividend, a branch target) is arranged by the functions of oracle_arrange.c.
 *
 * Read next: oracle_encode.c.
 */
#include "oracle_arrange.h"

#define M(name)     ZYDIS_MNEMONIC_##name
#define GROUP(name) const struct oracle_group oracle_##name = {#name, name##_rows, ARRAY_SIZE(name##_rows)}

/* X(condition) for the sixteen, in the order of their encoding. */
#define CONDITIONS(X) X(O) X(NO) X(B) X(NB) X(Z) X(NZ) X(BE) X(NBE) X(S) X(NS) X(P) X(NP) X(L) X(NL) X(LE) X(NLE)

/* ---- two operands, the ALU's ---- */

/* `lock` is ROW_LOCK when the first operand is written. */
#define ALU(name, lock)                                                                              \
    {M(name), "Eb,Gb", lock, NULL}, {M(name), "Ev,Gv", lock, NULL}, {M(name), "Gb,Eb", 0, NULL},     \
        {M(name), "Gv,Ev", 0, NULL}, {M(name), "Eb,Ib", lock, NULL}, {M(name), "Ev,Iz", lock, NULL}, \
        {M(name), "Ev,Is", lock, NULL}, {M(name), "Ab,Ib", 0, NULL},                                 \
    {                                                                                                \
        M(name), "Av,Iz", 0, NULL                                                                    \
    }

#define ONE(name, lock)           \
    {M(name), "Eb", lock, NULL},  \
    {                             \
        M(name), "Ev", lock, NULL \
    }

static const struct oracle_row arithmetic_rows[] = {
    ALU(ADD, ROW_LOCK), ALU(ADC, ROW_LOCK), ALU(SUB, ROW_LOCK), ALU(SBB, ROW_LOCK),
    ALU(CMP, 0),        ONE(INC, ROW_LOCK), ONE(DEC, ROW_LOCK), ONE(NEG, ROW_LOCK),
};
GROUP(arithmetic);

static const struct oracle_row logic_rows[] = {
    ALU(AND, ROW_LOCK),          ALU(OR, ROW_LOCK),           ALU(XOR, ROW_LOCK),          ONE(NOT, ROW_LOCK),
    {M(TEST), "Eb,Gb", 0, NULL}, {M(TEST), "Ev,Gv", 0, NULL}, {M(TEST), "Eb,Ib", 0, NULL}, {M(TEST), "Ev,Iz", 0, NULL},
    {M(TEST), "Ab,Ib", 0, NULL}, {M(TEST), "Av,Iz", 0, NULL},
};
GROUP(logic);

static const struct oracle_row multiply_rows[] = {
    ONE(MUL, 0),
    ONE(IMUL, 0),
    {M(IMUL), "Gv,Ev", 0, NULL},
    {M(IMUL), "Gv,Ev,Iz", 0, NULL},
    {M(IMUL), "Gv,Ev,Is", 0, NULL},
    {M(DIV), "Eb", 0, arrange_dividend},
    {M(DIV), "Ev", 0, arrange_dividend},
    {M(IDIV), "Eb", 0, arrange_dividend},
    {M(IDIV), "Ev", 0, arrange_dividend},
};
GROUP(multiply);

/* ---- shifts, bits ---- */

#define SHIFT(name)                                                                                                   \
    {M(name), "Eb,1", 0, NULL}, {M(name), "Ev,1", 0, NULL}, {M(name), "Eb,Ib", 0, NULL}, {M(name), "Ev,Ib", 0, NULL}, \
        {M(name), "Eb,CL", 0, arrange_count},                                                                         \
    {                                                                                                                 \
        M(name), "Ev,CL", 0, arrange_count                                                                            \
    }
#define DOUBLE_SHIFT(name)                    \
    {M(name), "Ev,Gv,Ib", 0, NULL},           \
    {                                         \
        M(name), "Ev,Gv,CL", 0, arrange_count \
    }

static const struct oracle_row shift_rows[] = {
    SHIFT(SHL), SHIFT(SHR), SHIFT(SAR),         SHIFT(ROL),         SHIFT(ROR),
    SHIFT(RCL), SHIFT(RCR), DOUBLE_SHIFT(SHLD), DOUBLE_SHIFT(SHRD),
};
GROUP(shift);

#define BIT(name, lock)                                          \
    {M(name), "Ev,Gv", lock | ROW_FAR_BITS, arrange_bit_offset}, \
    {                                                            \
        M(name), "Ev,Ib", lock, NULL                             \
    }

static const struct oracle_row bit_rows[] = {
    BIT(BT, 0),
    BIT(BTS, ROW_LOCK),
    BIT(BTR, ROW_LOCK),
    BIT(BTC, ROW_LOCK),
    {M(BSF), "Gv,Ev", 0, NULL},
    {M(BSR), "Gv,Ev", 0, NULL},
    {M(POPCNT), "Gv,Ev", 0, NULL},
    {M(BSWAP), "Ry", 0, NULL},
};
GROUP(bit);

static const struct oracle_row condition_rows[] = {
#define X(cc) {M(SET##cc), "Eb", 0, NULL},
    CONDITIONS(X)
#undef X
#define X(cc) {M(CMOV##cc), "Gv,Ev", 0, NULL},
        CONDITIONS(X)
#undef X
};
GROUP(condition);

/* ---- moves, addresses, exchanges ---- */

static const struct oracle_row move_rows[] = {
    {M(MOV), "Eb,Gb", 0, NULL},
    {M(MOV), "Ev,Gv", 0, NULL},
    {M(MOV), "Gb,Eb", 0, NULL},
    {M(MOV), "Gv,Ev", 0, NULL},
    {M(MOV), "Eb,Ib", 0, NULL},
    {M(MOV), "Ev,Iz", 0, NULL},
    {M(MOV), "Rq,Iq", 0, NULL},
    {M(MOV), "=a0 f8 1f 00 20 00 00 00 00", 0, NULL}, /* mov al, [moffs] */
    {M(MOV), "=66 a1 fe 2f 00 20 00 00 00 00", 0, NULL},
    {M(MOV), "=a1 fd 1f 00 20 00 00 00 00", 0, NULL},
    {M(MOV), "=48 a1 fa 1f 00 20 00 00 00 00", 0, NULL},
    {M(MOV), "=48 a1 fa 1f 00 20 00 00 00 80", ROW_ALONE, NULL}, /* not canonical */
    {M(MOV), "=67 a1 fd 1f 00 20", 0, NULL},
    {M(MOV), "=a2 00 10 00 20 00 00 00 00", 0, NULL},
    {M(MOV), "=48 a3 fa 1f 00 20 00 00 00 00", 0, NULL},
    {M(MOV), "=a3 fd 2f 00 20 00 00 00 00", ROW_ALONE, NULL}, /* across the end of the data */
    {M(MOV), "=8c c8", ROW_ALONE, NULL},                      /* mov eax, cs */
    {M(MOV), "=48 8c d0", ROW_ALONE, NULL},                   /* mov rax, ss */
    {M(MOV), "=66 8c db", ROW_ALONE, NULL},                   /* mov bx, ds */
    {M(MOV), "=8c 14 25 f7 1f 00 20", ROW_ALONE, NULL},
    {M(MOVZX), "Gv,Eb", 0, NULL},
    {M(MOVZX), "Gv,Ew", 0, NULL},
    {M(MOVSX), "Gv,Eb", 0, NULL},
    {M(MOVSX), "Gv,Ew", 0, NULL},
    {M(MOVSXD), "Gq,Ed", 0, NULL},
    {M(MOVSXD), "Gd,Ed", 0, NULL},
    {M(MOVNTI), "My,Gy", 0, NULL},
    {M(CBW), "", 0, NULL},
    {M(CWDE), "", 0, NULL},
    {M(CDQE), "", 0, NULL},
    {M(CWD), "", 0, NULL},
    {M(CDQ), "", 0, NULL},
    {M(CQO), "", 0, NULL},
    {M(XLAT), "", ROW_ALONE, arrange_table},
    {M(NOP), "", 0, NULL},
    {M(NOP), "Ev", 0, NULL},
    {M(PAUSE), "", 0, NULL},
    {M(NOP), "=66 90", 0, NULL},
    {M(PREFETCHT0), "Mb", 0, NULL},
    {M(PREFETCHNTA), "Mb", 0, NULL},
    {M(LFENCE), "", 0, NULL},
    {M(MFENCE), "", 0, NULL},
    {M(SFENCE), "", 0, NULL},
};
GROUP(move);

static const struct oracle_row address_rows[] = {
    {M(LEA), "Gv,Mn", 0, NULL},
    {M(LEA), "=67 8d 84 8b 78 56 34 92", 0, NULL},    /* lea eax, [ebx + ecx*4 - ...] */
    {M(LEA), "=67 48 8d 84 8b 78 56 34 92", 0, NULL}, /* lea rax, ...: zero-extended */
    {M(LEA), "=67 66 8d 44 24 7f", 0, NULL},
    {M(LEA), "=48 8d 05 00 00 00 80", 0, NULL},    /* RIP-relative, backwards */
    {M(LEA), "=67 48 8d 05 00 00 00 80", 0, NULL}, /* EIP-relative */
    {M(LEA), "=48 8d 04 25 00 00 00 80", 0, NULL}, /* an absolute address is sign-extended */
    {M(LEA), "=48 8d 04 65 00 00 00 80", 0, NULL}, /* index 4 is none, whatever the scale */
    {M(LEA), "=4a 8d 04 e5 00 00 00 80", 0, NULL}, /* but R12 is one */
    {M(LEA), "=49 8d 45 00", 0, NULL},             /* R13 and R12 as bases need a displacement and a SIB */
    {M(LEA), "=49 8d 04 24", 0, NULL},
    {M(LEA), "=64 48 8d 03", 0, NULL}, /* a segment override changes nothing */
};
GROUP(address);

static const struct oracle_row exchange_rows[] = {
    {M(XCHG), "Eb,Gb", ROW_LOCK, NULL},
    {M(XCHG), "Ev,Gv", ROW_LOCK, NULL},
    {M(XCHG), "Rv,Av", 0, NULL},
    {M(XCHG), "=41 90", 0, NULL}, /* xchg r8d, eax: no NOP */
    {M(XCHG), "=49 90", 0, NULL},
    {M(XADD), "Eb,Gb", ROW_LOCK, NULL},
    {M(XADD), "Ev,Gv", ROW_LOCK, NULL},
    {M(CMPXCHG), "Eb,Gb", ROW_LOCK, arrange_compare},
    {M(CMPXCHG), "Ev,Gv", ROW_LOCK, arrange_compare},
    {M(CMPXCHG8B), "Mq", ROW_LOCK, arrange_compare_pair},
    {M(CMPXCHG16B), "Mx", ROW_LOCK | ROW_ALIGNED, arrange_compare_pair},
};
GROUP(exchange);

/* ---- flags, stack ---- */

static const struct oracle_row flag_rows[] = {
    {M(CLC), "", 0, NULL},
    {M(STC), "", 0, NULL},
    {M(CMC), "", 0, NULL},
    {M(CLD), "", 0, NULL},
    {M(STD), "", 0, NULL},
    {M(LAHF), "", 0, NULL},
    {M(SAHF), "", 0, NULL},
    {M(PUSHFQ), "", 0, arrange_stack},
    {M(PUSHF), "", 0, arrange_stack},
    {M(POPFQ), "", ROW_ALONE, arrange_popped_flags},
    {M(POPF), "", ROW_ALONE, arrange_popped_flags},
};
GROUP(flag);

static const struct oracle_row stack_rows[] = {
    {M(PUSH), "Rq", 0, arrange_stack},
    {M(PUSH), "Rw", 0, arrange_stack},
    {M(PUSH), "Mq", 0, arrange_stack},
    {M(PUSH), "Mw", 0, arrange_stack},
    {M(PUSH), "Is", 0, arrange_stack},
    {M(PUSH), "Id", 0, arrange_stack},
    {M(PUSH), "=66 68 34 92", 0, arrange_stack},
    {M(PUSH), "=66 6a 80", 0, arrange_stack},
    {M(PUSH), "=0f a0", ROW_ALONE, arrange_stack}, /* FS and GS hold null selectors */
    {M(PUSH), "=66 0f a8", ROW_ALONE, arrange_stack},
    {M(PUSH), "=ff f3", 0, arrange_stack}, /* the ModRM form of a register */
    {M(POP), "Rq", 0, arrange_stack},
    {M(POP), "Rw", 0, arrange_stack},
    {M(POP), "Mq", 0, arrange_stack},
    {M(POP), "Mw", 0, arrange_stack},
    {M(POP), "=8f c3", ROW_ALONE, arrange_stack},
    {M(POP), "=5c", ROW_ALONE, arrange_stack}, /* pop rsp */
    {M(PUSH), "=54", 0, arrange_stack},        /* push rsp: the old value */
    {M(POP), "=8f 04 24", 0, arrange_stack},   /* pop [rsp]: RSP moves first */
    {M(PUSH), "=ff 34 24", 0, arrange_stack},
    {M(ENTER), "=c8 00 00 00", ROW_ALONE, arrange_frame},
    {M(ENTER), "=c8 20 01 00", ROW_ALONE, arrange_frame},
    {M(ENTER), "=c8 20 00 01", ROW_ALONE, arrange_frame},
    {M(ENTER), "=c8 08 00 07", ROW_ALONE, arrange_frame},
    {M(ENTER), "=c8 10 00 1f", ROW_ALONE, arrange_frame},
    {M(ENTER), "=66 c8 10 00 03", ROW_ALONE, arrange_frame},
    {M(LEAVE), "", ROW_ALONE, arrange_frame},
    {M(LEAVE), "=66 c9", ROW_ALONE, arrange_frame},
};
GROUP(stack);

/* ---- branches ---- */

static const struct oracle_row branch_rows[] = {
#define X(cc) {M(J##cc), "Jb", 0, NULL}, {M(J##cc), "Jd", 0, NULL},
    CONDITIONS(X)
#undef X
        {M(JMP), "Jb", 0, NULL},
    {M(JMP), "Jd", 0, NULL},
    {M(JMP), "Rq", ROW_ALONE, arrange_target},
    {M(JMP), "Mq", ROW_ALONE, arrange_target},
    {M(CALL), "Jd", ROW_ALONE, arrange_stack},
    {M(CALL), "Rq", ROW_ALONE, arrange_call},
    {M(CALL), "Mq", ROW_ALONE, arrange_call},
    {M(CALL), "=ff d4", ROW_ALONE, arrange_call}, /* call rsp: the value before the push */
    {M(RET), "", ROW_ALONE, arrange_return},
    {M(RET), "=c2 10 00", ROW_ALONE, arrange_return},
    {M(RET), "=c2 ff ff", ROW_ALONE, arrange_return},
    {M(LOOP), "Jb", ROW_ALONE, NULL},
    {M(LOOPE), "Jb", ROW_ALONE, NULL},
    {M(LOOPNE), "Jb", ROW_ALONE, NULL},
    {M(LOOP), "=67 e2 10", ROW_ALONE, NULL},
    {M(LOOPE), "=67 e1 10", ROW_ALONE, NULL},
    {M(LOOPNE), "=67 e0 10", ROW_ALONE, NULL},
    {M(JRCXZ), "Jb", 0, NULL},
    {M(JECXZ), "=67 e3 10", ROW_ALONE, NULL},
};
GROUP(branch);

/* ---- strings: all sizes, all prefixes, DF both ways, 32-bit addresses, a segment ---- */

#define MOVING(name, opcode)                                                                  \
    {M(name##B), "", ROW_REP, arrange_string}, {M(name##W), "", ROW_REP, arrange_string},     \
        {M(name##D), "", ROW_REP, arrange_string}, {M(name##Q), "", ROW_REP, arrange_string}, \
        {M(name##B), "=67 f3 " opcode, ROW_ALONE, arrange_string},                            \
        {M(name##B), "=f2 " opcode, ROW_ALONE, arrange_string}, /* REPNE repeats too */       \
    {                                                                                         \
        M(name##B), "=64 f3 " opcode, ROW_ALONE, arrange_string                               \
    }
#define COMPARING(name, opcode)                                                                                       \
    {M(name##B), "", ROW_REP | ROW_REPNE, arrange_string}, {M(name##W), "", ROW_REP | ROW_REPNE, arrange_string},     \
        {M(name##D), "", ROW_REP | ROW_REPNE, arrange_string}, {M(name##Q), "", ROW_REP | ROW_REPNE, arrange_string}, \
        {M(name##B), "=67 f3 " opcode, ROW_ALONE, arrange_string},                                                    \
    {                                                                                                                 \
        M(name##B), "=65 f2 " opcode, ROW_ALONE, arrange_string                                                       \
    }

static const struct oracle_row string_rows[] = {
    MOVING(MOVS, "a4"), MOVING(STOS, "aa"), MOVING(LODS, "ac"), COMPARING(CMPS, "a6"), COMPARING(SCAS, "ae"),
};
GROUP(string);

/* ---- FS and GS bases ---- */

static const struct oracle_row base_rows[] = {
    {M(RDFSBASE), "Ry", ROW_ALONE, NULL},
    {M(RDGSBASE), "Ry", ROW_ALONE, NULL},
    {M(WRFSBASE), "Ry", ROW_ALONE, arrange_base},
    {M(WRGSBASE), "Ry", ROW_ALONE, arrange_base},
};
GROUP(base);

/* ---- what must fault: no such instruction, LOCK where it may not be, too long, or not in ring 3 ---- */

#define UD(bytes)                          \
    {                                      \
        M(UD2), "=" bytes, ROW_ALONE, NULL \
    }
#define GP(bytes)                          \
    {                                      \
        M(HLT), "=" bytes, ROW_ALONE, NULL \
    }

static const struct oracle_row fault_rows[] = {
    UD("0f 0b"),
    UD("0f b9 c0"),
    UD("0f ff c0"),
    UD("06"),
    UD("0e"),
    UD("16"),
    UD("1e"),
    UD("27"),
    UD("2f"),
    UD("37"),
    UD("3f"),
    UD("60"),
    UD("61"),
    UD("82 c0 01"),
    UD("9a 00 00 00 00 00 00"),
    UD("ce"),
    UD("d4 0a"),
    UD("d5 0a"),
    UD("d6"),
    UD("ea 00 00 00 00 00 00"),
    UD("0f 04"),
    UD("0f 0a"),
    UD("0f 36"),
    UD("fe d0"),
    UD("fe f8"),
    UD("ff f8"),
    UD("8d c0"),
    UD("8f c8"),
    UD("0f ba c0 01"),
    UD("0f ba d8 01"),
    UD("0f c7 c8"),
    UD("0f c7 10"),
    UD("8c f8"),
    UD("8e c8"),    /* mov cs, eax */
    UD("f0 01 c0"), /* lock add eax, eax */
    UD("f0 39 03"), /* lock cmp [rbx], eax */
    UD("f0 8b 03"), /* lock mov */
    UD("f0 90"),
    UD("f0 0f a3 03"),
    UD("f0 0f af 03"),
    UD("f0 84 03"),
    UD("f0 d1 23"),
    UD("f0 8d 03"),
    UD("f0 eb 00"),
    GP("66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90"), /* 16 bytes */
    GP("f4"),
    GP("fa"),
    GP("fb"),
    GP("e4 60"),
    GP("e6 60"),
    GP("ec"),
    GP("ee"),
    GP("ed"),
    GP("6c"),
    GP("6e"),
    GP("0f 06"),
    GP("0f 08"),
    GP("0f 09"),
    GP("0f 30"),
    GP("0f 32"),
    GP("0f 20 c0"),
    GP("0f 22 c0"),
    GP("0f 21 c0"),
    GP("0f 23 c0"),
    GP("0f 01 13"),
    GP("0f 01 1b"),
    GP("0f 01 f0"),
    GP("0f 01 3b"),
    GP("0f 01 f8"),
    GP("0f 00 d8"),
    GP("0f 00 d0"),
    GP("48 0f 07"),
    GP("48 0f 35"),
    GP("0f 35"),
    GP("cd 00"),
    GP("cd 08"),
    GP("cd 20"),
    GP("cd ff"), /* gates of ring 0 */
    {M(INT3), "=cc", ROW_ALONE, NULL},
    {M(INT), "=cd 03", ROW_ALONE, NULL},
    /* Not INT1: hypervisors that intercept #DB report its RIP before or behind it, as they like. */
};
GROUP(fault);
