/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exhibit_judge.c - from three runs of an instruction to Popek and Goldberg's words. The same for every instruction
 * set.
 *
 *   control sensitive     in the kernel's place it changed something that belongs to the supervisor, or left the CPU
 *   behaviour sensitive   in state B it gave another result, or ended otherwise, than in state A
 *   shows the machine     in user mode it was carried out, silently, but with another result than on the virtual
 *                         machine: a dependence that A and B can't bring out, since both have the same CPU
 *   privileged            it trapped in user mode, and not in the kernel's place
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "exhibit.h"

static const struct {
    const char *name, *text;
} classes[EXHIBIT_CLASS_COUNT] = {
    [EXHIBIT_INNOCUOUS] = {"innocuous", "not sensitive"},
    [EXHIBIT_PRIVILEGED] = {"sensitive-privileged", "sensitive, traps"},
    [EXHIBIT_SILENT] = {"sensitive-unprivileged", "SENSITIVE, SILENT"},
    [EXHIBIT_OPEN] = {"sensitive-open", "sensitive, left open"},
    [EXHIBIT_PRIVILEGED_ALONE] = {"privileged", "traps, no effect seen"},
    [EXHIBIT_ALWAYS_TRAPS] = {"always-traps", "traps in both modes"},
    [EXHIBIT_UNKNOWN] = {"unknown", "could not be run"},
};

const char *exhibit_class_name(enum exhibit_class class)
{
    return classes[class].name;
}

const char *exhibit_class_text(enum exhibit_class class)
{
    return classes[class].text;
}

void exhibit_add(struct exhibit_value *list, unsigned *count, unsigned room, const char *name, uint64_t value)
{
    if (*count < room)
        list[(*count)++] = (struct exhibit_value){name, value};
}

/* ---- what differs ---- */

/* Index of the first value in which two runs' results differ; -1: none. */
static int first_difference(const struct exhibit_run *a, const struct exhibit_run *b)
{
    for (unsigned i = 0; i < a->seen_count && i < b->seen_count; i++) {
        if (a->seen[i].value != b->seen[i].value)
            return (int)i;
    }
    return -1;
}

static bool other_result(const struct exhibit_run *a, const struct exhibit_run *b)
{
    return a->end != b->end || (a->end == EXHIBIT_DONE && first_difference(a, b) >= 0);
}

static bool changes_system(const struct exhibit_run *run)
{
    for (unsigned i = 0; i < run->system_count; i++) {
        if (run->before[i].value != run->after[i].value)
            return true;
    }
    return false;
}

static bool changes_anything(const struct exhibit_run *run)
{
    return run->end == EXHIBIT_LEFT || (run->end == EXHIBIT_DONE && changes_system(run));
}

static bool traps(const struct exhibit_run *run)
{
    return run->end == EXHIBIT_TRAP || run->end == EXHIBIT_ENTER;
}

/* ---- in words ---- */

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

/* One observed value: "selector 0x33", or the named bits of a flags image. */
static void tell_value(char *text, size_t size, const struct exhibit_row *row, const struct exhibit_value *value,
                       bool first)
{
    const char *name = first && *row->shows ? row->shows : value->name;

    if (first && row->image)
        append(text, size, "%s has IF=%u IOPL=%u", name, (unsigned)(value->value >> 9 & 1),
               (unsigned)(value->value >> 12 & 3));
    else
        append(text, size, "%s %#llx", name, (unsigned long long)value->value);
}

/* What belongs to the supervisor and was changed: "IF 0 -> 1, CR0 ...", at most three of them. */
static void tell_changes(char *text, size_t size, const struct exhibit_run *run)
{
    unsigned told = 0;

    for (unsigned i = 0; i < run->system_count; i++) {
        if (run->before[i].value == run->after[i].value)
            continue;
        if (told++ == 3) {
            append(text, size, " ...");
            return;
        }
        append(text, size, "%s%s %#llx -> %#llx", told > 1 ? ", " : "", run->before[i].name,
               (unsigned long long)run->before[i].value, (unsigned long long)run->after[i].value);
    }
}

static void tell_user(struct exhibit_result *result)
{
    char *text = result->verdict.user;
    const size_t size = sizeof result->verdict.user;
    const struct exhibit_run *user = &result->user, *kernel = &result->kernel;

    if (user->end != EXHIBIT_DONE) {
        append(text, size, "%s%s", user->end == EXHIBIT_LEFT ? "silent: " : "", user->how);
        return;
    }
    int at = first_difference(user, kernel->end == EXHIBIT_DONE ? kernel : &(struct exhibit_run){0});
    if (kernel->end == EXHIBIT_TRAP)
        at = 0;
    append(text, size, "silent");
    if (at >= 0) {
        append(text, size, ": ");
        tell_value(text, size, &result->row, &user->seen[at], at == 0);
    } else if (changes_anything(kernel) || changes_anything(&result->other)) {
        append(text, size, ": the supervisor learns nothing");
    } else {
        append(text, size, ": the same");
    }
}

