/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu.c - x87 and SSE registers, in and out of the library.
 */
#include "emulate/unicorn/parts.h"

/* The library's tag word has two bits a register, 3 for an empty one; FXSAVE's, and ours, has one (SDM 1, 10.5.1.1). */
void fpu_put(struct engine *e, const struct fpu_state *fpu)
{
    uint16_t tags = 0;

    for (unsigned i = 0; i < 8; i++)
        tags |= (uint16_t)((fpu->ftw >> i & 1 ? 0 : 3) << 2 * i);
    reg_put(e, UC_X86_REG_FPCW, fpu->fcw);
    reg_put(e, UC_X86_REG_FPSW, fpu->fsw);
    for (unsigned i = 0; i < 8; i++)
        (void)uc_reg_write(e->uc, UC_X86_REG_ST0 + (int)i, fpu->st[i]);
    reg_put(e, UC_X86_REG_FPTAG, tags); /* behind the registers, which become full when they are written */
    reg_put(e, UC_X86_REG_FOP, fpu->fop);
    reg_put(e, UC_X86_REG_FIP, fpu->fip);
    reg_put(e, UC_X86_REG_FDP, fpu->fdp);
    for (unsigned i = 0; i < 16; i++)
        (void)uc_reg_write(e->uc, UC_X86_REG_XMM0 + (int)i, fpu->xmm[i]);
    reg_put(e, UC_X86_REG_MXCSR, fpu->mxcsr);
}

void fpu_get(struct engine *e, struct fpu_state *fpu)
{
    uint16_t tags = (uint16_t)reg_get(e, UC_X86_REG_FPTAG);

    memset(fpu, 0, sizeof(*fpu));
    for (unsigned i = 0; i < 8; i++)
        fpu->ftw |= (uint8_t)(((tags >> 2 * i & 3) != 3) << i);
    fpu->fcw = (uint16_t)reg_get(e, UC_X86_REG_FPCW);
    fpu->fsw = (uint16_t)reg_get(e, UC_X86_REG_FPSW);
    fpu->fop = (uint16_t)reg_get(e, UC_X86_REG_FOP);
    fpu->fip = reg_get(e, UC_X86_REG_FIP);
    fpu->fdp = reg_get(e, UC_X86_REG_FDP);
    for (unsigned i = 0; i < 8; i++)
        (void)uc_reg_read(e->uc, UC_X86_REG_ST0 + (int)i, fpu->st[i]);
    for (unsigned i = 0; i < 16; i++)
        (void)uc_reg_read(e->uc, UC_X86_REG_XMM0 + (int)i, fpu->xmm[i]);
    fpu->mxcsr = (uint32_t)reg_get(e, UC_X86_REG_MXCSR);
}
