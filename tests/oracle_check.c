/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_check.c - asks both CPUs, compares their answers, and shows what differs.
 *
 * Read next: oracle_sequence.c, or the test programs test_oracle_*.c.
 */
#include "oracle.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ENCODINGS 24 /* of one row, at least: forms and registers are drawn anew for each */
#define SHOWN_MAX 6  /* failures printed whole in one test */

static const char *const gpr_name[GPR_COUNT] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                                "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};

int oracle_open(struct oracle *o, struct reason *why)
{
    *o = (struct oracle){.seed = oracle_setting("VIRTLAB_SEED", 20240229), /* any number; printed by the test */
                         .rounds = (unsigned)oracle_setting("VIRTLAB_ROUNDS", 300)};
    o->host = oracle_host_open(why);
    o->guest = o->host ? oracle_guest_open(why) : NULL;
    o->image = calloc(1, sizeof(*o->image));
    if (o->host && o->guest && o->image)
        return 0;
    oracle_close(o);
    return -ENOSYS;
}

void oracle_close(struct oracle *o)
{
    if (o->host)
        o->host->close(o->host);
    if (o->guest)
        o->guest->close(o->guest);
    free(o->image);
    *o = (struct oracle){0};
}

void oracle_load_code(struct oracle *o, uint64_t at, const uint8_t *code, size_t length)
{
    struct oracle_cpu *const cpus[] = {o->host, o->guest};
    for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
        memset(cpus[i]->memory->code, 0xcc, ORACLE_CODE_SIZE); /* INT3 */
        memcpy(cpus[i]->memory->code + (at - ORACLE_CODE), code, length);
        cpus[i]->code_changed(cpus[i]);
    }
}

/* ---- comparing ---- */

static bool is_memory_fault(const struct oracle_outcome *out)
{
    return out->vector == VEC_PF || out->vector == VEC_GP || out->vector == VEC_SS || out->vector == VEC_AC;
}

/* When an access has two things wrong, an alignment and another, the CPU chooses. */
static bool same_exception(const struct oracle_outcome *a, const struct oracle_outcome *b, uint32_t undefined)
{
    bool may_differ = (undefined & UNDEFINED_FAULT) || (a->vector == VEC_AC) != (b->vector == VEC_AC);
    if (may_differ && is_memory_fault(a) && is_memory_fault(b))
        return true;
    return a->vector == b->vector && a->error == b->error && a->cr2 == b->cr2;
}

static bool same_outcome(const struct oracle_outcome *a, const struct oracle_outcome *b, uint32_t undefined)
{
    return same_exception(a, b, undefined) && a->regs.rip == b->regs.rip &&
           ((a->regs.rflags ^ b->regs.rflags) & ~(uint64_t)undefined) == 0 && a->regs.mxcsr == b->regs.mxcsr &&
           a->regs.fs_base == b->regs.fs_base && a->regs.gs_base == b->regs.gs_base &&
           memcmp(a->regs.gpr, b->regs.gpr, sizeof(a->regs.gpr)) == 0 &&
           memcmp(a->regs.xmm, b->regs.xmm, sizeof(a->regs.xmm)) == 0;
}

static void run_one(struct oracle_cpu *cpu, const struct oracle_regs *in, const struct oracle_memory *image,
                    struct oracle_outcome *out)
{
    const size_t behind_code = offsetof(struct oracle_memory, data);
    memcpy((uint8_t *)cpu->memory + behind_code, (const uint8_t *)image + behind_code, sizeof(*image) - behind_code);
    cpu->run(cpu, in, out);
}

/*
 * Where the guest has a page fault, the host may have memory of its own: the C library's, or a sanitizer's shadow,
 * which is nearly everywhere. The code must not touch that, and nothing could be compared. (mincore fails where nothing
 * is mapped.)
 */
static bool strays(struct oracle *o, const struct oracle_outcome *guest)
{
    unsigned char resident;
    size_t left;
    if (guest->vector != VEC_PF || oracle_at(o->image, guest->cr2, &left))
        return false;
    return mincore((void *)(uintptr_t)(guest->cr2 & PAGE_MASK), PAGE_SIZE, &resident) == 0;
}

bool oracle_agree(struct oracle *o, const struct oracle_regs *in, const struct oracle_memory *image, uint32_t undefined,
                  struct oracle_outcome *host, struct oracle_outcome *guest)
{
    run_one(o->guest, in, image, guest);
    if (strays(o, guest)) {
        o->not_judged++;
        *host = *guest;
        return true;
    }
    run_one(o->host, in, image, host);
    if (!o->host->has_bases) /* can't be seen there */
        host->regs.fs_base = guest->regs.fs_base, host->regs.gs_base = guest->regs.gs_base;
    return same_outcome(host, guest, undefined) &&
           memcmp(o->host->memory, o->guest->memory, sizeof(struct oracle_memory)) == 0;
}

