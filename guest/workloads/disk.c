/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and writes of 4 KiB on a raw disk (or natively, a file), in sequence or at random.
 * Read blocks must carry the pattern of disk_image.h; written blocks are read back in finish().
 * `disk prepare PATH BLOCKS` makes such a disk. Contract: workload.h.
 *
 * The measured time is that of the system calls: natively the page cache answers, in the guest
 * whatever cache its kernel has and then the emulated disk. There is no fsync in it.
 */
#define WORKLOAD_OWN_MAIN
#include "disk_image.h"

enum { REQUESTS = 64 /* of one iteration */, MOST_BLOCKS = 1 << 24 /* 64 GiB */ };

static const struct mode {
    const char *name;
    int writes, random;
} modes[] = {{"seqread", 0, 0}, {"randread", 0, 1}, {"seqwrite", 1, 0}, {"randwrite", 1, 1}};

static const struct mode *mode = &modes[0];
static const char *path = "/dev/disk";
static int fd;
static uint64_t blocks;     /* how many the disk has; block 0 is left alone */
static int has_pattern;     /* it has a header: what is read can be verified */
static uint64_t generation; /* of the next iteration's writes */

/* The blocks of the last iteration, kept so that finish() can look at them closely. */
static _Alignas(PAGE) struct block buffer[REQUESTS];
static uint64_t numbers[REQUESTS];

static void transfer(int writes, struct block *b, uint64_t number)
{
    off_t offset = (off_t)(number * PAGE);
    ssize_t n = writes ? pwrite(fd, b, PAGE, offset) : pread(fd, b, PAGE, offset);
    if (n != PAGE)
        fail("%s of block %llu gives %zd: %s", writes ? "write" : "read", (unsigned long long)number, n,
             n < 0 ? strerror(errno) : "too short");
}

static void read_and_check(struct block *b, uint64_t number)
{
    transfer(0, b, number);
    if (has_pattern && !stamps_right(b, number))
        fail("block %llu is damaged, or another block", (unsigned long long)number);
}

static void stamp_and_write(struct block *b, uint64_t number)
{
    stamp_block(b, number, generation);
    transfer(1, b, number);
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0, random = 1, next = 0;
    for (; n > 0; n--, generation++) {
        for (int i = 0; i < REQUESTS; i++) {
            next = mode->random ? next_random(&random) % (blocks - 1) : next % (blocks - 1);
            numbers[i] = 1 + next++;
            if (mode->writes)
                stamp_and_write(&buffer[i], numbers[i]);
            else
                read_and_check(&buffer[i], numbers[i]);
            check = mix(check, numbers[i]);
        }
    }
    return check;
}

/* Looks at every word of the last iteration's blocks; if they were written, reads them back. */
static void finish(void)
{
    generation--;
    for (int i = 0; i < REQUESTS; i++) {
        if (mode->writes) {
            memset(&buffer[i], 0, PAGE);
            transfer(0, &buffer[i], numbers[i]);
            if (!stamps_right(&buffer[i], numbers[i]) || buffer[i].word[0][1] != generation)
                fail("block %llu isn't what was written", (unsigned long long)numbers[i]);
        }
        if ((has_pattern || mode->writes) && !body_right(&buffer[i]))
            fail("block %llu is damaged", (unsigned long long)numbers[i]);
    }
    close(fd);
}

/* To be overwritten without a header, a disk must be empty: block 0 nothing but zeros. */
static int is_blank(const struct block *b)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < SECTORS * SECTOR_WORDS; i++)
        all |= b->word[i / SECTOR_WORDS][i % SECTOR_WORDS];
    return all == 0;
}

static void setup(void)
{
    fd = open(path, mode->writes ? O_RDWR : O_RDONLY);
    if (fd < 0)
        fail("open %s: %s", path, strerror(errno));
    transfer(0, &buffer[0], 0);
    blocks = header_blocks(&buffer[0]);
    has_pattern = blocks != 0;
    if (!has_pattern) {
        if (mode->writes && !is_blank(&buffer[0]))
            fail("%s holds something else; to lose it, type: disk prepare %s BLOCKS", path, path);
        off_t size = lseek(fd, 0, SEEK_END);
        blocks = size > 0 ? (uint64_t)size / PAGE : 0;
        if (!mode->writes)
            fprintf(stderr, "disk: %s isn't prepared: what is read isn't verified\n", path);
    }
    if (blocks < 2 || blocks > MOST_BLOCKS)
        fail("%s has %llu blocks of 4 KiB", path, (unsigned long long)blocks);

    for (int i = 0; i < REQUESTS; i++)
        fill_body(&buffer[i]);
    generation = now_ns(); /* any number that no run before has left on the disk */
}

static int configure(int argc, char **argv)
{
    mode = NULL;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(argv[0], modes[i].name) == 0)
            mode = &modes[i];
    }
    if (argc > 1)
        path = argv[1];
    return mode && argc <= 2 ? 0 : -1;
}

/* The header goes last: a disk that was prepared half has none. */
static int prepare(const char *file, uint64_t count)
{
    struct block *b = &buffer[0];
    path = file;
    fd = open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0)
        fail("open %s: %s", path, strerror(errno));
    memset(b, 0, PAGE);
    transfer(1, b, 0);
    fill_body(b);
    for (uint64_t number = 1; number < count; number++) {
        stamp_block(b, number, 0);
        transfer(1, b, number);
    }
    make_header(b, count);
    transfer(1, b, 0);
    if (close(fd) != 0)
        fail("close %s: %s", path, strerror(errno));
    return 0;
}

const struct workload workload = {
    .name = "disk",
    .args = " seqread|randread|seqwrite|randwrite [PATH]",
    .unit = "64 requests of 4 KiB (seqread if no mode is given).\n"
            "PATH: the disk, or a file (/dev/disk if not given). `disk prepare PATH BLOCKS` fills\n"
            "one with a pattern by which reads are verified; without it only an empty one is\n"
            "written to, and what is read isn't verified",
    .default_n = 20,
    .configure = configure,
    .setup = setup,
    .work = work,
    .finish = finish,
};

int main(int argc, char **argv)
{
    uint64_t count;
    if (argc == 4 && strcmp(argv[1], "prepare") == 0 && parse_number(argv[3], MOST_BLOCKS, &count) == 0 && count > 1)
        return prepare(argv[2], count);
    return workload_main(argc, argv);
}
