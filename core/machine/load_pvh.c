/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load_pvh.c - ELF kernels that say by a Xen note where to start: the PVH protocol, which `qemu -kernel` speaks too.
 *
 * A note XEN_ELFNOTE_PHYS32_ENTRY gives the physical address of a 32-bit entry point. The kernel starts there in flat
 * protected mode with EBX pointing to an hvm_start_info: command line, modules and memory map (Xen's
 * docs/misc/pvh.pandoc and xen/include/public/arch-x86/hvm/start_info.h).
 */
#include <elf.h>

#include "machine/load_elf.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define START_MAGIC              0x336ec578 /* "xEn3" with the top bit of the E set */
#define START_VERSION            1          /* the first with a memory map */

struct hvm_start_info {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
    uint32_t memmap_entries, reserved;
};

struct hvm_modlist_entry {
    uint64_t paddr, size, cmdline_paddr, reserved;
};

struct hvm_memmap_table_entry {
    uint64_t addr, size;
    uint32_t type, reserved;
};

/* All three in one piece of guest memory. */
struct start_block {
    struct hvm_start_info info;
    struct hvm_modlist_entry module;
    struct hvm_memmap_table_entry memmap[MEMORY_AREAS];
};

static bool find_entry(const struct elf *elf, const struct image *image, uint64_t *entry)
{
    struct elf_note note = {0};

    while (elf_next_note(elf, image, &note)) {
        if (note.type == XEN_ELFNOTE_PHYS32_ENTRY && note.whole && (note.descsz == 4 || note.descsz == 8) &&
            elf_note_is(image, &note, "Xen", sizeof("Xen"))) {
            *entry = 0;
            return image_get(image, note.desc, entry, note.descsz);
        }
    }
    return false;
}

int put_pvh_info(struct load *load, uint64_t *at)
{
    struct start_block block = {.info = {.magic = START_MAGIC, .version = START_VERSION}};
    struct memory_area map[MEMORY_AREAS];
    int err = layout_place_low(&load->layout, "the PVH start info", LOW_START, sizeof(block), 16, at, load->why);

    if (!err)
        err = load_put_string(load, "the command line", load->append, &block.info.cmdline_paddr);
    if (!err && load->initrd) {
        block.info.nr_modules = 1;
        block.info.modlist_paddr = *at + offsetof(struct start_block, module);
        err = load_put_initrd(load, RAM_MAX, &block.module.paddr, &block.module.size);
    }
    if (err)
        return err;

    layout_memory_map(load->ram, map);
    block.info.memmap_paddr = *at + offsetof(struct start_block, memmap);
    block.info.memmap_entries = MEMORY_AREAS;
    for (unsigned i = 0; i < MEMORY_AREAS; i++)
        block.memmap[i] =
            (struct hvm_memmap_table_entry){.addr = map[i].base, .size = map[i].length, .type = map[i].type};
    return load_put(load, *at, &block, sizeof(block));
}

int load_pvh(struct load *load)
{
    uint64_t entry, info;
    struct elf elf;
    int err = elf_read(&elf, load->kernel, load->why);

    if (err)
        return err;
    if (!find_entry(&elf, load->kernel, &entry))
        return image_bad(load->kernel, load->why,
                         "an ELF file without the PVH note (XEN_ELFNOTE_PHYS32_ENTRY) and without a Multiboot header: "
                         "not a kernel");
    if (!elf_holds(&elf, entry))
        return image_bad(load->kernel, load->why, "its PVH entry %#llx is in no segment that is loaded",
                         (unsigned long long)entry);
    err = elf_load(&elf, load);
    if (!err)
        err = put_pvh_info(load, &info);
    if (err)
        return err;
    start_protected(load->start, entry, info);
    return 0;
}
