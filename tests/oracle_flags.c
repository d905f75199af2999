/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_flags.c - what the manual leaves undefined, in one table: flags by instruction and, where it matters, by count
 * and operand size; and the few results that are undefined themselves.
 *
 * Read next: oracle_check.c.
 */
#include "oracle.h"

#define CF FLAG_CF
#define PF FLAG_PF
#define AF FLAG_AF
#define ZF FLAG_ZF
#define SF FLAG_SF
#define OF FLAG_OF

/* The count as the CPU uses it: five bits, six for 64-bit operands (SDM 2, SAL/SAR/SHL/SHR). */
static unsigned count_of(const struct oracle_decoded *d, const struct oracle_regs *in)
{
    unsigned at = d->z.mnemonic == ZYDIS_MNEMONIC_SHLD || d->z.mnemonic == ZYDIS_MNEMONIC_SHRD ? 2 : 1;
    uint64_t count = d->operand[at].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? d->operand[at].imm.value.u : in->gpr[RCX];
    return count & (d->operand[0].size == 64 ? 63 : 31);
}

/* SHL, SHR: CF too when everything has been shifted out. SAR repeats the sign, so its CF is known. */
static uint32_t after_shift(unsigned count, unsigned bits)
{
    return count == 0 ? 0 : AF | (count != 1 ? OF : 0) | (count >= bits ? CF : 0);
}
static uint32_t after_sar(unsigned count, unsigned bits)
{
    (void)bits;
    return count == 0 ? 0 : AF | (count != 1 ? OF : 0);
}
static uint32_t after_rotate(unsigned count, unsigned bits)
{
    (void)bits;
    return count == 0 || count == 1 ? 0 : OF;
}
static uint32_t after_double_shift(unsigned count, unsigned bits)
{
    return count == 0 ? 0 : count > bits ? FLAGS_STATUS : AF | (count != 1 ? OF : 0);
}

static const struct {
    ZydisMnemonic mnemonic;
    uint32_t ever;                                       /* whatever the operands */
    uint32_t (*by_count)(unsigned count, unsigned bits); /* or, when there is a count, for this one */
} undefined[] = {
    {ZYDIS_MNEMONIC_AND, AF, NULL},
    {ZYDIS_MNEMONIC_OR, AF, NULL},
    {ZYDIS_MNEMONIC_XOR, AF, NULL},
    {ZYDIS_MNEMONIC_TEST, AF, NULL},
    {ZYDIS_MNEMONIC_MUL, SF | ZF | AF | PF, NULL},
    {ZYDIS_MNEMONIC_IMUL, SF | ZF | AF | PF, NULL},
    {ZYDIS_MNEMONIC_DIV, FLAGS_STATUS, NULL},
    {ZYDIS_MNEMONIC_IDIV, FLAGS_STATUS, NULL},
    {ZYDIS_MNEMONIC_BT, OF | SF | AF | PF, NULL},
    {ZYDIS_MNEMONIC_BTS, OF | SF | AF | PF, NULL},
    {ZYDIS_MNEMONIC_BTR, OF | SF | AF | PF, NULL},
    {ZYDIS_MNEMONIC_BTC, OF | SF | AF | PF, NULL},
    {ZYDIS_MNEMONIC_BSF, CF | OF | SF | AF | PF, NULL},
    {ZYDIS_MNEMONIC_BSR, CF | OF | SF | AF | PF, NULL},
    {ZYDIS_MNEMONIC_SHL, AF | OF | CF, after_shift},
    {ZYDIS_MNEMONIC_SHR, AF | OF | CF, after_shift},
    {ZYDIS_MNEMONIC_SAR, AF | OF, after_sar},
    {ZYDIS_MNEMONIC_ROL, OF, after_rotate},
    {ZYDIS_MNEMONIC_ROR, OF, after_rotate},
    {ZYDIS_MNEMONIC_RCL, OF, after_rotate},
    {ZYDIS_MNEMONIC_RCR, OF, after_rotate},
    {ZYDIS_MNEMONIC_SHLD, FLAGS_STATUS, after_double_shift},
    {ZYDIS_MNEMONIC_SHRD, FLAGS_STATUS, after_double_shift},
    {ZYDIS_MNEMONIC_CMPSB, UNDEFINED_FAULT, NULL},
    {ZYDIS_MNEMONIC_CMPSW, UNDEFINED_FAULT, NULL},
    {ZYDIS_MNEMONIC_CMPSD, UNDEFINED_FAULT, NULL},
    {ZYDIS_MNEMONIC_CMPSQ, UNDEFINED_FAULT, NULL},
};

uint32_t oracle_undefined_flags(const struct oracle_decoded *d, const struct oracle_regs *in)
{
    for (size_t i = 0; i < ARRAY_SIZE(undefined); i++)
        if (undefined[i].mnemonic == d->z.mnemonic)
            return undefined[i].by_count ? undefined[i].by_count(count_of(d, in), d->operand[0].size)
                                         : undefined[i].ever;
    return 0;
}

uint32_t oracle_defined_flags(const struct oracle_decoded *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(undefined); i++)
        if (undefined[i].mnemonic == d->z.mnemonic && undefined[i].by_count)
            return 0; /* a count of 0 changes nothing */
    if (!d->z.cpu_flags || (d->z.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)))
        return 0;
    return (d->z.cpu_flags->modified | d->z.cpu_flags->set_0 | d->z.cpu_flags->set_1) & ~oracle_undefined_flags_ever(d);
}

uint32_t oracle_undefined_flags_ever(const struct oracle_decoded *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(undefined); i++)
        if (undefined[i].mnemonic == d->z.mnemonic)
            return undefined[i].ever;
    return 0;
}

bool oracle_undefined_result(const struct oracle_decoded *d, const struct oracle_outcome *host,
                             const struct oracle_regs *in)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD: return count_of(d, in) > d->operand[0].size;
    /* Of zero: the destination stays as it is on all known CPUs, but for the upper half of a 32-bit one. */
    case ZYDIS_MNEMONIC_BSF:
    case ZYDIS_MNEMONIC_BSR: return d->operand[0].size == 32 && (host->regs.rflags & ZF) && host->vector == VEC_BP;
    case ZYDIS_MNEMONIC_BSWAP: return d->operand[0].size == 16;
    default: return false;
    }
}
