/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load_multiboot.c - kernels with a Multiboot header (Multiboot Specification 0.6.96), as GRUB and `qemu -kernel` load.
 *
 * The header says either where the image goes (the "a.out kludge", for files of any format) or nothing, and then the
 * file is ELF. The kernel starts in flat 32-bit protected mode with a magic number in EAX and the information structure
 * at EBX. As under QEMU, the command line starts with the kernel's name, and `initrd` is a list of modules:
 * "file1 its text,file2" (a comma in a name is written twice).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "machine/load_elf.h"
#include "machine/ram_clear.h"

#define HEADER_WITHIN 8192       /* the header lies wholly in the file's first 8 KiB */
#define HEADER_MAGIC  0x1badb002 /* in the file */
#define LOADER_MAGIC  0x2badb002 /* in EAX */

/* What the header asks for. An unknown bit below 16 means: do not load me. */
#define WANT_PAGE_ALIGN 0x00000001u
#define WANT_MEMORY     0x00000002u
#define WANT_VIDEO      0x00000004u /* we have none, and say so by leaving it out of the information */
#define WANT_MUST       0x0000ffffu
#define HAS_ADDRESSES   0x00010000u

struct header {
    uint32_t magic, flags, checksum;
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

/* The information structure, up to the last field that we fill in. */
#define INFO_MEMORY  0x001u
#define INFO_CMDLINE 0x004u
#define INFO_MODULES 0x008u
#define INFO_MMAP    0x040u
#define INFO_LOADER  0x200u

struct info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
    uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name;
    uint8_t apm_and_video[48]; /* absent: their flags are 0 */
};

struct module {
    uint32_t start, end, string, reserved;
};

