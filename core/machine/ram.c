/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ram.c - guest RAM: one memfd, mapped shared, so that other processes can map the same pages.
 *
 * The memfd is sealed against resizing: whoever else holds it can't cut pages away under the VMM (a later access would
 * be a SIGBUS). Pages come into being, zeroed, when they are first touched; MAP_NORESERVE because a guest that is given
 * 3 GiB seldom uses them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/ram_clear.h"

int ram_create(struct ram *ram, uint64_t size, struct reason *why)
{
    int err;

    *ram = (struct ram){.fd = -1};
    if (size < RAM_MIN || size > RAM_MAX)
        return fail(why, EINVAL, "RAM of %llu bytes: must be from %llu MiB to %llu MiB", (unsigned long long)size,
                    (unsigned long long)(RAM_MIN >> 20), (unsigned long long)(RAM_MAX >> 20));
    if (size & ~PAGE_MASK)
        return fail(why, EINVAL, "RAM of %llu bytes: must be whole pages of 4096 bytes", (unsigned long long)size);

    ram->fd = memfd_create("virtlab-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (ram->fd < 0)
        return fail(why, errno, "RAM: memfd_create: %s", strerror(errno));
    if (ftruncate(ram->fd, (off_t)(size + RAM_SPARE)) ||
        fcntl(ram->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        err = fail(why, errno, "RAM of %llu bytes: %s", (unsigned long long)size, strerror(errno));
        goto close;
    }
    ram->base = mmap(NULL, size + RAM_SPARE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, ram->fd, 0);
    if (ram->base == MAP_FAILED) {
        err = fail(why, errno, "RAM of %llu bytes: mmap: %s", (unsigned long long)size, strerror(errno));
        goto close;
    }
    ram->size = size;
    return 0;

close:
    close(ram->fd);
    *ram = (struct ram){.fd = -1};
    return err;
}

void ram_destroy(struct ram *ram)
{
    if (ram->base)
        munmap(ram->base, ram->size + RAM_SPARE);
    if (ram->fd >= 0)
        close(ram->fd);
    *ram = (struct ram){.fd = -1};
}

int ram_clear(const struct ram *ram, gpa_t at, uint64_t len, struct reason *why)
{
    uint64_t end = at.v + len, first_page = (at.v + PAGE_SIZE - 1) & PAGE_MASK, end_page = end & PAGE_MASK;
    uint8_t *bytes = ram_at(ram, at, len);

    if (!bytes)
        return fail(why, EFAULT, "%#llx bytes at %#llx are outside RAM", (unsigned long long)len,
                    (unsigned long long)at.v);
    if (first_page >= end_page) { /* no whole page in it */
        memset(bytes, 0, len);
        return 0;
    }
    memset(bytes, 0, first_page - at.v);
    memset(ram->base + end_page, 0, end - end_page);
    if (fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)first_page,
                  (off_t)(end_page - first_page)))
        memset(ram->base + first_page, 0, end_page - first_page);
    return 0;
}
