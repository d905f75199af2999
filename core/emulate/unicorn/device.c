/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.c - instructions that access a device in guest-physical memory.
 *
 * Where a device may be, no memory is mapped: the library stops at such an instruction, undone. It is then executed
 * once more, alone, with the page mapped as a device whose reads are answered from a list. A read that isn't in the
 * list makes the attempt void: registers are put back, run() returns with the read, and the instruction is tried again
 * with the answer at the list's end. Writes are collected, and posted when an attempt comes through.
 *
 * So every instruction works, whatever it reads and writes, at about 50 us each: devices are for polling seldom.
 */
#include "emulate/unicorn/parts.h"

typedef unsigned long long ull;

/* ---- one attempt ---- */

/* The library makes two accesses of an instruction's 8-byte one (2.0.1). Is this its first half, or its second? */
static bool is_half(const struct access *whole, uint64_t at, unsigned size, unsigned half)
{
    return whole->size == 8 && size == 4 && at == whole->gpa.v + 4 * half;
}

static uint64_t on_read(uc_engine *uc, uint64_t offset, unsigned size, void *page)
{
    struct device_page *p = page;
    struct replay *r = &p->engine->replay;
    const struct access *next = &r->answer[r->next_answer];
    uint64_t at = p->gpa + offset;

    (void)uc;
    if (r->next_answer < r->answers) {
        if (is_half(next, at, size, 0))
            return (uint32_t)next->value;
        if (is_half(next, at, size, 1) || (next->gpa.v == at && next->size == size)) {
            r->next_answer++;
            return next->size == size ? next->value : next->value >> 32;
        }
    }
    if (!r->wants) {
        r->wants = true;
        r->want = is_half(&r->first, at, size, 0) ? r->first : (struct access){.gpa = gpa(at), .size = size};
    }
    return 0;
}

static void on_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *page)
{
    struct device_page *p = page;
    struct replay *r = &p->engine->replay;
    uint64_t at = p->gpa + offset;

    (void)uc;
    if (r->writes && is_half(&r->first, at, size, 1) && r->write[r->writes - 1].gpa.v + 4 == at) {
        r->write[r->writes - 1].size = 8;
        r->write[r->writes - 1].value |= value << 32;
    } else if (r->writes < ACCESSES_MAX) {
        r->write[r->writes++] = (struct access){.gpa = gpa(at), .size = size, .value = value};
    }
}

/* Notes the page of the access that stopped the library. False: an instruction can't touch that many. */
static bool add_page(struct engine *e)
{
    struct replay *r = &e->replay;
    uint64_t at = e->address & PAGE_MASK;

    for (unsigned i = 0; i < r->pages; i++)
        if (r->page[i].gpa == at)
            return false; /* it is mapped: something else is wrong */
    if (r->pages == DEVICE_PAGES_MAX)
        return false;
    r->page[r->pages++] = (struct device_page){.engine = e, .gpa = at};
    return true;
}

static uc_err map_pages(struct engine *e)
{
    struct replay *r = &e->replay;
    uc_err err = UC_ERR_OK;

    for (unsigned i = 0; i < r->pages && !err; i++)
        err = uc_mmio_map(e->uc, r->page[i].gpa, PAGE_SIZE, on_read, &r->page[i], on_write, &r->page[i]);
    return err;
}

static void unmap_pages(struct engine *e)
{
    for (unsigned i = 0; i < e->replay.pages; i++)
        (void)uc_mem_unmap(e->uc, e->replay.page[i].gpa, PAGE_SIZE); /* one that wasn't mapped is refused */
}

static bool give_up(struct engine *e, const char *what)
{
    char text[96];

    e->replay.active = e->replay.wants = false;
    insn_text(e, e->rip, text, sizeof(text));
    leave_with_death(e, "rip %#llx (%s) accesses %#llx, outside RAM: %s", (ull)e->rip, text, (ull)e->address, what);
    return true;
}

static bool leave_with_read(struct engine *e)
{
    COUNT_TAKEN(e->host->stats, MMIO);
    e->exit->kind = VM_EXIT_MMIO;
    e->exit->mmio.gpa = e->replay.want.gpa;
    e->exit->mmio.size = (uint8_t)e->replay.want.size;
    e->exit->mmio.write = false;
    e->exit->mmio.value = 0;
    return true;
}

