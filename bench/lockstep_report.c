/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_report.c - prints what a person needs to find the error (lockstep_report.h).
 *
 * Lines that differ are marked with '*' so that a file or a pipe shows them too; on a terminal they are red as well.
 */
#include "lockstep_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lockstep_exit.h"
#include "lockstep_mask.h"
#include "lockstep_ram.h"
#include "lockstep_state.h"

#define RED   "\033[1;31m"
#define PLAIN "\033[0m"

static const char *unit(const struct pair *pair)
{
    return pair->plan.at_exits ? "exit" : "instruction";
}

/* ---- where ---- */

static void print_headline(const struct pair *pair, bool repeated)
{
    static const char *const what[] = {
        [DIFFER_EXIT] = "they come back for different reasons",
        [DIFFER_COUNT] = "they count instructions differently",
        [DIFFER_REGISTERS] = "registers differ",
        [DIFFER_RAM] = "memory differs",
        [DIFFER_INTERRUPT] = "one can take an interrupt, the other can't",
    };

    printf("DIFFERENCE: %s\n", what[pair->difference]);
    if (pair->plan.at_exits && pair->position <= pair->before_at + 1)
        printf("at exit %" PRIu64, pair->position);
    else if (pair->position > pair->before_at + 1)
        printf("after %s %" PRIu64 " and up to %s %" PRIu64, unit(pair), pair->before_at, unit(pair), pair->position);
    else
        printf("at %s %" PRIu64, unit(pair), pair->before_at);
    printf("; everything before was equal\n");
    if (!repeated)
        printf("(a second run did not show it again: at least one of the two engines does not repeat itself)\n");
}

static void print_exits(const struct pair *pair)
{
    char words[300];

    if (pair->side[0].exit.kind == VM_EXIT_INTERRUPTED && pair->side[1].exit.kind == VM_EXIT_INTERRUPTED)
        return; /* they were to stop there */
    for (unsigned i = 0; i < 2; i++) {
        exit_words(&pair->side[i].exit, words, sizeof words);
        printf("  %s: %s", pair->side[i].ops->name, words);
        if (pair->side[i].ops->counters & COUNTER_BIT(INSTRUCTIONS))
            printf(" (%" PRIu64 " instructions retired)", side_count(&pair->side[i]));
        printf("\n");
    }
}

static void print_instruction(const struct pair *pair)
{
    struct code code;
    char text[128];

    if (!pair->plan.at_exits) {
        code_text(&pair->before_code, text, sizeof text);
        printf("\nThe instruction: %#" PRIx64 "  %s\n", pair->before_code.rip, text);
        return;
    }
    printf("\nBoth are then at\n");
    for (unsigned i = 0; i < 2; i++) {
        code_fetch(&code, &pair->side[i].state, pair->side[i].ram);
        code_text(&code, text, sizeof text);
        printf("  %s: %#" PRIx64 "  %s\n", pair->side[i].ops->name, code.rip, text);
    }
}

/* ---- what led there ---- */

static void print_log(const struct pair *pair)
{
    char text[128];

    if (pair->log.count == 0)
        return;
    printf("\nThe last steps of %s\n", pair->side[0].ops->name);
    for (uint64_t i = log_first(&pair->log); i < pair->log.count; i++) {
        const struct log_entry *entry = log_at(&pair->log, i);

        if (entry->kind == LOG_INSTRUCTION) {
            code_text(&entry->code, text, sizeof text);
            printf("  %12" PRIu64 "  %#18" PRIx64 "  %s\n", entry->position, entry->code.rip, text);
        } else {
            printf("  %12" PRIu64 "  -- %s\n", entry->position, entry->text);
        }
    }
}

/* ---- both states ---- */

static void print_flag_names(const struct cpu_state *state)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } flags[] = {{FLAG_CF, "CF"}, {FLAG_PF, "PF"}, {FLAG_AF, "AF"}, {FLAG_ZF, "ZF"}, {FLAG_SF, "SF"}, {FLAG_TF, "TF"},
                 {FLAG_IF, "IF"}, {FLAG_DF, "DF"}, {FLAG_OF, "OF"}, {FLAG_NT, "NT"}, {FLAG_RF, "RF"}, {FLAG_AC, "AC"}};

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        if (state->rflags & flags[i].bit)
            printf(" %s", flags[i].name);
    }
}

