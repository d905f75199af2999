/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan.c - looks for silent sensitive instructions. Read scan.h first; SDM 3, 5.9 and 26.1.2 have the lists.
 *
 * Next: run.c, which asks.
 */
#include "full/direct/scan.h"
#include "x86/decode.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INSN_MAX 15

/* What is known of a frame. An instruction is known by its first byte. */
struct scanned {
    bool sensitive;
    uint64_t known[PAGE_SIZE / 64];
};

struct scan {
    const struct ram *ram;
    ZydisDecoder decoder;
    struct scanned **frame; /* NULL: not looked at */
};

struct scan *scan_create(const struct ram *ram, struct reason *why)
{
    struct scan *scan = calloc(1, sizeof(*scan));
    if (scan)
        scan->frame = calloc(ram->size >> PAGE_SHIFT, sizeof(*scan->frame));
    if (!scan || !scan->frame) {
        free(scan);
        fail(why, ENOMEM, "not enough memory to keep books of scanned code");
        return NULL;
    }
    scan->ram = ram;
    ZydisDecoderInit(&scan->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return scan;
}

void scan_destroy(struct scan *scan)
{
    if (!scan)
        return;
    for (uint64_t i = 0; i < scan->ram->size >> PAGE_SHIFT; i++)
        free(scan->frame[i]);
    free(scan->frame);
    free(scan);
}

void scan_forget(struct scan *scan, gpa_t frame)
{
    struct scanned **slot = &scan->frame[frame.v >> PAGE_SHIFT];
    free(*slot);
    *slot = NULL;
}

/* ---- one instruction ---- */

/*
 * Segment registers: a process of the host has selectors and descriptors of its own. FS and GS bases can be set as well
 * where the guest has not set CR4.FSGSBASE; that the same code is all right where it has is not worth telling apart.
 */
static bool touches_segments(const ZydisDecodedInstruction *z)
{
    if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
        return z->opcode == 0x8c || z->opcode == 0x8e; /* MOV from and to */
    if (z->opcode_map != ZYDIS_OPCODE_MAP_0F)
        return false;
    switch (z->opcode) {
    case 0xa0:
    case 0xa1: /* PUSH and POP FS */
    case 0xa8:
    case 0xa9:              /* PUSH and POP GS */
    case 0xb2:              /* LSS */
    case 0xb4:              /* LFS */
    case 0xb5: return true; /* LGS */
    default: return false;
    }
}

static bool silent(const ZydisDecodedInstruction *z)
{
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_SGDT:
    case ZYDIS_MNEMONIC_SIDT:
    case ZYDIS_MNEMONIC_SLDT:
    case ZYDIS_MNEMONIC_STR:
    case ZYDIS_MNEMONIC_SMSW:
    case ZYDIS_MNEMONIC_LAR:
    case ZYDIS_MNEMONIC_LSL:
    case ZYDIS_MNEMONIC_VERR:
    case ZYDIS_MNEMONIC_VERW:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_SYSENTER: /* loses RIP and RSP (world.h) */
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_RDFSBASE:
    case ZYDIS_MNEMONIC_RDGSBASE:
    case ZYDIS_MNEMONIC_WRFSBASE:
    case ZYDIS_MNEMONIC_WRGSBASE:
    case ZYDIS_MNEMONIC_XGETBV:
    case ZYDIS_MNEMONIC_VMCALL: /* the host may itself be a guest of somebody, who answers */
    case ZYDIS_MNEMONIC_VMMCALL:
    case ZYDIS_MNEMONIC_VMFUNC: return true;
    case ZYDIS_MNEMONIC_TZCNT: return false;
    /* #UD for the guest, whose CPU lacks it; the host's may have it. */
    default: return !decode_knows(z->mnemonic);
    }
}

bool scan_instruction(const struct scan *scan, const uint8_t *bytes, unsigned avail, unsigned *len)
{
    ZydisDecodedInstruction z;
    *len = 0;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&scan->decoder, NULL, bytes, avail, &z)))
        return false; /* #UD for both */
    *len = z.length;
    /* A far transfer goes to any selector that the host has. */
    return silent(&z) || touches_segments(&z) || z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
}

/* ---- a page ---- */

struct page {
    const struct scan *scan;
    const uint8_t *bytes, *next;
};

static bool sensitive_at(const struct page *page, unsigned at, unsigned *len)
{
    uint8_t both[INSN_MAX];
    unsigned left = (unsigned)PAGE_SIZE - at;
    if (left >= INSN_MAX || !page->next)
        return scan_instruction(page->scan, page->bytes + at, left, len);
    memcpy(both, page->bytes + at, left);
    memcpy(both + left, page->next, INSN_MAX - left);
    return scan_instruction(page->scan, both, INSN_MAX, len);
}

static bool known(const struct scanned *s, unsigned at)
{
    return s->known[at / 64] >> (at % 64) & 1;
}

/* Decodes from `at` until the page's end or a known instruction, whose offset it returns. */
static unsigned sweep(const struct page *page, struct scanned *s, unsigned at)
{
    while (at < PAGE_SIZE && !known(s, at)) {
        unsigned len;
        s->sensitive |= sensitive_at(page, at, &len);
        s->known[at / 64] |= UINT64_C(1) << (at % 64);
        at += len ? len : 1;
    }
    return at;
}

/* The offset from which on the decodings from the page's first bytes agree. */
static unsigned agreement(const struct page *page)
{
    struct scanned all = {0};
    unsigned from = 0;
    sweep(page, &all, 0);
    for (unsigned start = 1; start < INSN_MAX; start++) {
        unsigned joined = sweep(page, &all, start);
        from = joined > from ? joined : from;
    }
    return from;
}

bool scan_page(struct scan *scan, gpa_t frame, unsigned entry, const uint8_t *next)
{
    const struct page page = {scan, ram_at(scan->ram, frame, PAGE_SIZE), next};
    struct scanned **slot = &scan->frame[frame.v >> PAGE_SHIFT];
    if (!*slot) {
        *slot = calloc(1, sizeof(**slot));
        if (!*slot)
            return true; /* no memory for books: software can do without */
        sweep(&page, *slot, agreement(&page));
    }
    sweep(&page, *slot, entry);
    return (*slot)->sensitive;
}