struct mmap_entry {
    uint32_t size; /* of the rest */
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

#define MODULES_MAX 16

/* Finds the header. The address fields are read only when its flags promise them. */
static bool find_header(const struct image *image, struct header *header, uint64_t *at)
{
    const uint64_t basic = offsetof(struct header, header_addr);

    for (*at = 0; *at + basic <= HEADER_WITHIN; *at += 4) {
        *header = (struct header){0};
        if (!image_get(image, *at, header, basic))
            return false;
        if (header->magic == HEADER_MAGIC && header->magic + header->flags + header->checksum == 0)
            return true;
    }
    return false;
}

bool is_multiboot(const struct image *kernel)
{
    struct header header;
    uint64_t at;

    return find_header(kernel, &header, &at);
}

/* Loads by the header's own addresses. All are 32-bit, so sums and differences fit in 64 bits. */
static int load_by_addresses(struct load *load, const struct header *h, uint64_t header_at)
{
    const struct image *image = load->kernel;
    uint64_t before = (uint64_t)h->header_addr - h->load_addr, from = header_at - before, len, size;
    int err;

    if (h->load_addr > h->header_addr || before > header_at)
        return image_bad(image, load->why, "Multiboot load address %#x does not fit the header at %#x (file %#llx)",
                         h->load_addr, h->header_addr, (unsigned long long)header_at);
    len = h->load_end_addr ? (uint64_t)h->load_end_addr - h->load_addr : image->size - from;
    if (h->load_end_addr && h->load_end_addr <= h->load_addr)
        return image_bad(image, load->why, "Multiboot load_end_addr %#x is not above load_addr %#x", h->load_end_addr,
                         h->load_addr);
    if (!image_has(image, from, len))
        return image_bad(image, load->why, "truncated: its Multiboot header wants %#llx bytes from %#llx on",
                         (unsigned long long)len, (unsigned long long)from);
    size = h->bss_end_addr ? (uint64_t)h->bss_end_addr - h->load_addr : len;
    if (h->bss_end_addr && (h->bss_end_addr < h->load_addr || size < len))
        return image_bad(image, load->why, "Multiboot bss_end_addr %#x lies before the end of what is loaded",
                         h->bss_end_addr);
    if (h->entry_addr < h->load_addr || h->entry_addr - h->load_addr >= size)
        return image_bad(image, load->why, "Multiboot entry %#x is outside the image at %#x..%#llx", h->entry_addr,
                         h->load_addr, h->load_addr + (unsigned long long)size);

    err = layout_claim(&load->layout, "the kernel", h->load_addr, size, load->why);
    if (!err)
        err = load_put(load, h->load_addr, image->bytes + from, len);
    if (!err)
        err = ram_clear(load->ram, gpa(h->load_addr + len), size - len, load->why);
    return err;
}

static int load_as_elf(struct load *load, uint64_t *entry)
{
    struct elf elf;
    int err = elf_read(&elf, load->kernel, load->why);

    if (err)
        return err;
    *entry = elf_entry_paddr(&elf);
    if (!elf_holds(&elf, *entry) || *entry > UINT32_MAX)
        return image_bad(load->kernel, load->why, "its entry %#llx is in no segment that is loaded",
                         (unsigned long long)elf.entry);
    return elf_load(&elf, load);
}

/* Loads one module; `text` is "file arguments", which is also the string that the kernel gets. */
static int put_module(struct load *load, char *text, struct module *module)
{
    uint64_t at, string;
    struct image file;
    size_t name_len = strcspn(text, " ");
    char separator = text[name_len];
    int err = load_put_string(load, "a module's string", text, &string);

    if (err)
        return err;
    text[name_len] = '\0';
    err = image_open(&file, text, load->why);
    if (!err) {
        err = layout_place_low(&load->layout, "a module", layout_end(&load->layout), file.size, PAGE_SIZE, &at,
                               load->why);
        if (!err)
            err = load_put(load, at, file.bytes, file.size);
        if (!err)
            *module =
                (struct module){.start = (uint32_t)at, .end = (uint32_t)(at + file.size), .string = (uint32_t)string};
        image_close(&file);
    }
    text[name_len] = separator;
    return err;
}

/* Cuts the next item off a list at a single comma, turns double ones into one; NULL at the end. */
static char *next_item(char **list)
{
    char *item = *list, *from = item, *to = item;

    if (!item)
        return NULL;
    *list = NULL;
    for (; *from; from++) {
        if (*from == ',' && from[1] != ',') {
            *list = from + 1;
            break;
        }
        from += *from == ',';
        *to++ = *from;
    }
    *to = '\0';
    return item;
}

static int put_modules(struct load *load, struct info *info)
{
    struct module module[MODULES_MAX];
    char *copy = strdup(load->initrd), *list = copy, *item;
    uint64_t at;
    int err = copy ? 0 : image_bad(load->kernel, load->why, "no memory");

    while (!err && (item = next_item(&list))) {
        if (info->mods_count == MODULES_MAX)
            err = image_bad(load->kernel, load->why, "more than %d modules", MODULES_MAX);
        else
            err = put_module(load, item, &module[info->mods_count++]);
    }
    free(copy);
    if (!err)
        err = layout_place_low(&load->layout, "the module list", LOW_START, sizeof(module), 16, &at, load->why);
    if (err)
        return err;
    info->flags |= INFO_MODULES;
    info->mods_addr = (uint32_t)at;
    return load_put(load, at, module, info->mods_count * sizeof(module[0]));
}

static int put_memory_map(struct load *load, struct info *info)
{
    struct memory_area map[MEMORY_AREAS];
    struct mmap_entry entry[MEMORY_AREAS];
    uint64_t at;
    int err = layout_place_low(&load->layout, "the memory map", LOW_START, sizeof(entry), 16, &at, load->why);

    if (err)
        return err;
    layout_memory_map(load->ram, map);
    for (unsigned i = 0; i < MEMORY_AREAS; i++)
        entry[i] = (struct mmap_entry){.size = sizeof(entry[i]) - sizeof(entry[i].size),
                                       .base = map[i].base,
                                       .length = map[i].length,
                                       .type = map[i].type};
    info->flags |= INFO_MEMORY | INFO_MMAP;
    info->mem_lower = LOW_END / 1024;
    info->mem_upper = (uint32_t)((load->ram->size - HIGH_START) / 1024);
    info->mmap_length = sizeof(entry);
    info->mmap_addr = (uint32_t)at;
    return load_put(load, at, entry, sizeof(entry));
}

static int put_command_line(struct load *load, struct info *info)
{
    const char *slash = strrchr(load->kernel->name, '/'), *base = slash ? slash + 1 : load->kernel->name;
    uint64_t at;
    char *line;
    int err;

    if (asprintf(&line, "%s%s%s", base, load->append[0] ? " " : "", load->append) < 0)
        return image_bad(load->kernel, load->why, "no memory");
    err = load_put_string(load, "the command line", line, &at);
    free(line);
    if (err)
        return err;
    info->flags |= INFO_CMDLINE;
    info->cmdline = (uint32_t)at;
    err = load_put_string(load, "the boot loader's name", "virtlab", &at);
    info->flags |= INFO_LOADER;
    info->boot_loader_name = (uint32_t)at;
    return err;
}

int load_multiboot(struct load *load)
{
    struct info info = {0};
    struct header header;
    uint64_t header_at, entry, at;
    int err;

    if (!find_header(load->kernel, &header, &header_at))
        return image_bad(load->kernel, load->why, "has no Multiboot header");
    if (header.flags & WANT_MUST & ~(WANT_PAGE_ALIGN | WANT_MEMORY | WANT_VIDEO))
        return image_bad(load->kernel, load->why, "its Multiboot header asks for something unknown (flags %#x)",
                         header.flags);
    if (header.flags & HAS_ADDRESSES) {
        if (!image_get(load->kernel, header_at, &header, sizeof(header)))
            return image_bad(load->kernel, load->why, "truncated: ends in its Multiboot header");
        entry = header.entry_addr;
        err = load_by_addresses(load, &header, header_at);
    } else {
        err = load_as_elf(load, &entry);
    }
    if (!err)
        err = layout_place_low(&load->layout, "the Multiboot information", LOW_START, sizeof(info), 16, &at, load->why);
    if (!err)
        err = put_command_line(load, &info);
    if (!err)
        err = put_memory_map(load, &info);
    if (!err && load->initrd)
        err = put_modules(load, &info);
    if (!err)
        err = load_put(load, at, &info, sizeof(info));
    if (err)
        return err;
    start_protected(load->start, entry, at);
    load->start->gpr[RAX] = LOADER_MAGIC;
    return 0;
}
