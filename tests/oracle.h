/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle.h - the CPU oracle: the same machine code on this processor and on the software CPU, and what differs.
 *
 * The best manual of an x86 is an x86. A few user-mode instructions, with chosen registers and memory, are run on the
 * CPU that runs this test and on the one under test; then registers, flags, memory, and the exception with its error
 * code and address are compared. What the manual leaves undefined is masked, in one table (oracle_flags.c).
 *
 * Reading order: oracle.h -> oracle_host.c, oracle_guest.c (the two CPUs) -> oracle_cases.c (the tables of
 * instructions)
 * -> oracle_encode.c, oracle_vary.c (a row becomes bytes) -> oracle_input.c, oracle_arrange.c (registers and memory for
 * it) -> oracle_flags.c (what is undefined) -> oracle_check.c (run, compare, show) -> oracle_sequence.c (programs).
 */
#ifndef VIRTLAB_ORACLE_H
#define VIRTLAB_ORACLE_H

#include <virtlab/cpu_state.h>
#include <Zydis/Zydis.h>

/* ---- what the code sees: a few pages at fixed addresses, with unmapped ones around each region ---- */

#define ORACLE_CODE        UINT64_C(0x10000000) /* readable, executable */
#define ORACLE_DATA        UINT64_C(0x20000000) /* readable, writable */
#define ORACLE_READONLY    UINT64_C(0x20004000) /* one unmapped page behind the data */
#define ORACLE_STACK       UINT64_C(0x30000000) /* readable, writable */
#define ORACLE_CODE_SIZE   (2 * PAGE_SIZE)
#define ORACLE_DATA_SIZE   (3 * PAGE_SIZE)
#define ORACLE_STACK_SIZE  (2 * PAGE_SIZE)
#define ORACLE_SEQUENCE    64 /* instructions in one run, at most */
#define ORACLE_INSN_LENGTH 16 /* one more than is legal */

/* The same pages as the test sees them: always writable, in one piece. */
struct oracle_memory {
    uint8_t code[ORACLE_CODE_SIZE];
    uint8_t data[ORACLE_DATA_SIZE];
    uint8_t readonly[PAGE_SIZE];
    uint8_t stack[ORACLE_STACK_SIZE];
};

/* Where in struct oracle_memory the byte at `address` lies; `left` bytes follow in its region. NULL: unmapped. */
uint8_t *oracle_at(struct oracle_memory *memory, uint64_t address, size_t *left);

struct oracle_regs {
    uint64_t gpr[GPR_COUNT];
    uint64_t rflags, rip;
    uint64_t fs_base, gs_base;
    uint32_t mxcsr;
    uint8_t xmm[16][16] __attribute__((aligned(16)));
};

#define ORACLE_HUNG (-1) /* did not come to an end in time */
#define ORACLE_DEAD (-2) /* the CPU under test gave up: `dead` says why */

/* How a run ended: every run ends in an exception, at the latest in the INT3s that follow the code. */
struct oracle_outcome {
    struct oracle_regs regs;
    int vector;
    uint32_t error;
    uint64_t cr2; /* of a page fault; else 0 */
    char dead[128];
};

/* A CPU that the oracle can ask. */
struct oracle_cpu {
    const char *name;
    struct oracle_memory *memory;
    void (*run)(struct oracle_cpu *cpu, const struct oracle_regs *in, struct oracle_outcome *out);
    /* memory->code was written. */
    void (*code_changed)(struct oracle_cpu *cpu);
    void (*close)(struct oracle_cpu *cpu);
    bool has_bases; /* regs.fs_base and gs_base are obeyed (on the host: the FSGSBASE instructions are there) */
};

/* NULL with why when it can't be had. */
struct oracle_cpu *oracle_host_open(struct reason *why);
struct oracle_cpu *oracle_guest_open(struct reason *why);
/* The software CPU under the latter, for a test that puts a translator over it. */
struct cpu *oracle_guest_cpu(struct oracle_cpu *guest);

/* ---- random numbers: the same seed, the same test ---- */

