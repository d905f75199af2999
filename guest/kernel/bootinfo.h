/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bootinfo.h: what the boot loader told us, whichever loader it was. */
#ifndef BOOTINFO_H
#define BOOTINFO_H

#include "kernel.h"

#define MAX_RAM_RANGES 32

struct phys_range {
    u64 start, end;
};

struct bootinfo {
    struct phys_range ram[MAX_RAM_RANGES];
    int nr_ram;
    struct phys_range initrd; /* empty when there is none */
    char cmdline[2048];
};

void bootinfo_read(struct bootinfo *bi, int protocol, u64 info_pa);

#endif
