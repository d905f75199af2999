/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load.c - reads the kernel's file and picks the boot protocol.
 *
 * The order is QEMU's, which is our referee: a Linux boot header, else a Multiboot header, else ELF with the PVH note.
 * Flat programs have a note of our own beside PVH's; QEMU doesn't know it, we prefer it.
 * Read next: load_pvh.c, the simplest of the three.
 */
#include "machine/load.h"

#include <unistd.h>

int load_put(struct load *load, uint64_t at, const void *bytes, uint64_t len)
{
    void *to = ram_at(load->ram, gpa(at), len);

    if (!to)
        return image_bad(load->kernel, load->why, "%#llx bytes at %#llx are outside RAM", (unsigned long long)len,
                         (unsigned long long)at);
    memcpy(to, bytes, len);
    return 0;
}

int load_put_string(struct load *load, const char *what, const char *string, uint64_t *at)
{
    uint64_t size = strlen(string) + 1;
    int err = layout_place_low(&load->layout, what, LOW_START, size, 16, at, load->why);

    return err ? err : load_put(load, *at, string, size);
}

/* As high as it can: kernels grow upwards from their own end. Read straight into RAM: some megabytes count at a start.
 */
int load_put_initrd(struct load *load, uint64_t limit, uint64_t *at, uint64_t *size)
{
    struct image initrd;
    int fd, err = image_find(&initrd, load->initrd, &fd, load->why);
    void *to;

    if (err)
        return err;
    *size = initrd.size;
    err = layout_place_high(&load->layout, "the initrd", limit, initrd.size, PAGE_SIZE, at, load->why);
    to = err ? NULL : ram_at(load->ram, gpa(*at), initrd.size);
    if (to)
        err = image_take(&initrd, fd, to, load->why);
    else if (!err)
        err = image_bad(&initrd, load->why, "its place at %#llx is outside RAM", (unsigned long long)*at);
    close(fd);
    return err;
}

static int load_by_protocol(struct load *load)
{
    if (is_linux(load->kernel))
        return load_linux(load);
    if (is_multiboot(load->kernel))
        return load_multiboot(load);
    if (is_flat(load->kernel))
        return load_flat(load);
    if (is_para(load->kernel))
        return load_para(load);
    if (load->kernel->size >= 4 && !memcmp(load->kernel->bytes, "\177ELF", 4))
        return load_pvh(load);
    return image_bad(load->kernel, load->why,
                     "not a kernel: neither ELF nor bzImage, and no Multiboot header in its first 8 KiB");
}

int load_image(const struct ram *ram, const struct image *kernel, const char *initrd, const char *append,
               struct cpu_state *start, struct reason *why)
{
    struct cpu_state state;
    struct load load = {.ram = ram,
                        .kernel = kernel,
                        .initrd = initrd && initrd[0] ? initrd : NULL,
                        .append = append ? append : "",
                        .start = &state,
                        .why = why};
    int err;

    cpu_state_reset(&state);
    layout_init(&load.layout, ram, kernel);
    err = load_by_protocol(&load);
    if (err)
        return err;
    *start = state;
    return 0;
}

int load_kernel(const struct ram *ram, const char *kernel, const char *initrd, const char *append,
                struct cpu_state *start, struct reason *why)
{
    struct image image;
    int err = image_open(&image, kernel, why);

    if (err)
        return err;
    err = load_image(ram, &image, initrd, append, start, why);
    image_close(&image);
    return err;
}
