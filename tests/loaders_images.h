/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loaders_images.h - small valid kernels of every format, made byte by byte, for test_loaders.c to load and to damage.
 *
 * The offsets in the tables of test_loaders.c are those of the structures as they are laid out here.
 */
#ifndef VIRTLAB_TESTS_LOADERS_IMAGES_H
#define VIRTLAB_TESTS_LOADERS_IMAGES_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

#define BLOB_MAX 0x4000

struct blob {
    uint8_t bytes[BLOB_MAX];
    uint64_t size;
};

static void put(struct blob *blob, uint64_t at, const void *bytes, uint64_t len)
{
    memcpy(blob->bytes + at, bytes, len);
    if (at + len > blob->size)
        blob->size = at + len;
}

static void put_number(struct blob *blob, uint64_t at, unsigned size, uint64_t value)
{
    put(blob, at, &value, size);
}

/* Bytes that tell where they came from, so that a test can see them in RAM. */
static void put_pattern(struct blob *blob, uint64_t at, uint64_t len, uint8_t first)
{
    for (uint64_t i = 0; i < len; i++)
        put_number(blob, at + i, 1, (uint8_t)(first + i));
}

/*
 * ELF64 with the PVH note. Header at 0, program headers at 0x40, 0x78, 0xb0 (code, data with .bss, note); the note at
 * 0x100, code at 0x200 (0x100 bytes, to 1 MiB), data at 0x400 (0x80 bytes in 0x2000, to 2 MiB).
 */
#define PVH_ENTRY 0x100010
#define PVH_CODE  0x100000
#define PVH_DATA  0x200000

__attribute__((unused)) static void make_pvh(struct blob *blob)
{
    Elf64_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_EXEC,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_entry = 0xffffffff80100000,
                    .e_phoff = 0x40,
                    .e_ehsize = sizeof(Elf64_Ehdr),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 3};
    Elf64_Phdr p[3] = {{.p_type = PT_LOAD,
                        .p_offset = 0x200,
                        .p_vaddr = 0xffffffff80100000,
                        .p_paddr = PVH_CODE,
                        .p_filesz = 0x100,
                        .p_memsz = 0x100},
                       {.p_type = PT_LOAD,
                        .p_offset = 0x400,
                        .p_vaddr = 0xffffffff80200000,
                        .p_paddr = PVH_DATA,
                        .p_filesz = 0x80,
                        .p_memsz = 0x2000},
                       {.p_type = PT_NOTE, .p_offset = 0x100, .p_filesz = 0x30, .p_memsz = 0x30, .p_align = 4}};
    uint32_t notes[12] = {4, 4, 1,  0x00554e47, 0,                     /* "GNU": to be stepped over */
                          4, 8, 18, 0x006e6558, PVH_ENTRY, 0x00000000, /* "Xen" */
                          0};

    *blob = (struct blob){{0}, 0};
    put(blob, 0, &e, sizeof(e));
    put(blob, 0x40, p, sizeof(p));
    put(blob, 0x100, notes, sizeof(notes));
    put_pattern(blob, 0x200, 0x100, 1);
    put_pattern(blob, 0x400, 0x80, 0x80);
}

/* A flat binary with Multiboot's address fields: header at 0x20, loaded from 0x10 on to 1 MiB, entry 0x100040. */
#define MB_HEADER 0x20
#define MB_LOAD   0x100000
#define MB_ENTRY  0x100040
#define MB_BSS    0x105000

__attribute__((unused)) static void make_multiboot(struct blob *blob)
{
    uint32_t flags = 0x00010003,
             header[8] = {0x1badb002, flags,   -(0x1badb002 + flags), MB_LOAD + 0x10, MB_LOAD, MB_LOAD + 0x200,
                          MB_BSS,     MB_ENTRY};

    *blob = (struct blob){{0}, 0};
    put_pattern(blob, 0, 0x300, 0);
    put(blob, MB_HEADER, header, sizeof(header));
}

/* ELF32 with a Multiboot header without addresses, at 0x80; the program header at 0x34, code at 0x1000. */
#define MBELF_LOAD  0x300000
#define MBELF_ENTRY 0xc0300020 /* linked 3 GiB above where it is loaded, as many kernels are */

__attribute__((unused)) static void make_multiboot_elf(struct blob *blob)
{
    Elf32_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_EXEC,
                    .e_machine = EM_386,
                    .e_version = EV_CURRENT,
                    .e_entry = MBELF_ENTRY,
                    .e_phoff = 0x34,
                    .e_ehsize = sizeof(Elf32_Ehdr),
                    .e_phentsize = sizeof(Elf32_Phdr),
                    .e_phnum = 1};
    Elf32_Phdr p = {.p_type = PT_LOAD,
                    .p_offset = 0x1000,
                    .p_vaddr = 0xc0300000,
                    .p_paddr = MBELF_LOAD,
                    .p_filesz = 0x200,
                    .p_memsz = 0x4000};
    uint32_t flags = 0x00000002, header[3] = {0x1badb002, flags, -(0x1badb002 + flags)};

    *blob = (struct blob){{0}, 0};
    put(blob, 0, &e, sizeof(e));
    put(blob, 0x34, &p, sizeof(p));
    put(blob, 0x80, header, sizeof(header));
    put_pattern(blob, 0x1000, 0x200, 7);
}

/* A bzImage: one set-up sector behind the boot sector, then 0x1000 bytes of kernel; prefers 4 MiB, needs 1 MiB. */
#define LINUX_PREF      0x400000
#define LINUX_INIT_SIZE 0x100000
#define LINUX_SETUP     0x400

__attribute__((unused)) static void make_linux(struct blob *blob)
{
    *blob = (struct blob){{0}, 0};
    put_number(blob, 0x1f1, 1, 1);               /* setup_sects */
    put_number(blob, 0x1f4, 4, 0x1000 / 16);     /* syssize */
    put_number(blob, 0x1fe, 2, 0xaa55);          /* boot_flag */
    put_number(blob, 0x200, 2, 0x6aeb);          /* jump: the header ends at 0x26c */
    put_number(blob, 0x202, 4, 0x53726448);      /* "HdrS" */
    put_number(blob, 0x206, 2, 0x020f);          /* version */
    put_number(blob, 0x211, 1, 0x01);            /* loadflags: LOADED_HIGH */
    put_number(blob, 0x214, 4, 0x100000);        /* code32_start */
    put_number(blob, 0x22c, 4, 0x7fffffff);      /* initrd_addr_max */
    put_number(blob, 0x230, 4, 0x200000);        /* kernel_alignment */
    put_number(blob, 0x234, 1, 1);               /* relocatable_kernel */
    put_number(blob, 0x236, 2, 0x003f);          /* xloadflags */
    put_number(blob, 0x238, 4, 2047);            /* cmdline_size */
    put_number(blob, 0x258, 8, LINUX_PREF);      /* pref_address */
    put_number(blob, 0x260, 4, LINUX_INIT_SIZE); /* init_size */
    put_number(blob, 0x264, 4, 0x190);           /* handover_offset */
    put_pattern(blob, LINUX_SETUP, 0x1000, 0x33);
}

#endif
