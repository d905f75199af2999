/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * silent.c - a silent sensitive instruction is executed: what should it give, and what does ring 3 give?
 *
 * Neither answer is a table. The right one is the software CPU's, which executes the instruction in the guest's state;
 * the other one is the host CPU's, which executes it in ring 3 by a single step, with the breakpoint lifted. So the
 * exhibit is true of the host it runs on: where the host lets the instruction trap after all (CPUID faulting, say), it
 * is seen to, and emulated like any other.
 */
#include "full/trap/trap.h"
#include "x86/insn.h"
#include <stdio.h>
#include <string.h>

#define TRIES_MAX 16 /* hidden faults of one instruction */
#define SEEN      16 /* bytes of memory that are compared */

/* What ring 3 has of RFLAGS, and what of it the guest could see. */
#define FLAGS_RING3 (FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID)
#define FLAGS_SEEN  (FLAGS_RING3 | FLAG_IF | FLAG_IOPL)

bool silent_instruction(const ZydisDecodedInstruction *z)
{
    bool map_0f = z->opcode_map == ZYDIS_OPCODE_MAP_0F;
    if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (z->opcode == 0x8c || z->opcode == 0x8e))
        return true; /* MOV from and to a segment register */
    if (map_0f && (z->opcode == 0xa0 || z->opcode == 0xa1 || z->opcode == 0xa8 || z->opcode == 0xa9))
        return true; /* PUSH and POP FS, GS */
    if (map_0f && (z->opcode == 0xb2 || z->opcode == 0xb4 || z->opcode == 0xb5))
        return true; /* LSS, LFS, LGS */
    if (z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return true;
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFQ:
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
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
    case ZYDIS_MNEMONIC_XGETBV:
    case ZYDIS_MNEMONIC_VMCALL:
    case ZYDIS_MNEMONIC_VMMCALL: return true;
    default: return false;
    }
}

/* ---- what the instruction can change ---- */

struct subject {
    uint64_t rip;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    uint8_t bytes[15];
    uint64_t memory; /* address of what it may write; 0: nothing */
};

static bool pushes_flags(const struct subject *s)
{
    return s->z.mnemonic == ZYDIS_MNEMONIC_PUSHFQ || s->z.mnemonic == ZYDIS_MNEMONIC_PUSHF;
}

static uint8_t *guest_byte(const struct cpu *cpu, uint64_t at)
{
    struct translation t;
    return mmu_peek(&cpu->paging, cpu->host->ram, gva(at), &t) ? ram_at(cpu->host->ram, t.gpa, 1) : NULL;
}

static uint64_t register_value(const struct direct *d, ZydisRegister reg)
{
    if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR64)
        return d->regs.gpr[ZydisRegisterGetId(reg)];
    return reg == ZYDIS_REGISTER_RIP ? d->regs.rip : 0;
}

/* The memory it writes, or reads: both may be looked at. Stack accesses that go down are pushes. */
static uint64_t memory_of(const struct direct *d, const struct subject *s)
{
    for (unsigned i = 0; i < s->z.operand_count; i++) {
        const ZydisDecodedOperand *o = &s->operand[i];
        if (o->type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        uint64_t at = register_value(d, o->mem.base) + register_value(d, o->mem.index) * o->mem.scale +
                      (uint64_t)o->mem.disp.value;
        if (o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
            return o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? at - o->size / 8 : 0;
        if (o->mem.base == ZYDIS_REGISTER_RIP)
            at += s->z.length;
        return at + (o->mem.segment == ZYDIS_REGISTER_FS   ? d->regs.fs_base
                     : o->mem.segment == ZYDIS_REGISTER_GS ? d->regs.gs_base
                                                           : 0);
    }
    return 0;
}

static bool decode(const struct direct *d, struct subject *s)
{
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    s->rip = d->regs.rip;
    unsigned got = 0;
    for (const uint8_t *byte; got < sizeof(s->bytes) && (byte = guest_byte(d->cpu, s->rip + got)); got++)
        s->bytes[got] = *byte;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, s->bytes, got, &s->z, s->operand)))
        return false;
    s->memory = memory_of(d, s);
    return true;
}

static void read_memory(const struct cpu *cpu, const struct subject *s, uint8_t to[SEEN])
{
    memset(to, 0, SEEN);
    for (unsigned i = 0; s->memory && i < SEEN; i++) {
        const uint8_t *byte = guest_byte(cpu, s->memory + i);
        if (byte)
            to[i] = *byte;
    }
}

/* ---- ring 3's answer ---- */

/* 1: executed, d->regs is what it gives. 0: it traps. Or -errno with why. */
static int step_in_ring3(struct direct *d, const struct direct_space *space, const struct subject *s,
                         struct reason *why)
{
    struct world_exit exit;
    d->regs.rflags |= FLAG_TF;
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        int err = world_run(space->space, &d->regs, &exit, why);
        if (err)
            return err;
        bool exception = exit.kind == WORLD_EXIT_EXCEPTION;
        if (exception && exit.vector == VEC_BP && d->regs.rip == s->rip + s->z.length + 1)
            d->regs.rip--;
        if ((exception && exit.vector == VEC_DB) || d->regs.rip == s->rip + s->z.length)
            return 1;
        if (exit.kind == WORLD_EXIT_KICKED)
            continue;
        if (!exception || exit.vector != VEC_PF)
            return 0;
        int answer = shadow_fault(space->shadow, gva(exit.address), shadow_access(exit.error), why);
        if (answer < 0)
            return answer;
        if (answer != SHADOW_MAPPED)
            return 0;
    }
    return 0;
}

