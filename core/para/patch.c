/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * patch.c - system calls of user code rewritten into jumps to the gate, after their first exit (as gVisor's systrap
 * does).
 *
 * SYSCALL is two bytes, a jump five. Either the instruction before it is `mov $number, %eax`, five bytes that become
 * the jump; or the one behind it has three bytes or more and can be moved: then the jump takes its place, too. The jump
 * leads to a trampoline that sets RCX to where to go on, and enters the gate; two bytes before that place stands a real
 * SYSCALL, for kernels that restart a call by going back two bytes.
 *
 * Guest memory is not touched: code is executed from a shadow of its page, and the page itself is made read-only to the
 * kernel, so that a change is seen and the shadow dropped. (User code that reads its own code can see the jump.)
 *
 * Somebody may come to the moved instruction's place: by a jump, or back from a call made before. Therefore the jump's
 * third byte is made to be 0xcc, INT3, by the choice of the trampoline's place: the breakpoint leads to where it is
 * now.
 *
 * Trampolines lie in the last 64 KiB of each GiB, so that all code can reach them. A guest that maps something there
 * gets it, and no code is rewritten any more.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <Zydis/Zydis.h>

#include "para/direct.h"
#include "para/gate.h"

#define GIB       UINT64_C(0x40000000)
#define AREA_SIZE UINT64_C(0x10000)
#define SLOT      64
#define SITES_MAX 16
#define CALL_SIZE 2
#define JUMP_SIZE 5
#define TRAP_BYTE 0xcc
#define RET       0xc3
#define NEXT_MIN  3 /* of the instruction that is moved */
#define NO_FRAME  UINT64_MAX
#define MOVED_AT  24 /* in a trampoline whose first instruction is NOP */

struct shadow {
    uint64_t frame; /* NO_FRAME: free */
    unsigned sites;
    struct {
        uint16_t from,
            to; /* an instruction was moved: from this offset in the page to this one in the trampolines' area */
    } moved[SITES_MAX];
    bool never; /* the guest needs the trampolines' place */
};

static struct shadow *find(const struct engine *e, uint64_t frame)
{
    for (unsigned i = 0; e->shadow && i < GATE_SHADOW_PAGES; i++) {
        if (e->shadow[i].frame == frame)
            return &e->shadow[i];
    }
    return NULL;
}

static uint64_t shadow_frame(const struct engine *e, const struct shadow *shadow)
{
    return (e->info.gate >> PAGE_SHIFT) + GATE_SHADOWS + (uint64_t)(shadow - e->shadow);
}

static uint8_t *page_of(const struct engine *e, uint64_t frame)
{
    return ram_at(e->host->ram, gpa(frame << PAGE_SHIFT), PAGE_SIZE);
}

bool patch_has(const struct engine *e, uint64_t frame)
{
    return find(e, frame) != NULL;
}

uint64_t patch_frame(const struct engine *e, uint64_t frame)
{
    const struct shadow *shadow = find(e, frame);

    return shadow && !shadow->never ? shadow_frame(e, shadow) : frame;
}

static void set_kernels_rights(struct engine *e, uint64_t frame)
{
    struct world_space *kernel = world_space_find(e->pool, KERNEL_KEY);

    if (e->kernel_mapped && kernel &&
        world_protect(kernel, gva(PARA_WINDOW + (frame << PAGE_SHIFT)), PAGE_SIZE, frame_window_rights(e, frame), NULL))
        e->kernel_mapped = false;
}

void patch_drop(struct engine *e, uint64_t frame)
{
    struct shadow *shadow = find(e, frame);

    if (!shadow)
        return;
    update_empty_spaces(e); /* nobody executes the shadow any more */
    shadow->frame = NO_FRAME;
    shadow->never = false;
    set_kernels_rights(e, frame);
}

static struct shadow *make(struct engine *e, uint64_t frame)
{
    struct shadow *shadow;

