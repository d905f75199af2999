/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exhibit_x86.c - the x86-64 exhibit: the table as machine code, the stage that both rings have in common, the loop.
 *
 * Read next: exhibit_ring3.c, exhibit_stage.c, exhibit_ring0.c.
 */
#include "exhibit_x86.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* ---- the table, assembled by the compiler's own assembler into read-only data ---- */

#define GROUP(id, text)
#define ROW(id, group, name, options, prepare, insn, after, shows) \
    __asm__(".pushsection .rodata\n"                               \
            ".intel_syntax noprefix\n"                             \
            "exhibit_" #id "_code:\n" prepare "\n"                 \
            "exhibit_" #id "_insn:\n" insn "\n"                    \
            "exhibit_" #id "_after:\n" after "\nint3\n"            \
            "exhibit_" #id "_end:\n"                               \
            ".att_syntax prefix\n"                                 \
            ".popsection\n");                                      \
    extern const uint8_t exhibit_##id##_code[], exhibit_##id##_insn[], exhibit_##id##_after[], exhibit_##id##_end[];
#include "exhibit_x86.def"
#undef GROUP
#undef ROW

#define GROUP(id, text) static const char group_##id[] = text;
#define ROW(...)
#include "exhibit_x86.def"
#undef GROUP
#undef ROW

const struct exhibit_x86_row exhibit_x86_rows[] = {
#define GROUP(id, text)
#define ROW(id, of, name_, options_, prepare, insn_, after_, shows_) \
    {{.group = group_##of,                                           \
      .name = name_,                                                 \
      .text = insn_,                                                 \
      .shows = shows_,                                               \
      .rule = "",                                                    \
      .listed = ((options_)&LISTED) != 0,                            \
      .closable = ((options_)&CLOSABLE) != 0,                        \
      .image = ((options_)&IMAGE) != 0},                             \
     options_,                                                       \
     exhibit_##id##_code,                                            \
     exhibit_##id##_insn,                                            \
     exhibit_##id##_after,                                           \
     exhibit_##id##_end},
#include "exhibit_x86.def"
#undef GROUP
#undef ROW
};
const unsigned exhibit_x86_row_count = ARRAY_SIZE(exhibit_x86_rows);

/* ---- the stage ---- */

void exhibit_x86_arrange(const struct exhibit_x86_row *row, const struct ram *ram, uint64_t gpr[GPR_COUNT])
{
    uint8_t *code = ram_at(ram, gpa(EXHIBIT_CODE), PAGE_SIZE);

    memset(code, 0xcc, PAGE_SIZE);
    memcpy(code, row->code, (size_t)(row->end - row->code));
    memset(ram_at(ram, gpa(EXHIBIT_DATA), PAGE_SIZE), 0, PAGE_SIZE);
    memset(ram_at(ram, gpa(EXHIBIT_STACK - 2 * PAGE_SIZE), 2 * PAGE_SIZE), 0, 2 * PAGE_SIZE);
    memset(gpr, 0, GPR_COUNT * sizeof *gpr);
    gpr[RBX] = EXHIBIT_DATA;
    gpr[RSP] = EXHIBIT_STACK - 0x800;
    gpr[R12] = exhibit_x86_after(row);
    gpr[R13] = exhibit_x86_insn(row);
}

void exhibit_x86_look(struct exhibit_run *run, const struct ram *ram, const uint64_t gpr[GPR_COUNT], uint64_t rflags)
{
    static const char *const names[GPR_COUNT] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                                 "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};
    static const char *const words[] = {"[RBX]", "[RBX+8]", "[RBX+16]", "[RBX+24]"};
    uint64_t memory[ARRAY_SIZE(words)];

    memcpy(memory, ram_at(ram, gpa(EXHIBIT_DATA), sizeof memory), sizeof memory);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        exhibit_add(run->seen, &run->seen_count, EXHIBIT_SEEN, names[i], gpr[i]);
    exhibit_add(run->seen, &run->seen_count, EXHIBIT_SEEN, "flags", rflags & (FLAGS_STATUS | FLAG_DF));
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        exhibit_add(run->seen, &run->seen_count, EXHIBIT_SEEN, words[i], memory[i]);
}

void exhibit_x86_exception(char *text, size_t size, unsigned vector, uint32_t error)
{
    static const char *const names[32] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", NULL,
                                          "#TS", "#NP", "#SS", "#GP", "#PF", NULL,  "#MF", "#AC", "#MC", "#XM"};
    if (vector >= ARRAY_SIZE(names) || !names[vector])
        snprintf(text, size, "vector 0x%x", vector);
    else if (vector >= VEC_TS && vector <= VEC_PF)
        snprintf(text, size, "%s(%#x)", names[vector], error);
    else
        snprintf(text, size, "%s", names[vector]);
}

/* ---- the loop ---- */

static void describe(struct exhibit *exhibit)
{
    struct host host;

    host_describe(&host);
    snprintf(exhibit->user, sizeof exhibit->user, "ring 3 of this processor (%s), in a world", host.cpu);
    snprintf(exhibit->kernel, sizeof exhibit->kernel, "ring 0 of the software CPU (emulate/interp)");
    host_free(&host);
}

static int run_rows(struct exhibit *exhibit, struct ram *ram, struct reason *why)
{
    struct exhibit_ring3 *ring3 = exhibit_ring3_open(ram, why);
    struct exhibit_ring0 *ring0 = ring3 ? exhibit_ring0_open(ram, why) : NULL;
    int err = ring3 && ring0 ? 0 : -ENODEV;

    for (unsigned i = 0; !err && i < exhibit_x86_row_count; i++) {
        const struct exhibit_x86_row *row = &exhibit_x86_rows[i];
        struct exhibit_result *result = &exhibit->results[exhibit->count++];

        result->row = row->row;
        exhibit_ring3_run(ring3, row, &result->user);
        exhibit_ring0_run(ring0, row, EXHIBIT_STATE_A, &result->kernel);
        exhibit_ring0_run(ring0, row, EXHIBIT_STATE_B, &result->other);
    }
    exhibit_judge(exhibit);
    exhibit_ring0_close(ring0);
    exhibit_ring3_close(ring3);
    return err;
}

int exhibit_x86(struct exhibit *exhibit, struct reason *why)
{
    struct ram ram;
    int err;

    *exhibit = (struct exhibit){.isa = "x86-64"};
    exhibit->results = calloc(exhibit_x86_row_count, sizeof *exhibit->results);
    if (!exhibit->results)
        return fail(why, ENOMEM, "exhibit: out of memory");
    err = ram_create(&ram, EXHIBIT_RAM, why);
    if (err)
        return err;
    describe(exhibit);
    err = run_rows(exhibit, &ram, why);
    ram_destroy(&ram);
    return err;
}