/* PUSHF under the step has told of the step. */
static void forget_step(struct direct *d, const struct subject *s, uint64_t rflags)
{
    uint8_t *byte = pushes_flags(s) ? guest_byte(d->cpu, s->memory + 1) : NULL;
    if (byte)
        *byte &= (uint8_t) ~(FLAG_TF >> 8);
    d->regs.rflags = (d->regs.rflags & ~(uint64_t)FLAG_TF) | (rflags & FLAG_TF);
}

/* ---- the verdict ---- */

struct difference {
    const char *what;
    uint64_t wrong, right;
};

static const char *const names[GPR_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                             "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static bool differs(struct difference *out, const char *what, uint64_t wrong, uint64_t right)
{
    *out = (struct difference){what, wrong, right};
    return wrong != right;
}

/* Is anything that the guest has now, having executed it in ring 3, not what it should have? */
static bool is_wrong(const struct direct *d, const struct cpu_state *before, const struct cpu_state *right,
                     const uint8_t wrong_memory[SEEN], const uint8_t right_memory[SEEN], struct difference *out)
{
    uint64_t wrong_8, right_8;
    memcpy(&wrong_8, wrong_memory, 8);
    memcpy(&right_8, right_memory, 8);
    if (differs(out, "in memory", wrong_8, right_8) || memcmp(wrong_memory, right_memory, SEEN))
        return true;
    for (unsigned i = 0; i < GPR_COUNT; i++)
        if (differs(out, names[i], d->regs.gpr[i], right->gpr[i]))
            return true;
    uint64_t rflags = (d->regs.rflags & FLAGS_RING3) | (before->rflags & ~(uint64_t)FLAGS_RING3);
    if (differs(out, "rflags", rflags & FLAGS_SEEN, right->rflags & FLAGS_SEEN))
        return true;
    /* A selector that ring 3 may load, it has loaded; but to which ring has control gone, and what are the bases? */
    if (differs(out, "the ring", before->seg[SEG_CS].selector & 3, right->seg[SEG_CS].selector & 3) ||
        differs(out, "FS base", d->regs.fs_base, right->seg[SEG_FS].base) ||
        differs(out, "GS base", d->regs.gs_base, right->seg[SEG_GS].base))
        return true;
    return differs(out, "rip", d->regs.rip, right->rip);
}

static void remember(struct direct *d, const struct subject *s, const struct difference *is)
{
    struct trap *trap = trap_of(d);
    struct stats *stats = d->cpu->stats;
    for (unsigned i = 0; i < trap->lies && i < LIES_MAX; i++)
        if (trap->lie[i].rip == s->rip) {
            trap->lie[i].count++;
            return;
        }
    if (trap->lies++ >= LIES_MAX)
        return;
    struct lie *lie = &trap->lie[trap->lies - 1];
    *lie = (struct lie){.rip = s->rip, .wrong = is->wrong, .right = is->right, .count = 1};
    snprintf(lie->mnemonic, sizeof(lie->mnemonic), "%s", ZydisMnemonicGetString(s->z.mnemonic));
    snprintf(lie->what, sizeof(lie->what), "%s", is->what);
    for (unsigned i = 0; i < s->z.length; i++)
        snprintf(lie->bytes + 3 * i - !!i, 4, i ? " %02x" : "%02x", s->bytes[i]);
    if (!stats->unknown[0])
        snprintf(stats->unknown, sizeof(stats->unknown), "%s (%s) at %#llx: gives %#llx in ring 3, not %#llx (%s)",
                 lie->mnemonic, lie->bytes, (unsigned long long)lie->rip, (unsigned long long)lie->wrong,
                 (unsigned long long)lie->right, lie->what);
}

/* The guest goes on with what ring 3 gave: as it was before, but for what ring 3 can change. */
static int go_on_wrong(struct direct *d, const struct cpu_state *before, struct reason *why)
{
    int err = cpu_set_state(d->cpu, before, why);
    if (!err)
        state_from_world(d->cpu, &d->regs);
    return err ? err : NEXT_LOOK;
}

int silent_execute(struct direct *d, const struct direct_space *space, struct reason *why)
{
    struct cpu *cpu = d->cpu;
    struct subject s;
    struct cpu_state before, right;
    uint8_t right_memory[SEEN], wrong_memory[SEEN];
    state_from_world(cpu, &d->regs);
    if (!decode(d, &s))
        return NEXT_ALONE;

    cpu_get_state(cpu, &before);
    cpu->trapped = true;
    bool complete = cpu_step(cpu);
    if (!complete && !cpu->event.valid)
        return NEXT_LOOK; /* the machine is to be asked first */
    cpu_get_state(cpu, &right);
    read_memory(cpu, &s, right_memory);

    gva_t next = gva(s.rip + s.z.length);
    sites_lift(trap_of(d)->sites, gva(s.rip), next, true);
    int stepped = step_in_ring3(d, space, &s, why);
    sites_lift(trap_of(d)->sites, gva(s.rip), next, false);
    if (stepped <= 0)
        return stepped < 0 ? stepped : NEXT_LOOK; /* it traps, and has been emulated */

    forget_step(d, &s, right.rflags);
    read_memory(cpu, &s, wrong_memory);
    struct difference is = {"no exception", 0, cpu->event.vector};
    if (complete && !is_wrong(d, &before, &right, wrong_memory, right_memory, &is))
        return NEXT_LOOK; /* no harm done: the software CPU has gone on */
    remember(d, &s, &is);
    return go_on_wrong(d, &before, why);
}