/* ---- showing ---- */

void oracle_show_code(uint64_t at, const uint8_t *code, size_t length)
{
    for (size_t done = 0, step; done < length; done += step) {
        struct oracle_decoded d;
        char text[128];
        bool known = oracle_decode(code + done, length - done, &d);
        step = known ? d.z.length : length - done;
        oracle_disassemble(code + done, step, at + done, text, sizeof(text));
        printf("    %08llx  ", (unsigned long long)(at + done));
        for (size_t i = 0; i < 12 || i < step; i++)
            printf(i < step ? "%02x " : "   ", i < step ? code[done + i] : 0);
        printf(" %s\n", text);
    }
}

static void show_flags(char *text, uint64_t rflags)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{FLAG_CF, "CF"}, {FLAG_PF, "PF"}, {FLAG_AF, "AF"}, {FLAG_ZF, "ZF"}, {FLAG_SF, "SF"},
                 {FLAG_TF, "TF"}, {FLAG_IF, "IF"}, {FLAG_DF, "DF"}, {FLAG_OF, "OF"}, {FLAG_NT, "NT"},
                 {FLAG_RF, "RF"}, {FLAG_AC, "AC"}, {FLAG_ID, "ID"}};
    *text = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (rflags & names[i].bit)
            text += sprintf(text, " %s", names[i].name);
}

static void show_word(const char *name, uint64_t in, uint64_t host, uint64_t guest)
{
    if (host == guest && in == host)
        printf("    %-7s %016llx\n", name, (unsigned long long)in);
    else
        printf("  %c %-7s %016llx   host %016llx   guest %016llx\n", host == guest ? ' ' : '*', name,
               (unsigned long long)in, (unsigned long long)host, (unsigned long long)guest);
}

static void show_exception(const char *who, const struct oracle_outcome *out)
{
    printf("    %-5s ended by ", who);
    if (out->vector == ORACLE_HUNG)
        printf("nothing: it hung");
    else if (out->vector == ORACLE_DEAD)
        printf("its death: %s", out->dead);
    else
        printf("vector %d, error code %x, CR2 %llx", out->vector, out->error, (unsigned long long)out->cr2);
    printf(", RIP %llx\n", (unsigned long long)out->regs.rip);
}

static void show_memory(const struct oracle *o)
{
    static const struct {
        uint64_t address, size;
    } regions[] = {{ORACLE_CODE, ORACLE_CODE_SIZE},
                   {ORACLE_DATA, ORACLE_DATA_SIZE},
                   {ORACLE_READONLY, PAGE_SIZE},
                   {ORACLE_STACK, ORACLE_STACK_SIZE}};
    unsigned shown = 0;
    size_t left;
    for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
        const uint8_t *host = oracle_at(o->host->memory, regions[i].address, &left);
        const uint8_t *guest = oracle_at(o->guest->memory, regions[i].address, &left);
        for (uint64_t at = 0; at < regions[i].size; at++)
            if (host[at] != guest[at] && shown++ < 16)
                printf("  * [%08llx]  host %02x   guest %02x\n", (unsigned long long)(regions[i].address + at),
                       host[at], guest[at]);
    }
    if (shown > 16)
        printf("  * ... %u bytes differ\n", shown);
}

void oracle_show(struct oracle *o, const struct oracle_regs *in, uint32_t undefined, const struct oracle_outcome *host,
                 const struct oracle_outcome *guest)
{
    char in_flags[64], host_flags[64], guest_flags[64], undefined_flags[64];
    show_exception("host", host);
    show_exception("guest", guest);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        show_word(gpr_name[i], in->gpr[i], host->regs.gpr[i], guest->regs.gpr[i]);
    show_flags(in_flags, in->rflags);
    show_flags(host_flags, host->regs.rflags);
    show_flags(guest_flags, guest->regs.rflags);
    show_flags(undefined_flags, undefined);
    bool flags_differ = (host->regs.rflags ^ guest->regs.rflags) & ~(uint64_t)undefined;
    printf("  %c RFLAGS in%s | host%s | guest%s | undefined:%s\n", flags_differ ? '*' : ' ', in_flags, host_flags,
           guest_flags, undefined ? undefined_flags : " none");
    if (host->regs.mxcsr != guest->regs.mxcsr)
        show_word("MXCSR", in->mxcsr, host->regs.mxcsr, guest->regs.mxcsr);
    if (host->regs.fs_base != guest->regs.fs_base)
        show_word("FS base", in->fs_base, host->regs.fs_base, guest->regs.fs_base);
    if (host->regs.gs_base != guest->regs.gs_base)
        show_word("GS base", in->gs_base, host->regs.gs_base, guest->regs.gs_base);
    for (unsigned i = 0; i < 16; i++) {
        if (memcmp(host->regs.xmm[i], guest->regs.xmm[i], 16) == 0)
            continue;
        uint64_t words[3][2];
        memcpy(words[0], in->xmm[i], 16), memcpy(words[1], host->regs.xmm[i], 16);
        memcpy(words[2], guest->regs.xmm[i], 16);
        printf("  * XMM%-2u  %016llx%016llx\n      host  %016llx%016llx\n      guest %016llx%016llx\n", i,
               (unsigned long long)words[0][1], (unsigned long long)words[0][0], (unsigned long long)words[1][1],
               (unsigned long long)words[1][0], (unsigned long long)words[2][1], (unsigned long long)words[2][0]);
    }
    show_memory(o);
}