struct oracle_random {
    uint64_t state;
};
uint64_t oracle_random(struct oracle_random *r);
/* 0 .. n-1 */
static inline unsigned oracle_below(struct oracle_random *r, unsigned n)
{
    return (unsigned)((oracle_random(r) >> 32) * n >> 32);
}
/* True once in n. */
static inline bool oracle_once_in(struct oracle_random *r, unsigned n)
{
    return oracle_below(r, n) == 0;
}
/* A value of `size` bytes that is likely to be interesting: 0, 1, -1, the extremes, one bit, sign boundaries, any. */
uint64_t oracle_value(struct oracle_random *r, unsigned size);
/* VIRTLAB_SEED and VIRTLAB_ROUNDS from the environment, or the default. */
uint64_t oracle_setting(const char *name, uint64_t otherwise);

/* ---- tables of instructions ---- */

struct oracle_trial;

/*
 * One row. `operands` are codes of the manual's opcode map (SDM 2, A.2.1), separated by commas: addressing method
 *   E register or memory, G register, R register only, M memory only, I immediate, V XMM, W XMM or memory, X XMM only,
 *   A the accumulator, J relative branch target
 * and size: b 1, w 2, d 4, q 8, v 2, 4 or 8, y 4 or 8, z 2 or 4 (immediate of an operation of size v),
 *   s one sign-extended byte, x 16, n none (LEA's memory); or the literals 1 and CL.
 * "=0f 0b" are the bytes themselves, for what the encoder refuses to make.
 */
struct oracle_row {
    ZydisMnemonic mnemonic;
    const char *operands;
    unsigned flags;                                                   /* enum oracle_row_flag */
    void (*arrange)(struct oracle_trial *t, struct oracle_random *r); /* makes the random input meaningful */
};

enum oracle_row_flag {
    ROW_LOCK = 1,      /* may have a LOCK prefix when its first operand is memory */
    ROW_REP = 2,       /* may have REP (REPE) */
    ROW_REPNE = 4,     /* ... and REPNE */
    ROW_ALONE = 8,     /* not in sequences */
    ROW_ALIGNED = 16,  /* a memory operand is kept within 16 aligned bytes, but for once in a while */
    ROW_FAR_BITS = 32, /* the second operand is a bit offset that moves the memory operand */
};

struct oracle_group {
    const char *name;
    const struct oracle_row *rows;
    size_t count;
};
extern const struct oracle_group oracle_arithmetic, oracle_logic, oracle_multiply, oracle_shift, oracle_bit,
    oracle_condition, oracle_move, oracle_address, oracle_exchange, oracle_flag, oracle_stack, oracle_branch,
    oracle_string, oracle_base, oracle_fault, oracle_sse;

/* ---- an instruction made of a row ---- */

enum oracle_base { BASE_REGISTERS, BASE_RIP, BASE_ABSOLUTE };

/* Its memory operand: [base + index * scale + disp], so that an input can be chosen that makes it point somewhere. */
struct oracle_operand {
    bool present;
    enum oracle_base kind;
    uint8_t base, index; /* GPR_COUNT: none */
    uint8_t scale, size; /* size in bytes, 0: no access */
    uint8_t address_size;
    uint8_t segment; /* SEG_FS, SEG_GS, else SEG_DS */
    int32_t disp;
    uint64_t target; /* of RIP-relative and absolute ones: fixed when the instruction is made */
};

struct oracle_insn {
    const struct oracle_row *row;
    uint8_t bytes[ORACLE_INSN_LENGTH];
    uint8_t length;
    uint8_t opsize; /* of the first operand, bytes */
    uint8_t reg[2]; /* the general registers that are its first operands; GPR_COUNT for none */
    struct oracle_operand mem;
    uint8_t rip_disp_at; /* where in bytes its RIP-relative displacement is, 0: nowhere */
    uint8_t branch_at;   /* where its branch distance is, 0: no relative branch */
    uint8_t branch_size; /* 1 or 4 */
};

/* What the encoder may choose from. */
struct oracle_choice {
    uint32_t written, read; /* masks of general registers for operands */
    uint32_t base, index;   /* ... and for addresses */
    bool bases;             /* FS and GS overrides may be used */
    bool calm;              /* addresses stay near their base register: it holds a fixed address */
    bool want_memory, want_register;
};
extern const struct oracle_choice oracle_any_choice;

/* An instruction, decoded. */
struct oracle_decoded {
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
};
bool oracle_decode(const uint8_t *bytes, size_t length, struct oracle_decoded *d);

