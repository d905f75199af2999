/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.c - reads a kernel or initrd file into memory (image.h says why it isn't mapped).
 */
#include "machine/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SHOWN 100 /* of a file's name: the line also has to say what is wrong */

int image_bad(const struct image *image, struct reason *why, const char *format, ...)
{
    size_t len = strlen(image->name);
    const char *tail = len > NAME_SHOWN ? image->name + len - NAME_SHOWN : image->name;
    char text[sizeof(why->text)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fail(why, ENOEXEC, "%s%s: %s", tail == image->name ? "" : "...", tail, text);
}

/* Sets image->size, if the file is one to be read. */
static int measure(struct image *image, int fd, struct reason *why)
{
    struct stat st;

    if (fstat(fd, &st))
        return image_bad(image, why, "%s", strerror(errno));
    if (S_ISDIR(st.st_mode))
        return image_bad(image, why, "is a directory");
    if (!S_ISREG(st.st_mode))
        return image_bad(image, why, "is not a regular file");
    if (st.st_size == 0)
        return image_bad(image, why, "is empty");
    if ((uint64_t)st.st_size > IMAGE_MAX)
        return image_bad(image, why, "is larger than %llu MiB", (unsigned long long)(IMAGE_MAX >> 20));
    image->size = (uint64_t)st.st_size;
    return 0;
}

int image_find(struct image *image, const char *name, int *fd, struct reason *why)
{
    int err;

    *image = (struct image){.name = name};
    *fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* non-blocking: a FIFO has no writer */
    if (*fd < 0)
        return image_bad(image, why, "%s", strerror(errno));
    err = measure(image, *fd, why);
    if (err)
        close(*fd);
    return err;
}

int image_take(const struct image *image, int fd, void *to, struct reason *why)
{
    uint64_t done = 0;

    while (done < image->size) {
        ssize_t n = read(fd, (uint8_t *)to + done, image->size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return image_bad(image, why, "%s", strerror(errno));
        if (n == 0)
            return image_bad(image, why, "became shorter while it was read");
        done += (uint64_t)n;
    }
    return 0;
}

/* The whole file, whose size is known. */
static int take_whole(struct image *image, int fd, struct reason *why)
{
    image->bytes = malloc(image->size);
    if (!image->bytes)
        return image_bad(image, why, "no memory for its %llu bytes", (unsigned long long)image->size);
    return image_take(image, fd, image->bytes, why);
}

int image_read(struct image *image, int fd, struct reason *why)
{
    int err = measure(image, fd, why);

    return err ? err : take_whole(image, fd, why);
}

int image_open(struct image *image, const char *name, struct reason *why)
{
    int fd, err = image_find(image, name, &fd, why);

    if (err)
        return err;
    err = take_whole(image, fd, why);
    close(fd);
    if (err)
        image_close(image);
    return err;
}

void image_close(struct image *image)
{
    free(image->bytes);
    image->bytes = NULL;
    image->size = 0;
}