    if (!e->shadow) {
        e->shadow = malloc(GATE_SHADOW_PAGES * sizeof *e->shadow);
        for (unsigned i = 0; e->shadow && i < GATE_SHADOW_PAGES; i++)
            e->shadow[i] = (struct shadow){.frame = NO_FRAME};
    }
    shadow = find(e, NO_FRAME);
    if (!shadow)
        return NULL;
    if (shadow->never) /* the guest needs the trampolines' place */
        return NULL;
    *shadow = (struct shadow){.frame = frame};
    set_kernels_rights(e, frame); /* it stands still from here on */
    memcpy(page_of(e, shadow_frame(e, shadow)), page_of(e, frame), PAGE_SIZE);
    return shadow;
}

/* ---- one site ---- */

struct site {
    uint64_t jump;  /* where the jump goes */
    uint64_t next;  /* the instruction behind SYSCALL */
    uint8_t moved;  /* its length, when it is moved; else 0 */
    bool loads_rax; /* the jump replaces mov $number, %eax */
    uint32_t number;
};

/* May this instruction be executed elsewhere? */
static uint8_t movable(const uint8_t *bytes, size_t size)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (bytes[0] == RET) { /* behind it nobody comes by, and where it is filled up nobody jumps to */
        bool filled = !ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes + 1, size - 1, &in, operands)) &&
                      in.mnemonic == ZYDIS_MNEMONIC_NOP && in.length >= NEXT_MIN - 1;
        return filled ? 1 : 0;
    }
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes, size, &in, operands)) || in.length < NEXT_MIN)
        return 0;
    if (in.attributes & ZYDIS_ATTRIB_IS_RELATIVE)
        return 0;
    switch (in.meta.category) {
    case ZYDIS_CATEGORY_DATAXFER:
    case ZYDIS_CATEGORY_BINARY:
    case ZYDIS_CATEGORY_LOGICAL: return in.length;
    default: return 0; /* rather too few */
    }
}

static bool choose(const uint8_t *page, uint64_t call, uint64_t rax, struct site *site)
{
    unsigned at = call & ~PAGE_MASK, next = at + CALL_SIZE;

    *site = (struct site){.jump = call, .next = call + CALL_SIZE};
    if (at >= JUMP_SIZE && page[at - JUMP_SIZE] == 0xb8) {
        memcpy(&site->number, page + at - 4, sizeof site->number);
        site->loads_rax = site->number == rax;
        if (site->loads_rax) {
            site->jump = call - JUMP_SIZE;
            return true;
        }
    }
    if (next + 15 > PAGE_SIZE)
        return false;
    site->moved = movable(page + next, 15);
    return site->moved != 0;
}

/* A free slot of the trampolines' area; for a moved instruction, one for which the jump's third byte is INT3. */
static bool place(const struct engine *e, const struct site *site, uint64_t *slot)
{
    uint64_t area = (site->jump & ~(GIB - 1)) + GIB - AREA_SIZE, behind = site->jump + JUMP_SIZE;
    uint8_t *pages = page_of(e, (e->info.gate >> PAGE_SHIFT) + GATE_TRAMPOLINES);

    for (uint64_t at = 0; at < AREA_SIZE; at += SLOT) {
        uint64_t distance = area + at - behind;

        if (pages[at] || (site->moved && (distance >> 8 & 0xff) != TRAP_BYTE))
            continue;
        *slot = area + at;
        return distance + 0x80000000 <= UINT32_MAX;
    }
    return false;
}

static void write_trampoline(const struct engine *e, const struct site *site, uint64_t slot, const uint8_t *next)
{
    uint8_t *code = page_of(e, (e->info.gate >> PAGE_SHIFT) + GATE_TRAMPOLINES) + (slot & (AREA_SIZE - 1));
    uint64_t gate = GATE_VA + (uint64_t)(gate_entry - gate_user), back = site->next + site->moved;
    static const uint8_t lea[] = {0x48, 0x8d, 0x0d, 16, 0, 0, 0}; /* lea 16(%rip), %rcx: behind `call` below */
    static const uint8_t jump[] = {0xff, 0x25, 0, 0, 0, 0};       /* jmp *0(%rip) */
    static const uint8_t call[] = {0x0f, 0x05};

    *code++ = site->loads_rax ? 0xb8 : 0x90; /* never 0, which means free */
    if (site->loads_rax) {
        memcpy(code, &site->number, 4);
        code += 4;
    }
    memcpy(code, lea, sizeof lea);
    code += sizeof lea;
    memcpy(code, jump, sizeof jump);
    memcpy(code + sizeof jump, &gate, 8);
    code += sizeof jump + 8;
    memcpy(code, call, sizeof call);
    code += sizeof call;
    memcpy(code, next, site->moved);
    code += site->moved;
    memcpy(code, jump, sizeof jump);
    memcpy(code + sizeof jump, &back, 8);
}

