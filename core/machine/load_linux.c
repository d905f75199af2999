/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load_linux.c - a Linux bzImage by the 64-bit boot protocol (Linux, Documentation/arch/x86/boot.rst).
 *
 * The file is the old real-mode set-up code, of which only the header counts here, then the kernel proper (itself a
 * decompressor and its load). We do what the set-up code would: put the kernel, command line, initrd and memory map
 * into RAM, describe them in the "zero page" (boot_params), and start in long mode at 0x200 past the kernel's start.
 */
#include "machine/load.h"

/* The set-up header: offsets in the file and in the zero page alike (boot.rst, "The Real-Mode Kernel Header"). */
#define SETUP_START  0x1f1
#define HEADER_JUMP  0x201 /* its displacement is the header's length, counted from 0x202 */
#define HEADER_MAGIC 0x202 /* "HdrS" */

struct setup_header {
    uint8_t setup_sects;
    uint16_t root_flags;
    uint32_t syssize;
    uint16_t ram_size, vid_mode, root_dev, boot_flag, jump;
    uint32_t magic;
    uint16_t version;
    uint32_t realmode_swtch;
    uint16_t start_sys_seg, kernel_version;
    uint8_t type_of_loader, loadflags;
    uint16_t setup_move_size;
    uint32_t code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
    uint16_t heap_end_ptr;
    uint8_t ext_loader_ver, ext_loader_type;
    uint32_t cmd_line_ptr, initrd_addr_max, kernel_alignment;
    uint8_t relocatable_kernel, min_alignment;
    uint16_t xloadflags;
    uint32_t cmdline_size, hardware_subarch;
    uint64_t hardware_subarch_data;
    uint32_t payload_offset, payload_length;
    uint64_t setup_data, pref_address;
    uint32_t init_size; /* the memory that the kernel needs from its start before it reads the memory map */
    uint32_t handover_offset;
} __attribute__((packed));

_Static_assert(offsetof(struct setup_header, magic) + SETUP_START == HEADER_MAGIC, "set-up header");
_Static_assert(offsetof(struct setup_header, init_size) + SETUP_START == 0x260, "set-up header");

#define MAGIC_BOOT       0xaa55     /* boot_flag */
#define MAGIC_HDRS       0x53726448 /* magic: "HdrS" */
#define VERSION_MIN      0x020c     /* 2.12, the first with xloadflags */
#define LOADED_HIGH      0x01       /* loadflags: the kernel goes to 1 MiB or above */
#define XLF_KERNEL_64    0x01       /* xloadflags: has the 64-bit entry point */
#define LOADER_UNDEFINED 0xff       /* type_of_loader: one without a number of its own */
#define VIDEO_NORMAL     0xffff
#define SECTOR           512
#define SETUP_SECTS_OLD  4 /* what 0 means, for ancient kernels */
#define ENTRY_64         0x200

/* The zero page: struct boot_params (Documentation/arch/x86/zero-page.rst). */
#define ZERO_PAGE_SIZE 0x1000
#define ZERO_E820_SIZE 0x1e8
#define ZERO_E820      0x2d0
#define ZERO_HDR_END   0x290 /* the most that the header may grow to */

struct e820_entry {
    uint64_t addr, size;
    uint32_t type;
} __attribute__((packed));

/* What was found in the file. */
struct bzimage {
    struct setup_header header;
    uint64_t header_size;           /* in this file, from SETUP_START on: it grows from version to version */
    uint64_t kernel_at, kernel_len; /* behind the set-up code */
};

bool is_linux(const struct image *kernel)
{
    struct setup_header h;

    return image_get(kernel, SETUP_START, &h, sizeof(h)) && h.magic == MAGIC_HDRS && h.boot_flag == MAGIC_BOOT;
}

static int check_header(const struct image *kernel, const struct setup_header *h, const char *append,
                        struct reason *why)
{
    if (h->version < VERSION_MIN)
        return image_bad(kernel, why, "Linux boot protocol %u.%u is too old, 2.12 is needed", h->version >> 8,
                         h->version & 0xff);
    if (!(h->xloadflags & XLF_KERNEL_64))
        return image_bad(kernel, why, "a Linux kernel without the 64-bit entry point (XLF_KERNEL_64)");
    if (!(h->loadflags & LOADED_HIGH))
        return image_bad(kernel, why, "a Linux zImage, which loads below 1 MiB; a bzImage is needed");
    if (strlen(append) > h->cmdline_size)
        return image_bad(kernel, why, "the command line has %zu characters, this kernel takes %u", strlen(append),
                         h->cmdline_size);
    return 0;
}

