/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_choice.c - from the options about the guest to its files and command line. */
#include "guest_choice.h"

#include <errno.h>
#include <stdio.h>

static int find_flat(struct guest_choice *choice, struct reason *why)
{
    char name[NAME_MAX];
    if (choice->word_count == 0)
        return fail(why, EINVAL, "which workload? A flat guest is one workload, of class compute or memory");
    if (choice->initrd)
        return fail(why, EINVAL, "--initrd: a flat guest has no files");
    snprintf(name, sizeof name, GUEST_FLAT, choice->words[0]);
    choice->kernel = choice->kernel_path;
    return guest_file(name, choice->kernel_path, why);
}

static int find_os(struct guest_choice *choice, unsigned capabilities, struct reason *why)
{
    bool paravirtual = capabilities & ENGINE_PARAVIRTUAL;
    int err = guest_file(paravirtual ? GUEST_KERNEL_PV : GUEST_KERNEL, choice->kernel_path, why);
    choice->kernel = choice->kernel_path;
    if (!err && !choice->initrd) {
        err = guest_file(GUEST_INITRD, choice->initrd_path, why);
        choice->initrd = choice->initrd_path;
    }
    return err;
}

static int check_files(const struct guest_choice *choice, struct reason *why)
{
    int err = check_readable(choice->kernel, why);
    if (!err && choice->initrd)
        err = check_readable(choice->initrd, why);
    if (!err && choice->drive)
        err = check_readable(choice->drive, why);
    return err;
}

int guest_choice_complete(struct guest_choice *choice, unsigned capabilities, struct reason *why)
{
    if (choice->mem < RAM_MIN || choice->mem > RAM_MAX || choice->mem % PAGE_SIZE)
        return fail(why, EINVAL, "--mem: must be whole pages of 4K, from 2M to 3G");
    if (choice->flat && choice->kernel)
        return fail(why, EINVAL, "--flat and --kernel exclude each other");

    bool own_kernel = !choice->kernel;
    bool flat = choice->flat || !(capabilities & (ENGINE_OS | ENGINE_PARAVIRTUAL));
    int err = 0;
    if (own_kernel)
        err = flat ? find_flat(choice, why) : find_os(choice, capabilities, why);
    if (!err)
        err = check_files(choice, why);
    if (!err && (own_kernel || choice->word_count > 0)) {
        err = guest_command_line(choice->line, choice->append, choice->words, choice->word_count, why);
        choice->append = choice->line;
    }
    return err;
}
