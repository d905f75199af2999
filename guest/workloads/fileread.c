/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a file over and over in pieces of 4 KiB: a system call and a copy out of the kernel's cache.
 * Right if samples of every piece, and at the end the whole file, are what set-up read from it.
 * Contract: workload.h.
 */
#include "workload.h"

enum { READS = 256, MOST = 1024 * 1024, SAMPLE_EVERY = 509 };

static const char *path = "/share/text";
static int fd;
static unsigned char piece[PAGE];
static unsigned char *reference; /* the file's contents, at most MOST bytes */
static size_t length;

/* Reads the piece at *offset and moves it on, round to 0 at the end; returns the piece's length. */
static size_t read_piece(size_t *offset)
{
    size_t want = length - *offset < PAGE ? length - *offset : PAGE;
    ssize_t n = read(fd, piece, want);
    if (n != (ssize_t)want)
        fail("read of %zu bytes at %zu of %s gives %zd", want, *offset, path, n);
    *offset += want;
    if (*offset == length) {
        *offset = 0;
        if (lseek(fd, 0, SEEK_SET) != 0)
            fail("lseek: %s", strerror(errno));
    }
    return want;
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    size_t offset = 0;
    for (uint64_t reads = (uint64_t)n * READS; reads > 0; reads--) {
        const unsigned char *expected = reference + offset;
        size_t got = read_piece(&offset);
        for (size_t i = 0; i < got; i += SAMPLE_EVERY) {
            if (piece[i] != expected[i])
                fail("%s changed at byte %zu", path, (size_t)(expected - reference) + i);
            check += piece[i];
        }
        check = mix(check, got);
    }
    return check;
}

static void setup(void)
{
    reference = malloc(MOST);
    if (!reference)
        fail("no memory for %d bytes", MOST);
    length = load_file(path, reference, MOST);
    if (length == 0)
        fail("%s is empty", path);
    fd = open(path, O_RDONLY);
    if (fd < 0)
        fail("open %s: %s", path, strerror(errno));
}

static void finish(void)
{
    size_t offset = 0;
    if (lseek(fd, 0, SEEK_SET) != 0)
        fail("lseek: %s", strerror(errno));
    do {
        const unsigned char *expected = reference + offset;
        size_t got = read_piece(&offset);
        if (memcmp(piece, expected, got) != 0)
            fail("%s changed", path);
    } while (offset != 0);
    close(fd);
}

static int configure(int argc, char **argv)
{
    path = argv[0];
    return argc == 1 ? 0 : -1;
}

const struct workload workload = {
    .name = "fileread",
    .args = " [FILE]",
    .unit = "256 reads of 4 KiB from FILE (/share/text if not given; of a longer\n"
            "file the first MiB), from its start again when at its end",
    .default_n = 20,
    .configure = configure,
    .setup = setup,
    .work = work,
    .finish = finish,
};
