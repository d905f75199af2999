/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ours.c - the instructions that the library never executes: port I/O, HLT, time, MSRs, CR8, CPUID, system calls, INT.
 *
 * Port I/O must leave the guest in the middle, which the library's hooks can't; of the others the library has no
 * faithful form (findings.h): its TSC is the host's whatever the clock, it knows few MSRs and takes any, it hides CR8,
 * and it passes over system calls.
 *
 * Here is which they are, and the small ones. Read next: port.c, cpuid.c.
 */
#include "emulate/unicorn/parts.h"

typedef unsigned long long ull;

#define OPCODE_MAP_0F ZYDIS_OPCODE_MAP_0F
#define MOV_FROM_CR   0x20
#define MOV_TO_CR     0x22

static const ZydisMnemonic mnemonics[] = {
    ZYDIS_MNEMONIC_IN,       ZYDIS_MNEMONIC_OUT,     ZYDIS_MNEMONIC_INSB,    ZYDIS_MNEMONIC_INSW,
    ZYDIS_MNEMONIC_INSD,     ZYDIS_MNEMONIC_OUTSB,   ZYDIS_MNEMONIC_OUTSW,   ZYDIS_MNEMONIC_OUTSD,
    ZYDIS_MNEMONIC_HLT,      ZYDIS_MNEMONIC_RDTSC,   ZYDIS_MNEMONIC_RDTSCP,  ZYDIS_MNEMONIC_RDMSR,
    ZYDIS_MNEMONIC_WRMSR,    ZYDIS_MNEMONIC_CPUID,   ZYDIS_MNEMONIC_SYSCALL, ZYDIS_MNEMONIC_SYSRET,
    ZYDIS_MNEMONIC_SYSENTER, ZYDIS_MNEMONIC_SYSEXIT, ZYDIS_MNEMONIC_INT,     ZYDIS_MNEMONIC_INT1,
    ZYDIS_MNEMONIC_INT3,
};

static bool is_cr8(const ZydisDecodedInstruction *insn)
{
    return insn->opcode_map == OPCODE_MAP_0F && (insn->opcode == MOV_FROM_CR || insn->opcode == MOV_TO_CR) &&
           insn->raw.modrm.reg == 0 && insn->raw.rex.R;
}

bool is_ours(const ZydisDecodedInstruction *insn)
{
    if (insn->mnemonic == ZYDIS_MNEMONIC_MOV)
        return is_cr8(insn);
    for (size_t i = 0; i < ARRAY_SIZE(mnemonics); i++)
        if (insn->mnemonic == mnemonics[i])
            return true;
    return false;
}

static bool raise(struct engine *e, unsigned vector)
{
    leave_with_exception(e, vector);
    return true;
}

/* The current privilege level, which the guest may have raised to 3 by a far return. */
static unsigned cpl(const struct engine *e)
{
    return reg_get(e, UC_X86_REG_CS) & 3;
}

/* Ring 3 may do I/O when IOPL says so; the TSS's bitmap, which could say so too, is taken as all ones (SDM 1, 19.5). */
static bool may_do_io(const struct engine *e)
{
    return cpl(e) <= (reg_get(e, UC_X86_REG_RFLAGS) & FLAG_IOPL) >> 12;
}

/* ---- time, MSRs, CR8 ---- */

static void put_edx_eax(struct engine *e, uint64_t value)
{
    reg_put(e, UC_X86_REG_RAX, (uint32_t)value);
    reg_put(e, UC_X86_REG_RDX, value >> 32);
}

static bool rdtsc(struct engine *e, const ZydisDecodedInstruction *insn)
{
    put_edx_eax(e, tsc_now(e));
    if (insn->mnemonic == ZYDIS_MNEMONIC_RDTSCP) {
        COUNT_AVOIDED(e->host->stats, RDTSCP);
        reg_put(e, UC_X86_REG_RCX, (uint32_t)e->kept.tsc_aux);
    } else {
        COUNT_AVOIDED(e->host->stats, RDTSC);
    }
    return retire(e, insn->length);
}

