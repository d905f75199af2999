/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dump.c - what the translator made, for people: $VIRTLAB_BT_DUMP names a file, and each translation is written there,
 * the guest's instructions first, then the host's. A way to see where time goes, and to learn how it is done.
 *
 * In the host's code RSP is struct cpu *, R12 and R13 are the guest's RSP and R12.
 */
#include "full/bt/bt.h"
#include <stdio.h>
#include <stdlib.h>

/* One line an instruction; returns its length. */
static unsigned print_one(FILE *out, const struct bt *bt, uint64_t address, const uint8_t *code, uint64_t size)
{
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    ZydisFormatter formatter;
    char text[128] = "(unknown)";
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    bool known = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&bt->decoder, code, size, &z, operand));
    if (known)
        ZydisFormatterFormatInstruction(&formatter, &z, operand, z.operand_count_visible, text, sizeof(text), address,
                                        NULL);
    fprintf(out, "  %llx  %s\n", (unsigned long long)address, text);
    return known ? z.length : 1;
}

static void print_guest(FILE *out, const struct unit *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        const struct decoded *d = decoded_step(t, i);
        ZydisFormatter formatter;
        char text[128] = "(unknown)";
        uint64_t at = (t->step[i].block->gpa.v & PAGE_MASK) + t->step[i].in->off;
        ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
        if (d->z.mnemonic != ZYDIS_MNEMONIC_INVALID)
            ZydisFormatterFormatInstruction(&formatter, &d->z, d->operand, d->z.operand_count_visible, text,
                                            sizeof(text), at, NULL);
        fprintf(out, "  %llx  %s\n", (unsigned long long)at, text);
    }
}

void dump_translation(const struct unit *t, const uint8_t *start)
{
    const struct bt *bt = t->bt;
    const struct block *block = t->block;
    const char *name = getenv("VIRTLAB_BT_DUMP");
    FILE *out = name ? fopen(name, "ae") : NULL;
    if (!out)
        return;
    fprintf(out, "guest %#llx, %u instructions:\n", (unsigned long long)block->gpa.v, t->count);
    print_guest(out, t);
    fprintf(out, "host, %zu bytes:\n", (size_t)(bt->code.at - start));
    for (const uint8_t *at = start; at < bt->code.at;) {
        if (at == block->native_flags)
            fprintf(out, " flags in RFLAGS:\n");
        if (at == block->native)
            fprintf(out, " flags saved:\n");
        at += print_one(out, bt, (uint64_t)(uintptr_t)at, at, (uint64_t)(bt->code.at - at));
    }
    fclose(out);
}