/* ---- the rows of a group ---- */

/* Mid-page mostly; sometimes across the page boundary. */
static uint64_t pick_place(struct oracle_random *r, unsigned length)
{
    if (oracle_once_in(r, 8) && length > 1)
        return ORACLE_CODE + PAGE_SIZE - 1 - oracle_below(r, length - 1);
    return ORACLE_CODE + 0x800 + oracle_below(r, 64);
}

static void random_image(struct oracle_memory *image, struct oracle_random *r)
{
    uint64_t *words = (uint64_t *)(void *)image;
    for (size_t i = 0; i < sizeof(*image) / 8; i++)
        words[i] = oracle_random(r);
}

/* One input. What is undefined is masked only when the instruction was completed: a fault must leave all as it was. */
static bool trial_agrees(struct oracle *o, const struct oracle_trial *t, const struct oracle_decoded *d, bool known,
                         uint32_t *undefined, struct oracle_outcome *host, struct oracle_outcome *guest)
{
    *undefined = known ? oracle_undefined_flags(d, &t->in) : 0;
    if (oracle_agree(o, &t->in, t->image, *undefined, host, guest))
        return host->vector == VEC_BP || host->vector == VEC_DE ||
               same_outcome(host, guest, *undefined &= UNDEFINED_FAULT);
    return known && oracle_undefined_result(d, host, &t->in);
}

/* One encoding of a row with `inputs` inputs. Stops at the first difference, prints it, and answers false. */
static bool run_encoding(struct oracle *o, struct oracle_trial *t, unsigned inputs, struct oracle_random *r)
{
    uint8_t code[ORACLE_INSN_LENGTH];
    struct oracle_outcome host, guest;
    struct oracle_decoded d;
    uint32_t undefined;
    t->at = pick_place(r, t->insn.length);
    oracle_place(&t->insn, t->at, code);
    bool known = oracle_decode(code, t->insn.length, &d);
    oracle_load_code(o, t->at, code, t->insn.length);
    for (unsigned i = 0; i < inputs; i++) {
        oracle_input(t, r, o->host->has_bases);
        if (trial_agrees(o, t, &d, known, &undefined, &host, &guest))
            continue;
        if (o->shown++ < SHOWN_MAX) {
            printf("\n  row {%s, \"%s\"}, memory operand at %llx:\n", ZydisMnemonicGetString(t->insn.row->mnemonic),
                   t->insn.row->operands, (unsigned long long)t->target);
            oracle_show_code(t->at, code, t->insn.length);
            oracle_show(o, &t->in, undefined, &host, &guest);
        }
        return false;
    }
    return true;
}

static bool run_row(struct oracle *o, const struct oracle_row *row, struct oracle_random *r)
{
    struct oracle_choice choice = oracle_any_choice;
    struct oracle_trial trial = {.image = o->image};
    unsigned inputs = o->rounds / ENCODINGS + 1, made = 0, tries = 0;
    choice.bases = o->host->has_bases;
    random_image(o->image, r);
    while (made < ENCODINGS && tries++ < 50 * ENCODINGS) {
        choice.want_memory = made % 2, choice.want_register = !choice.want_memory;
        if (!oracle_encode(row, &choice, r, &trial.insn))
            continue;
        made++;
        if (!run_encoding(o, &trial, inputs, r))
            return false;
    }
    if (made == ENCODINGS)
        return true;
    printf("\n  row {%s, \"%s\"} could not be encoded\n", ZydisMnemonicGetString(row->mnemonic), row->operands);
    return false;
}

unsigned oracle_run_group(struct oracle *o, const struct oracle_group *group)
{
    unsigned failed = 0;
    o->shown = 0;
    for (size_t i = 0; i < group->count; i++) {
        struct oracle_random r = {o->seed ^ (i + 1) << 32}; /* each row its own: it can be repeated alone */
        if (run_row(o, &group->rows[i], &r))
            continue;
        failed++;
        printf("  FAILED row %zu of %s: %s %s\n", i, group->name, ZydisMnemonicGetString(group->rows[i].mnemonic),
               group->rows[i].operands);
    }
    return failed;
}
