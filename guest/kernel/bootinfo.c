/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bootinfo.c [2]: memory map, command line and archive, from PVH's or Multiboot's structures.
 *
 * Everything is copied out at once: the loader's structures lie in memory we shall soon hand out.
 * Nothing here is trusted further than the 4 GiB that boot.S mapped.
 *
 * Next: main.c.
 */
#include "bootinfo.h"

/* Xen's public/arch-x86/hvm/start_info.h. */
#define HVM_START_MAGIC 0x336ec578
struct hvm_start_info {
    u32 magic, version, flags, nr_modules;
    u64 modlist_pa, cmdline_pa, rsdp_pa;
    u64 memmap_pa; /* from version 1 on */
    u32 memmap_entries, reserved;
};
struct hvm_module {
    u64 pa, size, cmdline_pa, reserved;
};
struct hvm_memmap {
    u64 addr, size;
    u32 type, reserved;
};

/* Multiboot Specification 0.6.96, 3.3 "Boot information format". */
#define MB_MEMORY  (1u << 0)
#define MB_CMDLINE (1u << 2)
#define MB_MODULES (1u << 3)
#define MB_MEMMAP  (1u << 6)
struct mb_info {
    u32 flags, mem_lower_kib, mem_upper_kib, boot_device, cmdline;
    u32 nr_modules, modules, syms[4], mmap_length, mmap;
};
struct mb_module {
    u32 start, end, string, reserved;
};
struct mb_memmap {
    u32 size; /* of what follows */
    u64 addr, length;
    u32 type;
} __attribute__((packed));

#define E820_RAM 1

/* A pointer to `size` readable bytes at a physical address, or NULL. */
static const void *at(u64 pa, u64 size)
{
    if (!pa || pa >= BOOT_MAPPED || size > BOOT_MAPPED - pa)
        return NULL;
    return phys_to_virt(pa);
}

static void add_ram(struct bootinfo *bi, u64 start, u64 size)
{
    if (bi->nr_ram == MAX_RAM_RANGES || start + size <= start)
        return;
    bi->ram[bi->nr_ram++] = (struct phys_range){start, start + size};
}

static void set_cmdline(struct bootinfo *bi, u64 pa)
{
    const char *s = at(pa, 1);

    if (s)
        strcopy(bi->cmdline, s, sizeof(bi->cmdline));
}

static void set_initrd(struct bootinfo *bi, u64 start, u64 end)
{
    if (end > start && at(start, end - start))
        bi->initrd = (struct phys_range){start, end};
}

static void read_pvh(struct bootinfo *bi, u64 pa)
{
    const struct hvm_start_info *si = at(pa, sizeof(*si));
    const struct hvm_module *mod;
    const struct hvm_memmap *map;

    if (!si || si->magic != HVM_START_MAGIC)
        return;
    set_cmdline(bi, si->cmdline_pa);
    mod = at(si->modlist_pa, sizeof(*mod));
    if (si->nr_modules && mod)
        set_initrd(bi, mod->pa, mod->pa + mod->size);
    if (si->version < 1)
        return;
    map = at(si->memmap_pa, (u64)si->memmap_entries * sizeof(*map));
    for (u32 i = 0; map && i < si->memmap_entries; i++)
        if (map[i].type == E820_RAM)
            add_ram(bi, map[i].addr, map[i].size);
}

static void read_mb_memmap(struct bootinfo *bi, u64 pa, u64 end)
{
    const struct mb_memmap *e;

    while (pa + sizeof(*e) <= end && (e = at(pa, sizeof(*e)))) {
        if (e->type == E820_RAM)
            add_ram(bi, e->addr, e->length);
        pa += (u64)e->size + 4;
    }
}

static void read_multiboot(struct bootinfo *bi, u64 pa)
{
    const struct mb_info *mb = at(pa, sizeof(*mb));
    const struct mb_module *mod;

    if (!mb)
        return;
    if (mb->flags & MB_CMDLINE)
        set_cmdline(bi, mb->cmdline);
    if ((mb->flags & MB_MODULES) && mb->nr_modules && (mod = at(mb->modules, sizeof(*mod))))
        set_initrd(bi, mod->start, mod->end);
    if (mb->flags & MB_MEMMAP)
        read_mb_memmap(bi, mb->mmap, (u64)mb->mmap + mb->mmap_length);
    else if (mb->flags & MB_MEMORY)
        add_ram(bi, KLOAD, (u64)mb->mem_upper_kib * 1024);
}

void bootinfo_read(struct bootinfo *bi, int protocol, u64 info_pa)
{
    memset(bi, 0, sizeof(*bi));
    if (protocol == BOOT_MULTIBOOT)
        read_multiboot(bi, info_pa);
    else
        read_pvh(bi, info_pa);
}
