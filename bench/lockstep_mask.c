/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_mask.c - the rules of the architecture, and the list of all tables of rules (lockstep_mask.h).
 */
#include "lockstep_mask.h"

#include <string.h>

#include "lockstep_image.h"
#include "lockstep_state.h"

bool exit_is_read(const struct vm_exit *exit)
{
    return (exit->kind == VM_EXIT_IO && exit->io.in) || (exit->kind == VM_EXIT_MMIO && !exit->mmio.write) ||
           exit->kind == VM_EXIT_HYPERCALL;
}

static void undefined_flags(const struct mask_point *point, struct mask *mask)
{
    if (point->exact)
        mask->ignore.rflags |= point->undefined_flags;
}

static void flags_at_exit(const struct mask_point *point, struct mask *mask)
{
    if (!point->exact)
        mask->ignore.rflags |= FLAGS_STATUS;
}

/* RIP may be that of the instruction or of the next; when the engines differ in this, the instruction isn't known. */
static void unfinished_read(const struct mask_point *point, struct mask *mask)
{
    if (!point->exit || !exit_is_read(point->exit))
        return;
    if (point->state[0]->rip != point->state[1]->rip || !code_ignore_outputs(point->next, &mask->ignore))
        memset(&mask->ignore, 0xff, sizeof mask->ignore);
}

/* A string instruction's exits may come one for each element, or one for many. */
static void unfinished_string(const struct mask_point *point, struct mask *mask)
{
    const struct code *code = point->next;
    unsigned at = 0;

    if (!point->exit || (point->exit->kind != VM_EXIT_IO && point->exit->kind != VM_EXIT_MMIO))
        return;
    while (at < code->length && (code->bytes[at] == 0x66 || code->bytes[at] == 0x67 || code->bytes[at] == 0x2e))
        at++;
    if (at < code->length && (code->bytes[at] == 0xf2 || code->bytes[at] == 0xf3))
        code_ignore_outputs(code, &mask->ignore);
}

static void stored_images(const struct mask_point *point, struct mask *mask)
{
    for (unsigned i = 0; i < GPR_COUNT; i++)
        mask->ignore.gpr[i] |= image_may_differ(point->state[0]->gpr[i], point->state[1]->gpr[i]);
}

static void time_at_exit(const struct mask_point *point, struct mask *mask)
{
    if (!point->exact)
        mask->ignore.tsc = UINT64_MAX;
}

static void halted_at_exit(const struct mask_point *point, struct mask *mask)
{
    if (point->exit)
        memset(&mask->ignore.halted, 0xff, sizeof mask->ignore.halted);
}

static void unusable_segments(const struct mask_point *point, struct mask *mask)
{
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        if (!(point->state[0]->seg[i].attr & point->state[1]->seg[i].attr & ATTR_UNUSABLE))
            continue;
        mask->ignore.seg[i].limit = UINT32_MAX;
        mask->ignore.seg[i].attr = (uint32_t)~ATTR_UNUSABLE;
        if (i != SEG_FS && i != SEG_GS) /* these two bases count in 64-bit mode all the same */
            mask->ignore.seg[i].base = UINT64_MAX;
    }
}

static void no_event(const struct mask_point *point, struct mask *mask)
{
    if (point->state[0]->event.valid || point->state[1]->event.valid)
        return;
    memset(&mask->ignore.event, 0xff, sizeof mask->ignore.event);
}

static const struct mask_rule architecture[] = {
    {NULL, "status flags that the manual leaves undefined, until an instruction defines them", undefined_flags},
    {NULL, "at exits: the status flags, because the last instruction that wrote them isn't known", flags_at_exit},
    {NULL, "at exits: outputs of the instruction, and RIP, while a read waits for its value", unfinished_read},
    {NULL, "at exits: outputs of a REP string instruction on its way", unfinished_string},
    {NULL, "AF in stored images of RFLAGS, in registers and memory", stored_images},
    {NULL, "at exits: the TSC", time_at_exit},
    {NULL, "at exits: whether HLT shows as a halted CPU already", halted_at_exit},
    {NULL, "the hidden parts of unusable segments", unusable_segments},
    {NULL, "the fields of an event when there is none", no_event},
    {0},
};

static const struct mask_rule *const tables[] = {architecture, unicorn_mask_rules};

const struct mask_rule *mask_rule_at(unsigned i)
{
    for (unsigned t = 0; t < ARRAY_SIZE(tables); t++) {
        for (const struct mask_rule *rule = tables[t]; rule->apply; rule++) {
            if (i-- == 0)
                return rule;
        }
    }
    return NULL;
}

bool mask_rule_holds(const struct mask_rule *rule, const struct engine_ops *const engine[2])
{
    return !rule->engine || strcmp(rule->engine, engine[0]->name) == 0 || strcmp(rule->engine, engine[1]->name) == 0;
}

void mask_make(const struct mask_point *point, const struct engine_ops *const engine[2], struct mask *mask)
{
    const struct mask_rule *rule;

    memset(mask, 0, sizeof *mask);
    for (unsigned i = 0; (rule = mask_rule_at(i)); i++) {
        if (mask_rule_holds(rule, engine))
            rule->apply(point, mask);
    }
    for (size_t i = 0; i < sizeof mask->ignore; i++)
        ((uint8_t *)&mask->ignore)[i] |= ((const uint8_t *)&mask->carry)[i];
}