/* It came through. A REP string instruction that isn't at its end stays where it is: not retired yet. */
static bool came_through(struct engine *e, uint64_t rip)
{
    struct replay *r = &e->replay;

    r->active = false;
    memcpy(e->posted, r->write, r->writes * sizeof(r->write[0]));
    e->posted_count = r->writes;
    e->posted_next = 0;
    for (unsigned i = 0; i < r->writes; i++)
        COUNT_TAKEN(e->host->stats, MMIO);
    if (e->rip != rip)
        e->retired++;
    return false; /* run.c's loop posts them */
}

/* Tries the instruction with the answers that are there. True: run() returns. */
static bool attempt(struct engine *e)
{
    struct replay *r = &e->replay;
    uint64_t rip = e->rip;
    ZydisDecodedInstruction insn;
    uc_err err;

    if (!insn_at(e, rip, &insn))
        return give_up(e, "no instruction that is known");
    for (;;) {
        r->wants = false;
        r->next_answer = r->writes = 0;
        err = map_pages(e);
        if (!err)
            err = run_one(e, insn.length);
        unmap_pages(e);
        if (err == UC_ERR_OK && !r->wants && e->stop != STOP_EXCEPTION)
            return came_through(e, rip);
        if (uc_context_restore(e->uc, r->before))
            return give_up(e, "the library can't restore its registers");
        e->rip = rip;
        if (e->stop == STOP_EXCEPTION) {
            r->active = r->wants = false;
            leave_with_exception(e, e->vector);
            return true;
        }
        if (r->wants)
            return leave_with_read(e);
        if (e->stop != STOP_DEVICE || !add_page(e))
            return give_up(e, uc_strerror(err));
    }
}

/* ---- which instruction it is ---- */

static bool is_atomic(const ZydisDecodedInstruction *insn)
{
    return (insn->attributes & ZYDIS_ATTRIB_HAS_LOCK) || insn->mnemonic == ZYDIS_MNEMONIC_XCHG;
}

/* The address of the instruction's explicit memory operand is that of the access. */
static bool reaches(struct engine *e, uint64_t rip, uint64_t address)
{
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction insn;
    ZydisRegisterContext registers = {0};
    ZyanU64 at;

    for (unsigned i = 0; i < GPR_COUNT; i++)
        registers.values[ZYDIS_REGISTER_RAX + i] = reg_get(e, gpr_id[i]);
    if (!insn_at(e, rip, &insn) || !ram_at(e->host->ram, gpa(rip), insn.length) ||
        !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&e->decoder, e->host->ram->base + rip, insn.length, &insn, operands)))
        return false;
    for (unsigned i = 0; i < insn.operand_count_visible; i++)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            ZYAN_SUCCESS(ZydisCalcAbsoluteAddressEx(&insn, &operands[i], rip, &registers, &at)))
            return at + (operands[i].mem.segment == ZYDIS_REGISTER_FS ? reg_get(e, UC_X86_REG_FS_BASE) : 0) +
                       (operands[i].mem.segment == ZYDIS_REGISTER_GS ? reg_get(e, UC_X86_REG_GS_BASE) : 0) ==
                   address;
    return false;
}

/*
 * The library's RIP is exact, but for atomic instructions: for them it is still that of an instruction before, in the
 * same block. They are looked for by the address that they access.
 */
void device_locate(struct engine *e)
{
    ZydisDecodedInstruction insn;

    if (reaches(e, e->rip, e->address))
        return;
    for (uint64_t at = e->rip; at < e->entered.end && insn_at(e, at, &insn); at += insn.length)
        if (is_atomic(&insn) && reaches(e, at, e->address)) {
            e->rip = at;
            return;
        }
}

bool device_access(struct engine *e)
{
    struct replay *r = &e->replay;

    r->active = true;
    r->first = (struct access){.gpa = gpa(e->address), .size = e->size};
    r->answers = r->pages = 0;
    if (uc_context_save(e->uc, r->before) || !add_page(e))
        return give_up(e, "the library can't save its registers");
    return attempt(e);
}

bool device_answered(struct engine *e)
{
    struct replay *r = &e->replay;

    r->wants = false;
    if (r->answers == ACCESSES_MAX)
        return give_up(e, "too many reads by one instruction");
    r->want.value = e->exit->mmio.value;
    r->answer[r->answers++] = r->want;
    return attempt(e);
}
