/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab.c - a bare guest: some RAM, the library's CPU, and hooks that note what it did (lab.h).
 */
#include "emulate/unicorn/lab.h"
#include "emulate/unicorn/parts.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef unsigned long long ull;

uint64_t lab_get(struct lab *lab, int id)
{
    uint64_t value = 0;

    (void)uc_reg_read(lab->uc, id, &value);
    return value;
}

void lab_put(struct lab *lab, int id, uint64_t value)
{
    (void)uc_reg_write(lab->uc, id, &value);
}

static void on_block(uc_engine *uc, uint64_t address, uint32_t size, void *context)
{
    struct lab *lab = context;

    (void)size;
    if (address == lab->stop_at)
        uc_emu_stop(uc);
}

static void on_exception(uc_engine *uc, uint32_t vector, void *context)
{
    ((struct lab *)context)->vector = vector;
    uc_emu_stop(uc);
}

static bool on_invalid(uc_engine *uc, void *context)
{
    (void)uc;
    ((struct lab *)context)->vector = VEC_UD;
    return false;
}

static bool on_unmapped(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *context)
{
    struct lab *lab = context;

    (void)uc, (void)type, (void)address, (void)size, (void)value;
    lab->rip_at_access = lab_get(lab, UC_X86_REG_RIP);
    return false;
}

static void on_access(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *context)
{
    (void)uc, (void)type, (void)address, (void)size, (void)value, (void)context;
}

bool lab_open(struct lab *lab)
{
    uc_hook unused;

    *lab = (struct lab){.vector = NO_VECTOR};
    lab->ram = aligned_alloc(PAGE_SIZE, LAB_BYTES);
    if (!lab->ram || library_cpu(&lab->uc))
        return false;
    memset(lab->ram, 0, LAB_BYTES);
    memcpy(lab->ram + HANDLER, "\xbb\x01\x00\x00\x00\xf4", 6);
    lab_put(lab, UC_X86_REG_RSP, STACK);
    lab_put(lab, UC_X86_REG_CR4, CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    return !uc_mem_map_ptr(lab->uc, 0, LAB_BYTES, UC_PROT_ALL, lab->ram) &&
           !uc_hook_add(lab->uc, &unused, UC_HOOK_BLOCK, (void *)on_block, lab, 1, 0) &&
           !uc_hook_add(lab->uc, &unused, UC_HOOK_INTR, (void *)on_exception, lab, 1, 0) &&
           !uc_hook_add(lab->uc, &unused, UC_HOOK_INSN_INVALID, (void *)on_invalid, lab, 1, 0) &&
           !uc_hook_add(lab->uc, &unused, UC_HOOK_MEM_UNMAPPED, (void *)on_unmapped, lab, 1, 0) &&
           !uc_hook_add(lab->uc, &unused, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, (void *)on_access, lab, LAB_BYTES,
                        UINT64_MAX);
}

void lab_close(struct lab *lab)
{
    if (lab->uc)
        uc_close(lab->uc);
    free(lab->ram);
}

void lab_run(struct lab *lab)
{
    lab->vector = NO_VECTOR;
    lab->err = uc_emu_start(lab->uc, CODE, NOWHERE, 0, INSN_LIMIT);
}

void found(struct unicorn_finding *finding, bool ok, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(finding->seen, sizeof(finding->seen), format, args);
    va_end(args);
    finding->ok = ok;
}

void expect_exception(struct lab *lab, struct unicorn_finding *finding, uint32_t vector)
{
    lab_run(lab);
    if (lab->vector == NO_VECTOR)
        found(finding, false, "no exception; stopped at %#llx: %s", (ull)lab_get(lab, UC_X86_REG_RIP),
              uc_strerror(lab->err));
    else
        found(finding, lab->vector == vector, "exception %u at %#llx", lab->vector, (ull)lab_get(lab, UC_X86_REG_RIP));
}

void expect_value(struct lab *lab, struct unicorn_finding *finding, int id, uint64_t value)
{
    lab_run(lab);
    found(finding, !lab->err && lab->vector == NO_VECTOR && lab_get(lab, id) == value, "got %#llx, expected %#llx%s",
          (ull)lab_get(lab, id), (ull)value, lab->err ? ", with an error" : "");
}
