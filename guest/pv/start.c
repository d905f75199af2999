/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * start.c: from the hypervisor's start info to kmain, and the operations of ops.h that are more than a line.
 *
 * Next: tables.c, usercopy.c, tick.c; then main.c, as in the bare kernel.
 */
#include "clock.h"
#include "pv_ops.h"

#define MSR_LSTAR   0xc0000082
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101

#define XSTATE_BV       512  /* where an XSAVE area says what it holds (SDM vol. 1, 13.4) */
#define XSTATE_EXTENDED 0xe4 /* more than x87 and SSE */

struct para_shared *pv_shared;
const u8 *pv_table_map;

void kmain(int protocol, u64 info_pa);
void pv_start(u64 info_pa);

void pv_start(u64 info_pa)
{
    const struct para_start_info *info = phys_to_virt(info_pa);

    pv_shared = phys_to_virt(info->shared);
    pv_table_map = phys_to_virt(info->table_map);
    kmain(BOOT_PVH, info->boot_info);
}

_Noreturn void pv_refused(const char *what, long error)
{
    panic("the hypervisor refuses %s: error %ld", what, -error);
}

/* --- traps ------------------------------------------------------------------------------- */

/* The IDT that cpu.c has built, as a list of handlers (gates: SDM vol. 3A, 6.14.1). */
void pv_lidt(const struct pv_table_ptr *p)
{
    struct para_trap list[VEC_COUNT];
    u64 count = (p->limit + 1u) / 16;
    long r;

    if (count > VEC_COUNT || !p->base)
        return;
    for (u64 v = 0; v < count; v++) {
        const u16 *gate = (const u16 *)(p->base + 16 * v);

        list[v].vector = v;
        list[v].handler = gate[0] | (u64)gate[3] << 16 | (u64)gate[4] << 32 | (u64)gate[5] << 48;
    }
    r = pv_call(PARA_CALL_SET_TRAPS, (u64)list, count, 0, 0, 0);
    if (r)
        pv_refused("the trap table", r);
}

void pv_wrmsr(u32 msr, u64 v)
{
    const struct para_trap syscall = {PARA_TRAP_SYSCALL, v};

    if (msr == MSR_FS_BASE)
        pv_shared->fs_base = v;
    else if (msr == MSR_GS_BASE)
        pv_shared->gs_base = v;
    else if (msr == MSR_LSTAR)
        pv_call(PARA_CALL_SET_TRAPS, (u64)&syscall, 1, 0, 0, 0);
}

/* --- time -------------------------------------------------------------------------------- */

/* Reads until nothing has changed meanwhile. */
struct para_time pv_time(void)
{
    const volatile struct para_time *from = &pv_shared->time;
    struct para_time time;

    do {
        time.version = from->version;
        pv_barrier();
        time.shift = from->shift;
        time.mul = from->mul;
        time.tsc = from->tsc;
        time.ns = from->ns;
        time.seconds = from->seconds;
        pv_barrier();
    } while (time.version & 1 || time.version != from->version);
    return time;
}

u64 pv_tsc_hz(void)
{
    struct para_time time = pv_time();

    return time.mul && time.shift <= 34 ? (NSEC_PER_SEC << time.shift) / time.mul : 0;
}

u64 pv_boot_seconds(void)
{
    return pv_time().seconds;
}

/* --- FPU --------------------------------------------------------------------------------- */

/* Most programs use no more than SSE: then the rest needn't be copied. */
static size_t fpu_used(const u8 *fx)
{
    return *(const u64 *)(fx + XSTATE_BV) & XSTATE_EXTENDED ? PARA_FPU_SIZE : XSTATE_BV + sizeof(u64);
}

void pv_fpu_save(u8 *fx)
{
    if (pv_shared->fpu_elsewhere && !pv_shared->fpu_written)
        pv_call(PARA_CALL_FPU, 0, 0, 0, 0, 0);
    memcpy(fx, pv_shared->fpu, fpu_used(pv_shared->fpu));
}

void pv_fpu_load(const u8 *fx)
{
    memcpy(pv_shared->fpu, fx, fpu_used(fx));
    pv_shared->fpu_written = 1;
}

/* State that is elsewhere needn't be fetched: the hypervisor stores it, on the way to user mode. */
void pv_fpu_switch(u8 *save, const u8 *load)
{
    bool fetched = !pv_shared->fpu_elsewhere || pv_shared->fpu_written;

    if (save && (fetched || !pv_defers))
        pv_fpu_save(save);
    else if (save)
        pv_shared->fpu_save_at = (u64)save;
    if (pv_shared->fpu_save_at == (u64)load) { /* it is still there */
        pv_shared->fpu_save_at = 0;
        pv_shared->fpu_written = 0;
    } else {
        pv_fpu_load(load);
    }
}

/* --- port I/O ---------------------------------------------------------------------------- */

static void string_io(u16 port, u64 direction, u64 buf, u64 words)
{
    while (words) {
        u64 part = MIN(words, PAGE_SIZE / 2);

        pv_call(PARA_CALL_IO_STRING, port, 2, direction, buf, part);
        buf += 2 * part;
        words -= part;
    }
}

void pv_insw(u16 port, void *buf, u64 words)
{
    string_io(port, PARA_IO_IN, (u64)buf, words);
}

void pv_outsw(u16 port, const void *buf, u64 words)
{
    string_io(port, PARA_IO_OUT, (u64)buf, words);
}
