/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.c - the world's text as an ELF executable in a memfd.
 *
 * execve is what makes a process that holds *nothing* of the VMM: no memory, no open file without our leave, no
 * registered restartable sequence or robust list, no sanitizer's shadow. The file has one segment, the text, which is
 * loaded at the hole; the first page holds the headers and isn't loaded. (System V ABI, chapters 4 and 5.)
 *
 * Next: space.c executes it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "world/private.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif
#define HLT 0xf4

/* The text; without world_call, if nobody is to know it. */
static bool write_text(int fd, size_t size, bool calls)
{
    uint8_t nothing[PAGE_SIZE];
    size_t before = (size_t)(world_call - world_text), rest = size - before;

    memset(nothing, HLT, sizeof nothing);
    return pwrite(fd, world_text, before, PAGE_SIZE) == (ssize_t)before &&
           pwrite(fd, calls ? world_call : nothing, rest, (off_t)(PAGE_SIZE + before)) == (ssize_t)rest;
}

int image_create(uint64_t hole, bool calls, struct reason *why)
{
    size_t text_size = (size_t)(world_text_end - world_text);
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr text, stack;
    } elf = {
        .header = {.e_type = ET_EXEC,
                   .e_machine = EM_X86_64,
                   .e_version = EV_CURRENT,
                   .e_entry = hole + HOLE_TEXT + (uint64_t)(world_start - world_text),
                   .e_phoff = sizeof elf.header,
                   .e_ehsize = sizeof elf.header,
                   .e_phentsize = sizeof elf.text,
                   .e_phnum = 2},
        .text = {.p_type = PT_LOAD,
                 .p_flags = PF_R | PF_X,
                 .p_offset = PAGE_SIZE,
                 .p_vaddr = hole + HOLE_TEXT,
                 .p_filesz = text_size,
                 .p_memsz = text_size,
                 .p_align = PAGE_SIZE},
        .stack = {.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W},
    };
    int fd;

    memcpy(elf.header.e_ident, "\177ELF\2\1\1", 7); /* 64 bit, little endian, version 1 */
    fd = memfd_create("virtlab-world", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0 && errno == EINVAL) /* a kernel before 6.3, where every memfd may be executed */
        fd = memfd_create("virtlab-world", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return fail(why, errno, "world: memfd_create: %s", strerror(errno));
    if (pwrite(fd, &elf, sizeof elf, 0) != sizeof elf || !write_text(fd, text_size, calls) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)) {
        int err = fail(why, errno, "world: writing its program: %s", strerror(errno));

        close(fd);
        return err;
    }
    return fd;
}