static bool msr(struct engine *e, const ZydisDecodedInstruction *insn)
{
    uint32_t number = (uint32_t)reg_get(e, UC_X86_REG_RCX);
    uint64_t value = reg_get(e, UC_X86_REG_RDX) << 32 | (uint32_t)reg_get(e, UC_X86_REG_RAX);
    bool write = insn->mnemonic == ZYDIS_MNEMONIC_WRMSR;

    if (write)
        COUNT_AVOIDED(e->host->stats, MSR_WRITE);
    else
        COUNT_AVOIDED(e->host->stats, MSR_READ);
    if (!(write ? msr_write(e, number, value) : msr_read(e, number, &value)))
        return raise(e, VEC_GP);
    if (!write)
        put_edx_eax(e, value);
    return retire(e, insn->length);
}

static bool cr8(struct engine *e, const ZydisDecodedInstruction *insn)
{
    unsigned number = insn->raw.modrm.rm | insn->raw.rex.B << 3;

    COUNT_AVOIDED(e->host->stats, CR_ACCESS);
    if (insn->opcode == MOV_FROM_CR) {
        reg_put(e, gpr_id[number], e->kept.cr8);
        return retire(e, insn->length);
    }
    uint64_t value = reg_get(e, gpr_id[number]);
    if (value > 15) /* SDM 3, 11.8.6: the other bits are reserved */
        return raise(e, VEC_GP);
    e->kept.cr8 = value;
    if (e->host->cr8_changed)
        e->host->cr8_changed(e->host->context, value);
    return retire(e, insn->length);
}

/* ---- all ---- */

static bool system_call(struct engine *e)
{
    char text[96];

    insn_text(e, e->rip, text, sizeof(text));
    leave_with_death(e, "%s at rip %#llx: Unicorn doesn't switch between rings", text, (ull)e->rip);
    return true;
}

static bool hlt(struct engine *e, const ZydisDecodedInstruction *insn)
{
    COUNT_TAKEN(e->host->stats, HLT);
    retire(e, insn->length);
    e->exit->kind = VM_EXIT_HLT;
    return true;
}

static bool may(const struct engine *e, const ZydisDecodedInstruction *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_RDMSR:
    case ZYDIS_MNEMONIC_WRMSR:
    case ZYDIS_MNEMONIC_MOV: return cpl(e) == 0;
    case ZYDIS_MNEMONIC_IN:
    case ZYDIS_MNEMONIC_OUT:
    case ZYDIS_MNEMONIC_INSB:
    case ZYDIS_MNEMONIC_INSW:
    case ZYDIS_MNEMONIC_INSD:
    case ZYDIS_MNEMONIC_OUTSB:
    case ZYDIS_MNEMONIC_OUTSW:
    case ZYDIS_MNEMONIC_OUTSD: return may_do_io(e);
    default: return true;
    }
}

bool carry_out(struct engine *e, const ZydisDecodedInstruction *insn)
{
    e->stop = STOP_NONE;
    if (!may(e, insn))
        return raise(e, VEC_GP);
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_IN:
    case ZYDIS_MNEMONIC_OUT: return port_io(e, insn);
    case ZYDIS_MNEMONIC_INSB:
    case ZYDIS_MNEMONIC_INSW:
    case ZYDIS_MNEMONIC_INSD: return string_io(e, insn, true);
    case ZYDIS_MNEMONIC_OUTSB:
    case ZYDIS_MNEMONIC_OUTSW:
    case ZYDIS_MNEMONIC_OUTSD: return string_io(e, insn, false);
    case ZYDIS_MNEMONIC_HLT: return hlt(e, insn);
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP: return rdtsc(e, insn);
    case ZYDIS_MNEMONIC_RDMSR:
    case ZYDIS_MNEMONIC_WRMSR: return msr(e, insn);
    case ZYDIS_MNEMONIC_MOV: return cr8(e, insn);
    case ZYDIS_MNEMONIC_CPUID: return cpuid(e, insn);
    case ZYDIS_MNEMONIC_INT: return raise(e, (unsigned)insn->raw.imm[0].value.u & 0xff);
    case ZYDIS_MNEMONIC_INT1: return raise(e, VEC_DB);
    case ZYDIS_MNEMONIC_INT3: return raise(e, VEC_BP);
    default: return system_call(e);
    }
}