/* Where the kernel goes: where it prefers, or, when it can be moved, the lowest place with room. */
static int place_kernel(struct load *load, const struct setup_header *h, uint64_t size, uint64_t *at)
{
    uint64_t span = size > h->init_size ? size : h->init_size, align = h->kernel_alignment;
    bool fits = h->pref_address < load->ram->size && span <= load->ram->size - h->pref_address;

    if (fits || !h->relocatable_kernel) {
        *at = h->pref_address;
        return layout_claim(&load->layout, "the kernel", *at, span, load->why);
    }
    if (align == 0 || align & (align - 1) || align > RAM_MAX)
        return image_bad(load->kernel, load->why, "kernel_alignment %#x is not a power of two", h->kernel_alignment);
    return layout_place_low(&load->layout, "the kernel", HIGH_START, span, align, at, load->why);
}

static int put_initrd(struct load *load, struct setup_header *h)
{
    uint64_t at, size;
    int err = load_put_initrd(load, (uint64_t)h->initrd_addr_max + 1, &at, &size);

    if (!err) {
        h->ramdisk_image = (uint32_t)at;
        h->ramdisk_size = (uint32_t)size;
    }
    return err;
}

/* Builds the zero page: the kernel's own header with our answers in it, and the memory map. */
static int put_zero_page(struct load *load, const struct setup_header *h, uint64_t header_size, uint64_t *at)
{
    uint8_t page[ZERO_PAGE_SIZE] = {0};
    struct memory_area map[MEMORY_AREAS];
    int err;

    if (!image_get(load->kernel, SETUP_START, page + SETUP_START, header_size))
        return image_bad(load->kernel, load->why, "truncated: ends in its set-up header");
    memcpy(page + SETUP_START, h, header_size < sizeof(*h) ? header_size : sizeof(*h));

    layout_memory_map(load->ram, map);
    page[ZERO_E820_SIZE] = MEMORY_AREAS;
    for (unsigned i = 0; i < MEMORY_AREAS; i++) {
        struct e820_entry entry = {.addr = map[i].base, .size = map[i].length, .type = map[i].type};

        memcpy(page + ZERO_E820 + i * sizeof(entry), &entry, sizeof(entry));
    }
    err = layout_place_low(&load->layout, "the zero page", LOW_START, sizeof(page), PAGE_SIZE, at, load->why);
    return err ? err : load_put(load, *at, page, sizeof(page));
}

static int read_bzimage(struct bzimage *bz, const struct image *kernel, const char *append, struct reason *why)
{
    struct setup_header *h = &bz->header;
    uint8_t jump;
    int err;

    if (!image_get(kernel, SETUP_START, h, sizeof(*h)) || !image_get(kernel, HEADER_JUMP, &jump, sizeof(jump)))
        return image_bad(kernel, why, "truncated: ends in its set-up header");
    err = check_header(kernel, h, append, why);
    if (err)
        return err;
    bz->header_size = HEADER_MAGIC + jump - SETUP_START;
    if (bz->header_size < offsetof(struct setup_header, handover_offset) ||
        SETUP_START + bz->header_size > ZERO_HDR_END)
        return image_bad(kernel, why, "its set-up header has an impossible length (%#llx)",
                         (unsigned long long)bz->header_size);
    bz->kernel_at = (uint64_t)((h->setup_sects ? h->setup_sects : SETUP_SECTS_OLD) + 1) * SECTOR;
    if (!image_has(kernel, bz->kernel_at, ENTRY_64 + 1))
        return image_bad(kernel, why, "truncated: nothing behind its set-up code of %#llx bytes",
                         (unsigned long long)bz->kernel_at);
    bz->kernel_len = kernel->size - bz->kernel_at;
    if ((uint64_t)h->syssize * 16 > bz->kernel_len + 15) /* in paragraphs, rounded up */
        return image_bad(kernel, why, "truncated: its header announces %#llx bytes of kernel, there are %#llx",
                         (unsigned long long)h->syssize * 16, (unsigned long long)bz->kernel_len);
    return 0;
}

int load_linux(struct load *load)
{
    uint64_t at, cmdline, zero_page;
    struct bzimage bz;
    struct setup_header *h = &bz.header;
    int err = read_bzimage(&bz, load->kernel, load->append, load->why);

    if (!err)
        err = place_kernel(load, h, bz.kernel_len, &at);
    if (!err)
        err = load_put(load, at, load->kernel->bytes + bz.kernel_at, bz.kernel_len);
    if (!err)
        err = load_put_string(load, "the command line", load->append, &cmdline);
    if (!err && load->initrd)
        err = put_initrd(load, h);
    if (err)
        return err;

    h->type_of_loader = LOADER_UNDEFINED;
    h->vid_mode = VIDEO_NORMAL;
    h->code32_start = (uint32_t)at;
    h->cmd_line_ptr = (uint32_t)cmdline;
    err = put_zero_page(load, h, bz.header_size, &zero_page);
    return err ? err : start_long(load, at + ENTRY_64, zero_page, LOAD_RING_0);
}
