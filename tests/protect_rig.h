/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * protect_rig.h - a CPU with tables of its own, for the tests of protection (test_segments.c, test_protect.c,
 * test_events.c, test_returns.c, test_control.c).
 *
 * A test writes a few bytes of machine code, runs them, and looks where the CPU ended up. Every vector has a handler of
 * one HLT instruction at an address that tells the vector; code that comes through ends in UD2, or in HLT in ring 0.
 */
#ifndef VIRTLAB_TESTS_PROTECT_RIG_H
#define VIRTLAB_TESTS_PROTECT_RIG_H

#include "vltest.h"
#include "x86/protect.h"

#define RIG_RAM UINT64_C(0x00400000)

/* Where things lie in RAM; the paging of long mode maps the first 4 MiB to themselves. */
#define IVT        0x0000u
#define GDT        0x1000u
#define LDT        0x1800u
#define IDT        0x2000u
#define TSS        0x3000u
#define TSS_OTHER  0x3800u
#define TABLES     0x4000u /* page tables */
#define CODE       0x8000u
#define DATA_AT    0xb000u
#define STACK0     0x20000u
#define STACK_IST  0x24000u
#define STACK3     0x28000u
#define STACK2     0x2c000u
#define HANDLERS   0x100000u /* 32- and 64-bit: 16 bytes a vector */
#define HANDLERS16 0x9000u   /* real mode */

/* Selectors in the GDT, the same in all modes; the code segments are 32-bit or 64-bit as the mode is. */
enum {
    CODE0 = 0x08,
    DATA0 = 0x10,
    CODE_COMPAT3 = 0x18, /* 32-bit, DPL 3 */
    DATA3 = 0x20,
    CODE3 = 0x28,
    TR_SELECTOR = 0x30, /* 16 bytes in long mode */
    LDT_SELECTOR = 0x40,
    SPARE = 0x50, /* the descriptor that a test is about; 0x58 is its second half */
    SPARE2 = 0x60,
    CODE16_SELECTOR = 0x70, /* 16-bit, DPL 0 */
    DATA_COMPAT0 = 0x78,
    CODE_COMPAT0 = 0x80, /* 32-bit, DPL 0 */
    GDT_END = 0x88,
};

enum rig_mode { REAL, PROTECTED, LONG };

struct rig {
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    struct cpu *cpu;
    struct vm_exit exit;
    enum rig_mode mode;
    struct cpu_state s; /* to be changed before go(), to be looked at behind it */
    unsigned code_at;
};

/* How a piece of code ended. */
struct outcome {
    enum vm_exit_kind kind;
    int vector;      /* whose handler was entered; -1: none */
    uint64_t top[6]; /* the topmost stack entries there, 4 or 8 bytes each by mode */
};

uint64_t rig_descriptor(uint32_t base, uint32_t limit, uint32_t attr);
void rig_init(struct rig *r, enum rig_mode mode, unsigned cpl);
void rig_free(struct rig *r);
void rig_put(struct rig *r, uint64_t at, unsigned size, uint64_t value);
uint64_t rig_get(struct rig *r, uint64_t at, unsigned size);
void rig_gdt(struct rig *r, unsigned selector, uint64_t raw);
/* A gate in the IDT, in the mode's format: type as enum system_type. */
void rig_gate(struct rig *r, unsigned vector, unsigned selector, uint32_t offset, unsigned type, unsigned dpl,
              bool present, unsigned ist);
void rig_code(struct rig *r, const void *bytes, size_t count);
#define EMIT(r, ...)                                  \
    do {                                              \
        static const uint8_t code_[] = {__VA_ARGS__}; \
        rig_code((r), code_, sizeof(code_));          \
    } while (0)
#define UD2     0x0f, 0x0b
#define HLT     0xf4
#define LE16(v) (uint8_t)(v), (uint8_t)((v) >> 8)
#define LE32(v) (uint8_t)(v), (uint8_t)((v) >> 8), (uint8_t)((v) >> 16), (uint8_t)((v) >> 24)

/* Runs the code from its start with r->s until it halts, shuts down, or has had `limit` instructions. */
struct outcome rig_go(struct rig *r, unsigned limit);
/* The same, for one statement: which handler, with which error code (or NO_ERROR)? */
#define NO_ERROR UINT64_MAX
void rig_expect(struct rig *r, int vector, uint64_t error);

#endif