static void tell_kernel(struct exhibit_result *result)
{
    char *text = result->verdict.kernel;
    const size_t size = sizeof result->verdict.kernel;
    const struct exhibit_run *user = &result->user, *kernel = &result->kernel, *other = &result->other;

    if (kernel->end != EXHIBIT_DONE) {
        append(text, size, "%s", kernel->how);
        return;
    }
    int at = first_difference(kernel, user->end == EXHIBIT_DONE ? user : other);
    if (at >= 0)
        tell_value(text, size, &result->row, &kernel->seen[at], at == 0);
    else if (changes_system(kernel))
        tell_changes(text, size, kernel);
    else if (changes_system(other))
        tell_changes(text, size, other);
    else
        append(text, size, "done");
}

static void tell_evidence(struct exhibit_result *result)
{
    struct exhibit_verdict *v = &result->verdict;
    const struct exhibit_run *kernel = &result->kernel, *other = &result->other;
    const size_t size = sizeof v->evidence;

    if (v->control) {
        const struct exhibit_run *run = changes_anything(kernel) ? kernel : other;
        append(v->evidence, size, "control: ");
        if (run->end == EXHIBIT_LEFT)
            append(v->evidence, size, "%s", run->how);
        else
            tell_changes(v->evidence, size, run);
    }
    if (v->behaviour) {
        int at = first_difference(kernel, other);
        append(v->evidence, size, "%sbehaviour: ", *v->evidence ? "; " : "");
        if (kernel->end != other->end)
            append(v->evidence, size, "in state B %s", *other->how ? other->how : "it is carried out");
        else if (at >= 0)
            append(v->evidence, size, "%s %#llx in state A, %#llx in B", kernel->seen[at].name,
                   (unsigned long long)kernel->seen[at].value, (unsigned long long)other->seen[at].value);
    }
    if (v->identity)
        append(v->evidence, size, "%sshows the machine that it runs on", *v->evidence ? "; " : "");
}

/* ---- the judgement ---- */

static enum exhibit_class classify(const struct exhibit_result *result)
{
    const struct exhibit_verdict *v = &result->verdict;
    bool sensitive = v->control || v->behaviour || v->identity;

    if (result->user.end == EXHIBIT_UNRUN || result->kernel.end == EXHIBIT_UNRUN || result->other.end == EXHIBIT_UNRUN)
        return EXHIBIT_UNKNOWN;
    if (traps(&result->user) && traps(&result->kernel) && traps(&result->other))
        return EXHIBIT_ALWAYS_TRAPS;
    if (traps(&result->user))
        return sensitive ? EXHIBIT_PRIVILEGED : EXHIBIT_PRIVILEGED_ALONE;
    return sensitive ? EXHIBIT_SILENT : EXHIBIT_INNOCUOUS;
}

static void judge(struct exhibit_result *result)
{
    struct exhibit_verdict *v = &result->verdict;
    const struct exhibit_run *user = &result->user, *kernel = &result->kernel, *other = &result->other;

    *v = (struct exhibit_verdict){0};
    v->control = changes_anything(kernel) || changes_anything(other);
    v->behaviour = other_result(kernel, other);
    v->identity = user->end == EXHIBIT_DONE && kernel->end != EXHIBIT_LEFT && other_result(user, kernel);
    v->class = classify(result);
    tell_user(result);
    tell_kernel(result);
    if (v->class == EXHIBIT_PRIVILEGED || v->class == EXHIBIT_SILENT)
        tell_evidence(result);
}

/* A switch closed: is the instruction silent only while the supervisor wants it so? */
static void judge_open(struct exhibit_result *result, const struct exhibit_result *closed)
{
    if (result->verdict.class != EXHIBIT_SILENT)
        return;
    if (traps(&closed->user))
        result->verdict.class = EXHIBIT_OPEN;
    result->verdict.deviates = closed->verdict.deviates;
}

void exhibit_judge(struct exhibit *exhibit)
{
    for (unsigned i = 0; i < exhibit->count; i++) {
        struct exhibit_result *result = &exhibit->results[i];
        judge(result);
        result->verdict.deviates = result->row.must_trap && result->verdict.class == EXHIBIT_SILENT;
    }
    for (unsigned i = 0; i + 1 < exhibit->count; i++) {
        if (exhibit->results[i].row.closable)
            judge_open(&exhibit->results[i], &exhibit->results[i + 1]);
    }
}

unsigned exhibit_deviations(const struct exhibit *exhibit)
{
    unsigned count = 0;

    for (unsigned i = 0; i < exhibit->count; i++)
        count += exhibit->results[i].verdict.deviates;
    return count;
}

unsigned exhibit_count(const struct exhibit *exhibit, enum exhibit_class class)
{
    unsigned count = 0;

    for (unsigned i = 0; i < exhibit->count; i++)
        count += exhibit->results[i].verdict.class == class;
    return count;
}