static void print_state(const struct pair *pair, bool colour)
{
    const struct cpu_state *state[3] = {&pair->before, &pair->side[0].state, &pair->side[1].state};
    char text[3][40];

    printf("\n  %-18s%-20s%-20s%s\n", "register", "before", pair->side[0].ops->name, pair->side[1].ops->name);
    for (unsigned i = 0; i < state_field_count; i++) {
        const struct state_field *field = &state_fields[i];
        bool differs = field_differs(field, state[1], state[2], &pair->ignored);

        if (!differs && !field->always)
            continue;
        for (unsigned s = 0; s < 3; s++)
            field_text(field, state[s], text[s], sizeof text[s]);
        printf("%s%c %-18s", differs && colour ? RED : "", differs ? '*' : ' ', field->name);
        if (field->size <= 8)
            printf("%-20s%-20s%s%s\n", text[0], text[1], text[2], differs && colour ? PLAIN : "");
        else
            printf("%s\n  %-18s%s\n  %-18s%s%s\n", text[0], "", text[1], "", text[2], differs && colour ? PLAIN : "");
    }
    printf("  flags");
    for (unsigned s = 1; s < 3; s++) {
        printf("  %s:", pair->side[s - 1].ops->name);
        print_flag_names(state[s]);
    }
    printf("\n");
}

/* ---- both memories ---- */

#define ROW        16
#define ROWS_SHOWN 8

struct ram_report {
    const struct pair *pair;
    bool colour;
    uint64_t bytes; /* that differ */
    unsigned rows;
};

static void print_row(const uint8_t *row, const uint8_t *other, bool colour)
{
    for (unsigned i = 0; i < ROW; i++) {
        bool differs = row[i] != other[i];

        printf("%s%c%02x%s", differs && colour ? RED : "", differs ? '*' : ' ', row[i], differs && colour ? PLAIN : "");
    }
}

static bool report_piece(void *context, uint64_t at, uint64_t len)
{
    struct ram_report *report = context;
    const uint8_t *a = report->pair->side[0].ram->base + at, *b = report->pair->side[1].ram->base + at;

    for (uint64_t i = 0; i < len; i += ROW) { /* pieces are whole pages */
        unsigned differ = 0;

        if (memcmp(a + i, b + i, ROW) == 0)
            continue;
        for (unsigned byte = 0; byte < ROW; byte++)
            differ += a[i + byte] != b[i + byte];
        report->bytes += differ;
        if (report->rows++ >= ROWS_SHOWN)
            continue;
        printf("  %#12" PRIx64 " ", at + i);
        print_row(a + i, b + i, report->colour);
        printf("\n  %12s ", "");
        print_row(b + i, a + i, report->colour);
        printf("\n");
    }
    return true;
}

static void print_ram(const struct pair *pair, bool colour)
{
    struct ram_report report = {.pair = pair, .colour = colour};

    if (!rams_differ(pair->side[0].ram, pair->side[1].ram)) {
        printf("\nMemory is the same.\n");
        return;
    }
    printf("\nMemory, by physical address; above %s, below %s\n", pair->side[0].ops->name, pair->side[1].ops->name);
    ram_pieces(pair->side[0].ram, pair->side[1].ram, gpa(0), pair->side[0].ram->size, report_piece, &report);
    if (report.rows > ROWS_SHOWN)
        printf("  and %u rows more\n", report.rows - ROWS_SHOWN);
    printf("  %" PRIu64 " byte%s differ%s\n", report.bytes, report.bytes == 1 ? "" : "s", report.bytes == 1 ? "s" : "");
}

void report_masks(const struct pair *pair)
{
    const struct engine_ops *const engine[2] = {pair->side[0].ops, pair->side[1].ops};
    const struct mask_rule *rule;

    for (unsigned i = 0; (rule = mask_rule_at(i)); i++) {
        if (rule->engine && mask_rule_holds(rule, engine))
            printf("left out, %s: %s\n", rule->engine, rule->text);
    }
}

void report_difference(const struct pair *pair, bool repeated, bool colour)
{
    print_headline(pair, repeated);
    print_exits(pair);
    print_instruction(pair);
    print_log(pair);
    print_state(pair, colour);
    print_ram(pair, colour);
    report_masks(pair);
}
