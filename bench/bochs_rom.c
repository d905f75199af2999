/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bochs_rom.c - the first instructions that Bochs executes: real mode -> flat 32-bit protected mode (SDM 3, 9.9.1) ->
 * RAM as our loader left it -> the kernel, with the registers that its boot protocol asks for.
 *
 * It reads the disk by programmed I/O, with the READ SECTORS command of the ATA standard, one sector at a time.
 */
#include "bochs_rom.h"

#include <errno.h>
#include <string.h>

enum { SECTOR = 512, TABLE_AT = 0x200, RESET_AT = BOCHS_ROM_SIZE - 16 };

/* What the code below finds at TABLE_AT. */
struct boot_table {
    uint32_t rip, rbx, rax, rsi;
    struct {
        uint32_t first, sectors;
    } part[RAM_IMAGE_PARTS_MAX + 1]; /* the last has no sectors */
};

extern const uint8_t bochs_rom_code[], bochs_rom_code_end[];

/* clang-format off */
__asm__(
    ".pushsection .rodata\n"
    "bochs_rom_code:\n"
    ".code16\n"
    "   cli\n"
    "   lgdtl   %cs:(gdtr - bochs_rom_code)\n"
    "   movl    %cr0, %eax\n"
    "   orb     $1, %al\n"                          /* CR0.PE */
    "   movl    %eax, %cr0\n"
    "   ljmpl   $8, $(0xf0000 + flat - bochs_rom_code)\n"
    ".code32\n"
    "flat:\n"
    "   movl    $16, %eax\n"
    "   movl    %eax, %ds\n"
    "   movl    %eax, %es\n"
    "   movl    %eax, %ss\n"
    "   cld\n"
    /* RAM need not be zero at power-on. */
    "   xorl    %eax, %eax\n"
    "   xorl    %edi, %edi\n"
    "   movl    $(0xa0000 / 4), %ecx\n"
    "   rep stosl\n"
    "   movl    $0x100000, %edi\n"
    "   movl    $((0x8000000 - 0x100000) / 4), %ecx\n"
    "   rep stosl\n"
    /* The parts: %esi walks the table, %ebp counts the disk's sectors, %edi is where the next one goes. */
    "   movl    $(0xf0200 + 16), %esi\n"
    "   xorl    %ebp, %ebp\n"
    "next_part:\n"
    "   movl    (%esi), %edi\n"
    "   movl    4(%esi), %ebx\n"
    "   addl    $8, %esi\n"
    "   testl   %ebx, %ebx\n"
    "   jz      start_kernel\n"
    "next_sector:\n"
    "   movw    $0x172, %dx\n"                      /* sector count */
    "   movb    $1, %al\n"
    "   outb    %al, %dx\n"
    "   movl    %ebp, %eax\n"
    "   incl    %edx\n"                             /* LBA 7:0 */
    "   outb    %al, %dx\n"
    "   shrl    $8, %eax\n"
    "   incl    %edx\n"                             /* LBA 15:8 */
    "   outb    %al, %dx\n"
    "   shrl    $8, %eax\n"
    "   incl    %edx\n"                             /* LBA 23:16 */
    "   outb    %al, %dx\n"
    "   movb    $0xe0, %al\n"                       /* device 0, by LBA */
    "   incl    %edx\n"
    "   outb    %al, %dx\n"
    "   movb    $0x20, %al\n"                       /* READ SECTORS */
    "   incl    %edx\n"
    "   outb    %al, %dx\n"
    "wait_for_data:\n"
    "   inb     %dx, %al\n"                         /* status: BSY clear and DRQ set? */
    "   andb    $0x88, %al\n"
    "   cmpb    $0x08, %al\n"
    "   jne     wait_for_data\n"
    "   movw    $0x170, %dx\n"
    "   movl    $256, %ecx\n"
    "   rep insw\n"
    "   incl    %ebp\n"
    "   decl    %ebx\n"
    "   jnz     next_sector\n"
    "   jmp     next_part\n"
    "start_kernel:\n"
    "   movl    0xf0200, %ecx\n"
    "   movl    0xf0204, %ebx\n"
    "   movl    0xf0208, %eax\n"
    "   movl    0xf020c, %esi\n"
    "   jmp     *%ecx\n"
    ".balign 8\n"
    "gdt:\n"
    "   .quad   0\n"
    "   .quad   0x00cf9b000000ffff\n"               /* 8: flat 32-bit code */
    "   .quad   0x00cf93000000ffff\n"               /* 16: flat data */
    "gdtr:\n"
    "   .word   gdtr - gdt - 1\n"
    "   .long   0xf0000 + gdt - bochs_rom_code\n"
    "bochs_rom_code_end:\n"
    ".code64\n"
    ".popsection\n");
/* clang-format on */

_Static_assert(TABLE_AT == 0x200 && RAM_IMAGE_MEM == 0x8000000, "the code above has these numbers in it");
_Static_assert(RAM_HOLE_FIRST == 0xa0000 && RAM_HOLE_END == 0x100000, "and these");

int bochs_rom_build(uint8_t rom[BOCHS_ROM_SIZE], const struct ram_image *image, struct reason *why)
{
    static const uint8_t reset[] = {0xea, 0x00, 0x00, 0x00, 0xf0}; /* jmp f000:0000 */
    const struct cpu_state *start = &image->start;
    struct boot_table table = {.rip = (uint32_t)start->rip,
                               .rbx = (uint32_t)start->gpr[RBX],
                               .rax = (uint32_t)start->gpr[RAX],
                               .rsi = (uint32_t)start->gpr[RSI]};
    size_t length = (size_t)(bochs_rom_code_end - bochs_rom_code);

    if ((start->cr0 & CR0_PG) || !(start->cr0 & CR0_PE) || start->rip > UINT32_MAX)
        return fail(why, EINVAL, "the kernel does not start in 32-bit protected mode");
    if (length > TABLE_AT)
        return fail(why, EINVAL, "the ROM's code is too long");
    for (unsigned i = 0; i < image->count; i++) {
        table.part[i].first = (uint32_t)image->part[i].first;
        table.part[i].sectors = (uint32_t)(image->part[i].length / SECTOR);
    }
    memset(rom, 0xff, BOCHS_ROM_SIZE);
    memcpy(rom, bochs_rom_code, length);
    memcpy(rom + TABLE_AT, &table, sizeof table);
    memcpy(rom + RESET_AT, reset, sizeof reset);
    return 0;
}
