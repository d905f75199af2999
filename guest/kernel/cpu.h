/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu.h: descriptor tables, MSRs and the FPU of the one CPU (cpu.c). */
#ifndef CPU_H
#define CPU_H

#include "pv_ops.h"

#define FX_SIZE PV_FPU_SIZE

void cpu_init(void);
void cpu_set_kernel_stack(u64 top);
void cpu_set_trap_entry(unsigned vector, const void *entry); /* other than entry.S's: nano.c measures its own */
void cpu_set_syscall_entry(const void *entry);
void cpu_set_fs_base(u64 base);
void cpu_set_gs_base(u64 base);
u32 cpu_hwcap(void);

/* The FXSAVE image: 512 bytes, 16-byte aligned.  The kernel itself never touches the FPU. */
void fpu_save(u8 *fx);
void fpu_load(const u8 *fx);
void fpu_init_state(u8 *fx);
void fpu_sanitize(u8 *fx); /* makes an image of unknown origin loadable without #GP */

#endif
