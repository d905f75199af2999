/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer_bochs.c - Bochs, the classic interpreter of a PC, as a peer.
 *
 * Bochs can't load a kernel file, and its BIOS takes many seconds to boot an ISO. But it can start with given bytes in
 * RAM (optramimage), and its BIOS is whatever file one names: so RAM holds the guest as our own loader lays it out
 * (ram_image.c), and the ROM is the few instructions below, which enter 32-bit mode and jump to the kernel as PVH asks.
 *
 * Debian's build starts in its debugger (`c` continues) and offers text displays only, so it needs a terminal. The
 * guest's time is Bochs' own (instructions divided by `ips`), so only the host's clock counts. It has no port by which
 * a guest could report a status: a run is over when the workload's line has come.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"
#include "ram_image.h"

#define ROM_SIZE 0x10000u /* seen at 0xf0000 and below 4 GiB; the CPU starts 16 bytes before its end */

enum { GDT_AT = 0x40, GDTR_AT = 0x58 };

static uint8_t *put(uint8_t *at, const uint8_t *bytes, size_t count)
{
    memcpy(at, bytes, count);
    return at + count;
}

/* mov r32, imm32 */
static uint8_t *put_mov(uint8_t *at, enum gpr reg, uint32_t value)
{
    *at++ = (uint8_t)(0xb8 + reg);
    memcpy(at, &value, sizeof value); /* little-endian, like this host */
    return at + sizeof value;
}

/* The whole BIOS: real mode -> flat 32-bit protected mode (SDM 3, 9.9.1) -> the kernel. */
static void build_rom(uint8_t rom[ROM_SIZE], const struct cpu_state *start)
{
    static const uint8_t reset[] = {0xea, 0x00, 0x00, 0x00, 0xf0}; /* jmp f000:0000 */
    static const uint8_t enter[] = {
        0xfa,                                              /* cli */
        0x66, 0x2e, 0x0f, 0x01, 0x16, GDTR_AT, 0x00,       /* o32 lgdt cs:[GDTR_AT] */
        0x0f, 0x20, 0xc0,                                  /* mov eax, cr0 */
        0x0c, 0x01,                                        /* or al, CR0.PE */
        0x0f, 0x22, 0xc0,                                  /* mov cr0, eax */
        0x66, 0xea, 0x18, 0x00, 0x0f, 0x00,    0x08, 0x00, /* jmp 8:0xf0018, which is the next byte */
        0xb8, 0x10, 0x00, 0x00, 0x00,                      /* mov eax, 16 */
        0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0,                /* mov ds, es, ss <- ax */
    };
    static const uint8_t jump[] = {0xff, 0xe1}; /* jmp ecx */
    static const uint8_t gdt[] = {
        0,    0,    0,      0, 0,    0,    0,    0, /* the null descriptor */
        0xff, 0xff, 0,      0, 0,    0x9b, 0xcf, 0, /* 8: flat code */
        0xff, 0xff, 0,      0, 0,    0x93, 0xcf, 0, /* 16: flat data */
        23,   0,    GDT_AT, 0, 0x0f, 0,             /* for LGDT: limit and address */
    };
    _Static_assert(GDT_AT + 24 == GDTR_AT, "LGDT's operand follows the table");
    _Static_assert(sizeof enter + 22 <= GDT_AT, "the code ends before the table");
    memset(rom, 0xff, ROM_SIZE);
    uint8_t *at = put(rom, enter, sizeof enter);
    at = put_mov(at, RBX, (uint32_t)start->gpr[RBX]);
    at = put_mov(at, RSI, (uint32_t)start->gpr[RSI]);
    at = put_mov(at, RAX, (uint32_t)start->gpr[RAX]);
    at = put_mov(at, RCX, (uint32_t)start->rip);
    put(at, jump, sizeof jump);
    put(rom + GDT_AT, gdt, sizeof gdt);
    put(rom + ROM_SIZE - 16, reset, sizeof reset);
}

static int write_file(const struct peer_launch *launch, const char *name, const void *bytes, size_t count,
                      struct reason *why)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", launch->folder, name) >= (int)sizeof path)
        return fail(why, ENAMETOOLONG, "%s: too long a path", launch->folder);
    FILE *file = fopen(path, "wbe");
    if (!file)
        return fail(why, errno, "%s: %s", path, strerror(errno));
    bool bad = fwrite(bytes, 1, count, file) != count;
    bad |= fclose(file) != 0;
    return bad ? fail(why, EIO, "%s: can't be written", path) : 0;
}