static bool rewrite(struct engine *e, struct shadow *shadow, uint64_t call, uint64_t rax)
{
    uint8_t *page = page_of(e, shadow_frame(e, shadow)), *at;
    struct site site;
    uint64_t slot;
    uint32_t distance;

    if (shadow->sites == SITES_MAX || !choose(page, call, rax, &site) || !place(e, &site, &slot))
        return false;
    write_trampoline(e, &site, slot, page + (site.next & ~PAGE_MASK));
    distance = (uint32_t)(slot - (site.jump + JUMP_SIZE));
    at = page + (site.jump & ~PAGE_MASK);
    at[0] = 0xe9;
    memcpy(at + 1, &distance, 4);
    if (site.moved) {
        shadow->moved[shadow->sites].from = site.next & ~PAGE_MASK;
        shadow->moved[shadow->sites].to = (uint16_t)(slot + MOVED_AT);
    }
    shadow->sites++;
    return true;
}

static bool in_area(uint64_t va)
{
    return va < PARA_WINDOW && (va & (GIB - 1)) >= GIB - AREA_SIZE;
}

bool patch_fault(struct engine *e, uint64_t address)
{
    struct world_space *space = world_space_find(e->pool, e->cr3);
    uint64_t frame;

    if (!e->shadow || !in_area(address) || !space || update_code_frame(e, address, &frame))
        return false;
    return world_map(space, gva(address & ~(AREA_SIZE - 1)), e->info.gate + GATE_TRAMPOLINES * PAGE_SIZE, AREA_SIZE,
                     PROT_READ | PROT_EXEC, 0, NULL) == 0;
}

void patch_give_way(struct engine *e, uint64_t va)
{
    if (!in_area(va) || !e->shadow)
        return;
    for (unsigned i = 0; i < GATE_SHADOW_PAGES; i++)
        e->shadow[i].never = true;
    update_empty_spaces(e);
}

/* Where the moved instruction is now. */
static uint64_t moved_to(const struct shadow *shadow, uint64_t at)
{
    for (unsigned i = 0; i < shadow->sites; i++) {
        if (shadow->moved[i].from && shadow->moved[i].from == (at & ~PAGE_MASK))
            return (at & ~(GIB - 1)) + GIB - AREA_SIZE + shadow->moved[i].to;
    }
    return at;
}

bool patch_breakpoint(struct engine *e)
{
    uint64_t at = e->user.rip - 1, frame, to;
    const struct shadow *shadow;

    if (!update_code_frame(e, at, &frame))
        return false;
    shadow = find(e, frame);
    to = shadow ? moved_to(shadow, at) : at;
    if (to == at)
        return false;
    e->user.rip = to;
    return true;
}

void patch_call(struct engine *e)
{
    uint64_t call = e->user.rip - CALL_SIZE, frame;
    struct world_space *space = world_space_find(e->pool, e->cr3);
    struct shadow *shadow;
    const uint8_t *page;

    if (!world_costs(e->pool)->spin || !space || !update_code_frame(e, call, &frame) || e->frame[frame].writable ||
        e->frame[frame].type != FRAME_PAGE || (call & ~PAGE_MASK) > PAGE_SIZE - CALL_SIZE)
        return;
    shadow = find(e, frame);
    shadow = shadow ? shadow : make(e, frame);
    if (!shadow || shadow->never)
        return;
    page = page_of(e, shadow_frame(e, shadow));
    if (page[call & ~PAGE_MASK] == 0x0f && !rewrite(e, shadow, call, e->user.gpr[RAX]))
        return;
    e->user.rip = moved_to(shadow, call + CALL_SIZE);
    if (update_map_page(e, space, call)) /* a failure leaves nothing mapped, which is right, too */
        return;
}
