/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer_bochs.c - Bochs, the classic interpreter of a PC, as a peer.
 *
 * Bochs can't load a kernel file, and its BIOS takes many seconds to boot an ISO. But its BIOS is whatever file one
 * names: so our own loader lays out the guest (ram_image.c), the result becomes a disk, and a ROM of ours reads it into
 * RAM and starts the kernel (bochs_rom.c).
 *
 * Debian's build starts in its debugger (`c` continues) and offers text displays only, so it needs a terminal. The
 * guest's time is Bochs' own (instructions divided by `ips`), so only the host's clock counts. It has no port by which
 * a guest could report a status: a run is over when the workload's line has come.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bochs_rom.h"
#include "peer.h"

#define BOOT_DISK "boot.img"

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
                                  "ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15\n"
                                  "ata1-master: type=disk, path=" BOOT_DISK ", mode=flat, cylinders=0\n"
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

static int build(struct peer_launch *launch, struct reason *why)
{
    static uint8_t rom[BOCHS_ROM_SIZE];
    static const char *const names[] = {PEER_KERNEL, PEER_INITRD, BOOT_DISK};
    char path[ARRAY_SIZE(names)][PATH_MAX];
    struct ram_image image;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (snprintf(path[i], PATH_MAX, "%s/%s", launch->folder, names[i]) >= PATH_MAX)
            return fail(why, ENAMETOOLONG, "%s: too long a path", launch->folder);
    }
    int err = ram_image_make(path[0], path[1], launch->line, path[2], &image, why);
    if (!err)
        err = bochs_rom_build(rom, &image, why);
    if (!err)
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

/* `bochs --help cpu` prints the banner with the version among its lines. */
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
