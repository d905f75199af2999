/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.h - a file, whole in memory, and checked access to what it says.
 *
 * The file is copied, not mapped: somebody who truncates a mapped file would kill the VMM with a SIGBUS, and somebody
 * who writes to it could change a field after it was checked.
 */
#ifndef VIRTLAB_MACHINE_IMAGE_H
#define VIRTLAB_MACHINE_IMAGE_H

#include <string.h>
#include <virtlab/types.h>

#define IMAGE_MAX (UINT64_C(1) << 30) /* bytes: a kernel with all its debug information is smaller */

struct image {
    const char *name; /* of the file, for errors; owned by the caller */
    uint8_t *bytes;
    uint64_t size;
};

/* Reads a regular, non-empty file. -errno with why naming it. Release with image_close. */
int image_open(struct image *image, const char *name, struct reason *why) MUST_CHECK;
void image_close(struct image *image);

/* The same from an open file; image->name is set, and stays the caller's. */
int image_read(struct image *image, int fd, struct reason *why) MUST_CHECK;

/*
 * In two steps, for what goes straight to its place: opens the file and finds its size, then reads that much. The
 * caller closes *fd after success; image->bytes stays NULL.
 */
int image_find(struct image *image, const char *name, int *fd, struct reason *why) MUST_CHECK;
int image_take(const struct image *image, int fd, void *to, struct reason *why) MUST_CHECK;

/* Records "file: what is wrong" and returns -ENOEXEC. */
int image_bad(const struct image *image, struct reason *why, const char *format, ...) PRINTF_LIKE(3, 4);

/* Are the bytes [at, at + len) all in the file? */
static inline bool image_has(const struct image *image, uint64_t at, uint64_t len)
{
    return at <= image->size && len <= image->size - at;
}

/* Copies a structure out of the file; false when the file ends before it does. */
static inline bool image_get(const struct image *image, uint64_t at, void *to, uint64_t len)
{
    if (!image_has(image, at, len))
        return false;
    memcpy(to, image->bytes + at, len);
    return true;
}

#endif