/* Makes an instruction. False when the row could not be encoded with this luck: try again. */
bool oracle_encode(const struct oracle_row *row, const struct oracle_choice *choice, struct oracle_random *r,
                   struct oracle_insn *insn);
/* Replaces its bytes, by chance, by others that mean the same. */
void oracle_vary(struct oracle_insn *insn, struct oracle_random *r);
/* Puts it at `address` into code (a copy of its bytes with the RIP-relative displacement adjusted). */
void oracle_place(const struct oracle_insn *insn, uint64_t address, uint8_t *code);
/* One line of assembler. */
void oracle_disassemble(const uint8_t *bytes, size_t length, uint64_t address, char *text, size_t size);

/* ---- one trial: an instruction, its place, and its input ---- */

struct oracle_trial {
    struct oracle_insn insn;
    uint64_t at; /* where the instruction stands */
    struct oracle_regs in;
    struct oracle_memory *image; /* the memory before; the code is not looked at */
    uint64_t target;             /* where its memory operand points */
};

/* Registers and memory for it: random ones, the operand pointing somewhere, then the row's own arrangement. */
void oracle_input(struct oracle_trial *t, struct oracle_random *r, bool bases);
/* Makes the memory operand of t point to `address` by choosing its registers. False: it can't (its own operands). */
bool oracle_aim(struct oracle_trial *t, uint64_t address, struct oracle_random *r);
/* Writes `size` bytes of value into the image at `address`, as far as it is mapped. */
void oracle_poke(struct oracle_memory *image, uint64_t address, uint64_t value, unsigned size);

/* ---- what is undefined ---- */

/* In a mask of undefined flags: CMPS reads twice, and when both reads fault, which comes first is the CPU's choice. */
#define UNDEFINED_FAULT 0x80000000u

/* The flags that are undefined behind the instruction with this input. */
uint32_t oracle_undefined_flags(const struct oracle_decoded *d, const struct oracle_regs *in);
/* Those that can be with any input. */
uint32_t oracle_undefined_flags_ever(const struct oracle_decoded *d);
/* Those that it sets to something defined with every input. */
uint32_t oracle_defined_flags(const struct oracle_decoded *d);
/* Is the result itself undefined with this input? (For BSF of zero one must have seen what the host did.) */
bool oracle_undefined_result(const struct oracle_decoded *d, const struct oracle_outcome *host,
                             const struct oracle_regs *in);

/* ---- compare and show ---- */

struct oracle {
    struct oracle_cpu *host, *guest;
    struct oracle_memory *image; /* for trials */
    uint64_t seed;
    unsigned rounds;     /* per row */
    uint64_t not_judged; /* runs that would have touched memory of this process that isn't the oracle's */
    unsigned shown;      /* failures printed so far in this test */
};

int oracle_open(struct oracle *o, struct reason *why) MUST_CHECK;
void oracle_close(struct oracle *o);
/* Code into both CPUs, INT3 in all the rest of the code pages. */
void oracle_load_code(struct oracle *o, uint64_t at, const uint8_t *code, size_t length);
/*
 * Runs the loaded code on both with this input; true when both agree but for the undefined flags, or when the host
 * can't be asked (not_judged).
 */
bool oracle_agree(struct oracle *o, const struct oracle_regs *in, const struct oracle_memory *image, uint32_t undefined,
                  struct oracle_outcome *host, struct oracle_outcome *guest);
/* Prints input and both outputs, differences marked. Memory differences are taken from the CPUs' memories. */
void oracle_show(struct oracle *o, const struct oracle_regs *in, uint32_t undefined, const struct oracle_outcome *host,
                 const struct oracle_outcome *guest);
/* Disassembles code[0..length) that stands at `at`, with its bytes. */
void oracle_show_code(uint64_t at, const uint8_t *code, size_t length);

/* All rows of a group, rounds each. Returns the number of rows that failed; a failing row is printed whole. */
unsigned oracle_run_group(struct oracle *o, const struct oracle_group *group);
/* `count` random programs of 1 to 64 instructions. Returns how many differed; the first ones are minimised and shown.
 */
unsigned oracle_run_sequences(struct oracle *o, const struct oracle_group *const *groups, unsigned count);

#endif