/*
 * ips only sets the pace of the guest's clock; about the true speed makes the timer tick at about its true rate.
 * Whatever Bochs would reset or ask about must end it: nobody is there to answer.
 */
static int write_config(const struct peer_launch *launch, struct reason *why)
{
    static const char machine[] = "display_library: term\n"
                                  "memory: guest=128, host=128\n"
                                  "cpu: model=corei7_skylake_x, count=1, ips=100000000, reset_on_triple_fault=0\n"
                                  "clock: sync=none\n"
                                  "romimage: file=rom.img, address=0xffff0000\n"
                                  "optramimage1: file=" RAM_IMAGE_LOW ", address=0x0\n"
                                  "optramimage2: file=" RAM_IMAGE_HIGH ", address=0x100000\n"
                                  "com1: enabled=1, mode=file, dev=/dev/fd/3\n"
                                  "sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy\n"
                                  "speaker: enabled=0\n"
                                  "panic: action=fatal\n"
                                  "error: action=ignore\n"
                                  "info: action=ignore\n"
                                  "log: bochs.log\n";
    static const char disk[] = "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14\n"
                               "ata0-master: type=disk, path=" PEER_DISK ", mode=flat, cylinders=0\n";
    char text[sizeof machine + sizeof disk];
    int length = snprintf(text, sizeof text, "%s%s", machine, launch->has_disk ? disk : "");
    return write_file(launch, "bochsrc", text, (size_t)length, why);
}

/* The ROM enters flat 32-bit mode, without paging: is that how this kernel wants to start? */
static int check_start(const struct cpu_state *start, struct reason *why)
{
    if ((start->cr0 & CR0_PG) || !(start->cr0 & CR0_PE) || start->rip > UINT32_MAX)
        return fail(why, EINVAL, "the kernel does not start in 32-bit protected mode");
    return 0;
}

static int build(struct peer_launch *launch, struct reason *why)
{
    static uint8_t rom[ROM_SIZE];
    struct cpu_state start;
    char kernel[PATH_MAX], initrd[PATH_MAX];
    if (snprintf(kernel, sizeof kernel, "%s/" PEER_KERNEL, launch->folder) >= (int)sizeof kernel ||
        snprintf(initrd, sizeof initrd, "%s/" PEER_INITRD, launch->folder) >= (int)sizeof initrd)
        return fail(why, ENAMETOOLONG, "%s: too long a path", launch->folder);
    int err = ram_image_make(kernel, initrd, launch->line, launch->folder, &start, why);
    if (!err)
        err = check_start(&start, why);
    if (err)
        return err;
    build_rom(rom, &start);
    err = write_file(launch, "rom.img", rom, sizeof rom, why);
    if (!err)
        err = write_config(launch, why);
    if (!err)
        err = write_file(launch, "debugger", "c\n", 2, why);
    peer_arg(launch, "bochs");
    peer_arg(launch, "-q");
    peer_arg(launch, "-f");
    peer_arg(launch, "bochsrc");
    peer_arg(launch, "-rc");
    peer_arg(launch, "debugger");
    return err;
}

/* `bochs --help cpu` prints its banner in some line; -1 as a version would be no better than none. */
static int probe(char *version, size_t size, struct reason *why)
{
    char path[512];
    if (!program_find("bochs", path, sizeof path))
        return fail(why, ENOENT, "not installed: apt-get install %s", peer_bochs.package);
    char *argv[] = {"bochs", "--help", "cpu", NULL};
    struct process process = {.argv = argv, .timeout = 5, .core = -1};
    struct process_result result;
    int err = process_run(&process, &result, why);
    if (err)
        return err;
    const char *banner = strstr(result.errors.data, "Bochs x86 Emulator");
    if (!banner)
        banner = strstr(result.output.data, "Bochs x86 Emulator");
    if (banner)
        snprintf(version, size, "%.*s", (int)strcspn(banner, "\r\n"), banner);
    process_result_free(&result);
    return 0;
}

const struct peer peer_bochs = {
    .name = "bochs",
    .text = "Bochs, an interpreter of the whole PC",
    .package = "bochs bochs-term",
    .start = 10,
    .needs_terminal = true,
    .probe = probe,
    .build = build,
};
