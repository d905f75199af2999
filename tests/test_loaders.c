/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_loaders.c - kernels of all formats load as their protocols say; broken ones give one line that names the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loaders_fuzz.h"
#include "machine/load.h"
#include "machine/ram_clear.h"
#include "vltest.h"

#define MIB      UINT64_C(0x100000)
#define RAM_SIZE (16 * MIB)

static struct ram ram;
static struct cpu_state start;
static struct reason why;

/* Fresh RAM for each load, so that what is found in it was put there by it. */
static void fresh_ram(uint64_t size)
{
    struct reason reason = {""};

    ram_destroy(&ram);
    CHECK_FATAL(ram_create(&ram, size, &reason) == 0);
}

/* Loads a blob as the file "test.img". The copy has its exact size: a sanitizer sees every access beyond it. */
static int load_blob(const struct blob *blob, const char *initrd, const char *append)
{
    struct image image = {.name = "test.img", .bytes = malloc(blob->size ? blob->size : 1), .size = blob->size};
    int err;

    CHECK_FATAL(image.bytes != NULL);
    memcpy(image.bytes, blob->bytes, blob->size);
    memset(&why, 0, sizeof(why));
    err = load_image(&ram, &image, initrd, append, &start, &why);
    free(image.bytes);
    return err;
}

static uint64_t read_ram(uint64_t at, unsigned size)
{
    uint64_t value = 0;
    const void *from = ram_at(&ram, gpa(at), size);

    CHECK_FATAL(from != NULL);
    memcpy(&value, from, size);
    return value;
}

static const char *string_at(uint64_t at)
{
    const char *from = ram_at(&ram, gpa(at), 64);

    CHECK_FATAL(from != NULL);
    return from;
}

/* A file in a directory of its own, both gone at the end of the program. */
static char directory[64];

static const char *file_path(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *to = path[turn++ % 4];

    snprintf(to, sizeof(path[0]), "%s/%s", directory, name);
    return to;
}

static const char *write_file(const char *name, const void *bytes, size_t len)
{
    const char *path = file_path(name);
    FILE *file = fopen(path, "wb");

    CHECK_FATAL(file != NULL);
    CHECK_FATAL(fwrite(bytes, 1, len, file) == len);
    CHECK_FATAL(fclose(file) == 0);
    return path;
}

/* ---- what a good image leads to ---- */

static void check_flat_segments(uint32_t code_attr)
{
    CHECK_EQ_U64(start.seg[SEG_CS].attr, code_attr);
    for (unsigned i = 0; i < SEG_LDTR; i++) {
        vltest_row("segment %u", i);
        CHECK_EQ_U64(start.seg[i].base, 0);
        CHECK_EQ_U64(start.seg[i].limit, 0xffffffff);
        if (i != SEG_CS)
            CHECK_EQ_U64(start.seg[i].attr, 0xc093);
    }
    vltest_row("%s", "");
    CHECK_EQ_U64(start.rflags, FLAG_ONE);
    CHECK_EQ_U64(start.seg[SEG_TR].attr, 0x8b);
}

static void test_pvh(void)
{
    const char *initrd = write_file("initrd", "the initial RAM disk", 20);
    struct blob blob;
    uint64_t info, modules, map;

    fresh_ram(RAM_SIZE);
    memset(ram.base + PVH_DATA, 0xff, 0x2000);
    make_pvh(&blob);
    CHECK_EQ_U64((unsigned)load_blob(&blob, initrd, "console=ttyS0"), 0);
    CHECK_EQ_STR(why.text, "");

    CHECK_EQ_U64(start.rip, PVH_ENTRY);
    CHECK_EQ_U64(start.cr0, CR0_PE | CR0_ET);
    CHECK_EQ_U64(start.cr4, 0);
    CHECK_EQ_U64(start.efer, 0);
    check_flat_segments(0xc09b);

    CHECK(!memcmp(ram.base + PVH_CODE, blob.bytes + 0x200, 0x100));
    CHECK(!memcmp(ram.base + PVH_DATA, blob.bytes + 0x400, 0x80));
    for (unsigned i = 0x80; i < 0x2000; i++) /* .bss */
        if (ram.base[PVH_DATA + i] != 0)
            CHECK_EQ_U64(i, 0);

    info = start.gpr[RBX];
    CHECK_EQ_U64(read_ram(info, 4), 0x336ec578);
    CHECK_EQ_U64(read_ram(info + 4, 4), 1);
    CHECK_EQ_U64(read_ram(info + 12, 4), 1);
    modules = read_ram(info + 16, 8);
    CHECK_EQ_STR(string_at(read_ram(info + 24, 8)), "console=ttyS0");
    CHECK_EQ_U64(read_ram(modules + 8, 8), 20);
    CHECK_EQ_U64(read_ram(modules, 8), RAM_SIZE - PAGE_SIZE); /* as high as it can be */
    CHECK(!memcmp(string_at(read_ram(modules, 8)), "the initial RAM disk", 20));
    map = read_ram(info + 40, 8);
    CHECK_EQ_U64(read_ram(info + 48, 4), 3);
    CHECK_EQ_U64(read_ram(map + 8, 8), 0x9fc00);
    CHECK_EQ_U64(read_ram(map + 24 + 16, 4), MEMORY_RESERVED);
    CHECK_EQ_U64(read_ram(map + 48, 8), MIB);
    CHECK_EQ_U64(read_ram(map + 56, 8), RAM_SIZE - MIB);
}

static void test_pvh_without_initrd(void)
{
    struct blob blob;

    fresh_ram(RAM_SIZE);
    make_pvh(&blob);
    CHECK(load_blob(&blob, NULL, NULL) == 0);
    CHECK_EQ_U64(read_ram(start.gpr[RBX] + 12, 4), 0);
    CHECK_EQ_U64(read_ram(start.gpr[RBX] + 16, 8), 0);
    CHECK_EQ_STR(string_at(read_ram(start.gpr[RBX] + 24, 8)), "");
}

static void check_multiboot_info(const char *cmdline)
{
    uint64_t info = start.gpr[RBX], map = read_ram(info + 48, 4);

    CHECK_EQ_U64(start.gpr[RAX], 0x2badb002);
    CHECK_EQ_U64(start.cr0, CR0_PE | CR0_ET);
    check_flat_segments(0xc09b);
    CHECK_EQ_U64(read_ram(info, 4) & 0x245, 0x245);
    CHECK_EQ_U64(read_ram(info + 4, 4), 639);
    CHECK_EQ_U64(read_ram(info + 8, 4), 15 * 1024);
    CHECK_EQ_STR(string_at(read_ram(info + 16, 4)), cmdline);
    CHECK_EQ_U64(read_ram(info + 44, 4), 3 * 24);
    CHECK_EQ_U64(read_ram(map, 4), 20);
    CHECK_EQ_U64(read_ram(map + 24 + 4, 8), 0x9fc00);
    CHECK_EQ_U64(read_ram(map + 48 + 12, 8), RAM_SIZE - MIB);
    CHECK_EQ_STR(string_at(read_ram(info + 64, 4)), "virtlab");
}

static void test_multiboot(void)
{
    struct blob blob;

    fresh_ram(RAM_SIZE);
    memset(ram.base + MB_LOAD, 0xff, MB_BSS - MB_LOAD);
    make_multiboot(&blob);
    CHECK(load_blob(&blob, NULL, "a b") == 0);
    CHECK_EQ_U64(start.rip, MB_ENTRY);
    check_multiboot_info("test.img a b");
    CHECK_EQ_U64(read_ram(start.gpr[RBX], 4) & 8, 0);
    CHECK(!memcmp(ram.base + MB_LOAD, blob.bytes + 0x10, 0x200));
    CHECK_EQ_U64(read_ram(MB_LOAD + 0x200, 8), 0);
    CHECK_EQ_U64(read_ram(MB_BSS - 8, 8), 0);
}

static void test_multiboot_elf(void)
{
    struct blob blob;

    fresh_ram(RAM_SIZE);
    make_multiboot_elf(&blob);
    CHECK(load_blob(&blob, NULL, NULL) == 0);
    CHECK_EQ_U64(start.rip, MBELF_LOAD + 0x20);
    check_multiboot_info("test.img");
    CHECK(!memcmp(ram.base + MBELF_LOAD, blob.bytes + 0x1000, 0x200));
}

static void test_multiboot_modules(void)
{
    char list[512];
    struct blob blob;
    uint64_t info, list_at, first, second;

    fresh_ram(RAM_SIZE);
    write_file("one", "first", 5);
    write_file("t,wo", "second one", 10);
    snprintf(list, sizeof(list), "%s with text,%s/t,,wo", file_path("one"), directory);
    make_multiboot(&blob);
    CHECK(load_blob(&blob, list, NULL) == 0);
    CHECK_EQ_STR(why.text, "");

    info = start.gpr[RBX];
    CHECK_EQ_U64(read_ram(info, 4) & 8, 8);
    CHECK_EQ_U64(read_ram(info + 20, 4), 2);
    list_at = read_ram(info + 24, 4);
    first = read_ram(list_at, 4);
    second = read_ram(list_at + 16, 4);
    CHECK_EQ_U64(first & ~PAGE_MASK, 0);
    CHECK(first >= MB_BSS && second > first);
    CHECK_EQ_U64(read_ram(list_at + 4, 4), first + 5);
    CHECK_EQ_U64(read_ram(list_at + 20, 4), second + 10);
    CHECK(!memcmp(string_at(first), "first", 5));
    CHECK(!memcmp(string_at(second), "second one", 10));
    CHECK(strstr(string_at(read_ram(list_at + 8, 4)), "/one with text") != NULL);
}

static void test_multiboot_wins(void)
{
    struct blob blob;
    uint32_t header[3] = {0x1badb002, 0, -0x1badb002};

    fresh_ram(RAM_SIZE);
    make_pvh(&blob);
    put(&blob, 0x140, header, sizeof(header));
    CHECK(load_blob(&blob, NULL, NULL) == 0);
    CHECK_EQ_U64(start.gpr[RAX], 0x2badb002);
    CHECK_EQ_U64(start.rip, PVH_CODE); /* e_entry, made physical */
}

/* Walks the page tables as the CPU would. */
static uint64_t translate(uint64_t va)
{
    uint64_t entry = read_ram(start.cr3 + (va >> 39 & 511) * 8, 8);

    CHECK_EQ_U64(entry & 3, 3);
    entry = read_ram((entry & 0xfffff000) + (va >> 30 & 511) * 8, 8);
    CHECK_EQ_U64(entry & 3, 3);
    entry = read_ram((entry & 0xfffff000) + (va >> 21 & 511) * 8, 8);
    CHECK_EQ_U64(entry & 0x83, 0x83);
    return (entry & ~UINT64_C(0x1fffff)) | (va & 0x1fffff);
}

static void test_linux(void)
{
    const uint64_t probes[] = {0, 0x1234, LINUX_PREF + 5, RAM_SIZE - 1, 0xfee00020, 0xffffffff};
    const char *initrd = write_file("initrd", "cpio", 4);
    struct blob blob;
    uint64_t zero;

    fresh_ram(RAM_SIZE);
    make_linux(&blob);
    CHECK(load_blob(&blob, initrd, "quiet") == 0);
    CHECK_EQ_STR(why.text, "");

    CHECK_EQ_U64(start.rip, LINUX_PREF + 0x200);
    CHECK_EQ_U64(start.cr0, CR0_PE | CR0_ET | CR0_PG);
    CHECK_EQ_U64(start.cr4, CR4_PAE);
    CHECK_EQ_U64(start.efer, EFER_LME | EFER_LMA);
    check_flat_segments(0xa09b);
    CHECK_EQ_U64(start.seg[SEG_CS].selector, 0x10);
    CHECK_EQ_U64(start.seg[SEG_DS].selector, 0x18);
    CHECK_EQ_U64(read_ram(start.gdtr.base + 0x10, 8), 0x00af9b000000ffff);
    CHECK_EQ_U64(read_ram(start.gdtr.base + 0x18, 8), 0x00cf93000000ffff);
    for (unsigned i = 0; i < ARRAY_SIZE(probes); i++)
        CHECK_EQ_U64(translate(probes[i]), probes[i]);

    CHECK(!memcmp(ram.base + LINUX_PREF, blob.bytes + LINUX_SETUP, 0x1000));
    zero = start.gpr[RSI];
    CHECK_EQ_U64(read_ram(zero + 0x202, 4), 0x53726448);
    CHECK_EQ_U64(read_ram(zero + 0x264, 4), 0x190); /* the whole header is there */
    CHECK_EQ_U64(read_ram(zero + 0x210, 1), 0xff);
    CHECK_EQ_STR(string_at(read_ram(zero + 0x228, 4)), "quiet");
    CHECK_EQ_U64(read_ram(zero + 0x21c, 4), 4);
    CHECK_EQ_U64(read_ram(zero + 0x218, 4), RAM_SIZE - PAGE_SIZE);
    CHECK_EQ_STR(string_at(read_ram(zero + 0x218, 4)), "cpio");
    CHECK_EQ_U64(read_ram(zero + 0x1e8, 1), 3);
    CHECK_EQ_U64(read_ram(zero + 0x2d0 + 20, 8), 0x9fc00);
    CHECK_EQ_U64(read_ram(zero + 0x2d0 + 40 + 8, 8), RAM_SIZE - MIB);
}

static void test_linux_moved(void)
{
    const char *initrd = write_file("initrd", "cpio", 4);
    struct blob blob;

    fresh_ram(RAM_SIZE);
    make_linux(&blob);
    put_number(&blob, 0x258, 8, 16 * MIB);
    put_number(&blob, 0x22c, 4, 0x6fffff);
    CHECK(load_blob(&blob, initrd, NULL) == 0);
    CHECK_EQ_U64(start.rip, 2 * MIB + 0x200); /* above 1 MiB, aligned to 2 MiB */
    CHECK_EQ_U64(read_ram(start.gpr[RSI] + 0x218, 4), 0x6ff000);
}

/* ---- what a bad image leads to ---- */

struct patch {
    uint64_t at;
    unsigned size;
    uint64_t value;
};

static const struct {
    const char *name;
    void (*make)(struct blob *);
    struct patch patch[3];
    uint64_t cut; /* the size to cut the file to, 0 for none */
    const char *expected;
} bad[] = {
    {"ELF: one byte", make_pvh, {{0}}, 1, "not a kernel"},
    {"ELF: not ELF", make_pvh, {{0, 1, 0}}, 0, "not a kernel"},
    {"ELF: class 3", make_pvh, {{4, 1, 3}}, 0, "32 or 64 bits"},
    {"ELF: big-endian", make_pvh, {{5, 1, 2}}, 0, "little-endian"},
    {"ELF: for ARM", make_pvh, {{18, 2, EM_AARCH64}}, 0, "another CPU"},
    {"ELF: object file", make_pvh, {{16, 2, ET_REL}}, 0, "not an executable"},
    {"ELF: header cut", make_pvh, {{0}}, 0x30, "truncated"},
    {"ELF: ident cut", make_pvh, {{0}}, 10, "not an ELF"},
    {"ELF: program headers cut", make_pvh, {{0}}, 0x80, "truncated"},
    {"ELF: segment cut", make_pvh, {{0}}, 0x440, "truncated"},
    {"ELF: phoff overflows", make_pvh, {{32, 8, UINT64_MAX - 8}}, 0, "program headers"},
    {"ELF: phentsize 0", make_pvh, {{54, 2, 0}}, 0, "program headers of 0"},
    {"ELF: no program headers", make_pvh, {{56, 2, 0}}, 0, "0 program headers"},
    {"ELF: 65535 program headers", make_pvh, {{56, 2, 65535}}, 0, "65535 program headers"},
    {"ELF: offset overflows", make_pvh, {{0x48, 8, UINT64_MAX - 0x10}}, 0, "truncated"},
    {"ELF: filesz huge", make_pvh, {{0x60, 8, UINT64_MAX}}, 0, "truncated"},
    {"ELF: filesz above memsz", make_pvh, {{0x68, 8, 0x80}}, 0, "larger in the file"},
    {"ELF: paddr outside RAM", make_pvh, {{0x78 + 24, 8, RAM_SIZE - 0x1000}}, 0, "outside RAM"},
    {"ELF: paddr + memsz overflows", make_pvh, {{0x78 + 24, 8, UINT64_MAX - 0x100}}, 0, "outside RAM"},
    {"ELF: memsz huge", make_pvh, {{0x78 + 40, 8, UINT64_MAX}}, 0, "outside RAM"},
    {"ELF: segments overlap", make_pvh, {{0x78 + 24, 8, PVH_CODE + 0xff}}, 0, "overlaps a kernel segment"},
    {"ELF: over video memory", make_pvh, {{0x78 + 24, 8, 0x9f000}}, 0, "overlaps the PC's reserved area"},
    {"PVH: no note segment", make_pvh, {{0xb0, 4, PT_NULL}}, 0, "without the PVH note"},
    {"PVH: another note", make_pvh, {{0x11c, 4, 17}}, 0, "without the PVH note"},
    {"PVH: name not Xen", make_pvh, {{0x120, 1, 'x'}}, 0, "without the PVH note"},
    {"PVH: note size overflows", make_pvh, {{0x104, 4, 0xffffffff}}, 0, "without the PVH note"},
    {"PVH: name size overflows", make_pvh, {{0x100, 4, 0xfffffffd}}, 0, "without the PVH note"},
    {"PVH: entry of 2 bytes", make_pvh, {{0x118, 4, 2}}, 0, "without the PVH note"},
    {"PVH: entry nowhere", make_pvh, {{0x124, 8, 0x150000}}, 0, "in no segment"},
    {"PVH: entry above 4 GiB", make_pvh, {{0x124, 8, 0x100100000}}, 0, "in no segment"},
    {"PVH: nothing to load", make_pvh, {{0x40, 4, 0}, {0x78, 4, 0}}, 0, "in no segment"},
    {"Multiboot: wrong checksum", make_multiboot, {{MB_HEADER + 8, 4, 1}}, 0, "not a kernel"},
    {"Multiboot: unknown request",
     make_multiboot,
     {{MB_HEADER + 4, 4, 0x00010008}, {MB_HEADER + 8, 4, 0xe4514ff6}},
     0,
     "unknown"},
    {"Multiboot: ends in header", make_multiboot, {{0}}, MB_HEADER + 20, "truncated"},
    {"Multiboot: image cut", make_multiboot, {{0}}, 0x200, "truncated"},
    {"Multiboot: load after header", make_multiboot, {{MB_HEADER + 16, 4, MB_LOAD + 0x11}}, 0, "does not fit"},
    {"Multiboot: header before file", make_multiboot, {{MB_HEADER + 12, 4, MB_LOAD + 0x21}}, 0, "does not fit"},
    {"Multiboot: end before load", make_multiboot, {{MB_HEADER + 20, 4, MB_LOAD}}, 0, "load_end_addr"},
    {"Multiboot: end huge", make_multiboot, {{MB_HEADER + 20, 4, 0xffffffff}}, 0, "truncated"},
    {"Multiboot: bss before end", make_multiboot, {{MB_HEADER + 24, 4, MB_LOAD + 0x100}}, 0, "bss_end_addr"},
    {"Multiboot: bss huge", make_multiboot, {{MB_HEADER + 24, 4, 0xffffffff}}, 0, "outside RAM"},
    {"Multiboot: entry before", make_multiboot, {{MB_HEADER + 28, 4, MB_LOAD - 1}}, 0, "outside the image"},
    {"Multiboot: entry after", make_multiboot, {{MB_HEADER + 28, 4, MB_BSS}}, 0, "outside the image"},
    {"Multiboot ELF: entry nowhere", make_multiboot_elf, {{24, 4, 0x1000}}, 0, "in no segment"},
    {"Multiboot ELF: cut", make_multiboot_elf, {{0}}, 0x1100, "truncated"},
    {"Multiboot ELF: not ELF", make_multiboot_elf, {{0, 4, 0}}, 0, "not an ELF"},
    {"Linux: too old", make_linux, {{0x206, 2, 0x020b}}, 0, "too old"},
    {"Linux: 32-bit only", make_linux, {{0x236, 2, 0x3e}}, 0, "64-bit entry"},
    {"Linux: zImage", make_linux, {{0x211, 1, 0}}, 0, "zImage"},
    {"Linux: header cut", make_linux, {{0}}, 0x210, "not a kernel"},
    {"Linux: header cut late", make_linux, {{0}}, 0x268, "truncated"},
    {"Linux: no kernel", make_linux, {{0}}, LINUX_SETUP, "truncated"},
    {"Linux: kernel cut", make_linux, {{0}}, LINUX_SETUP + 0xff0, "truncated"},
    {"Linux: header length 0", make_linux, {{0x201, 1, 0}}, 0, "impossible length"},
    {"Linux: header length 255", make_linux, {{0x201, 1, 255}}, 0, "impossible length"},
    {"Linux: set-up beyond file", make_linux, {{0x1f1, 1, 255}}, 0, "truncated"},
    {"Linux: init_size huge", make_linux, {{0x260, 4, 0xffffffff}}, 0, "no room"},
    {"Linux: not relocatable, no room", make_linux, {{0x258, 8, 16 * MIB}, {0x234, 1, 0}}, 0, "outside RAM"},
    {"Linux: pref_address overflows", make_linux, {{0x258, 8, UINT64_MAX}, {0x234, 1, 0}}, 0, "outside RAM"},
    {"Linux: alignment 0", make_linux, {{0x258, 8, 16 * MIB}, {0x230, 4, 0}}, 0, "power of two"},
    {"Linux: alignment 3", make_linux, {{0x258, 8, 16 * MIB}, {0x230, 4, 3}}, 0, "power of two"},
    {"Linux: command line too long", make_linux, {{0x238, 4, 3}}, 0, "command line"},
};

static void test_bad_images(void)
{
    fresh_ram(RAM_SIZE);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct cpu_state before;
        struct blob blob;
        int err;

        vltest_row("%s", bad[i].name);
        bad[i].make(&blob);
        for (unsigned j = 0; j < ARRAY_SIZE(bad[i].patch); j++)
            put_number(&blob, bad[i].patch[j].at, bad[i].patch[j].size, bad[i].patch[j].value);
        if (bad[i].cut)
            blob.size = bad[i].cut;
        before = start;
        err = load_blob(&blob, NULL, "text");
        CHECK(err < 0);
        vltest_check(strstr(why.text, bad[i].expected) != NULL, __FILE__, __LINE__, "\"%s\" does not say \"%s\"",
                     why.text, bad[i].expected);
        CHECK(!strncmp(why.text, "test.img: ", 10));
        CHECK(strchr(why.text, '\n') == NULL);
        CHECK(!memcmp(&before, &start, sizeof(start)));
    }
    vltest_row("%s", "");
}

static void test_fuzz(void)
{
    void (*const make[])(struct blob *) = {make_pvh, make_multiboot, make_multiboot_elf, make_linux};
    uint64_t seed = 20260101;
    unsigned loaded = 0, refused = 0;

    fresh_ram(RAM_SIZE);
    for (unsigned i = 0; i < 12000; i++) {
        struct blob blob;
        uint64_t before = seed;
        int err;

        make[i % ARRAY_SIZE(make)](&blob);
        fuzz_damage(&blob, &seed);
        vltest_row("mutation %u of format %u, seed %#llx", i, i % 4, (unsigned long long)before);
        err = load_blob(&blob, NULL, "fuzz");
        if (err) {
            refused++;
            CHECK(err < 0 && !strncmp(why.text, "test.img: ", 10));
        } else {
            loaded++;
            CHECK(why.text[0] == '\0' && ram_at(&ram, gpa(start.rip), 1) != NULL);
        }
    }
    vltest_row("%s", "");
    CHECK(loaded > 100 && refused > 100); /* the damage is neither nothing nor total */
}

/* ---- files ---- */

static void check_file_refused(const char *path, const char *expected)
{
    memset(&why, 0, sizeof(why));
    vltest_row("%s", path);
    CHECK(load_kernel(&ram, path, NULL, NULL, &start, &why) < 0);
    vltest_check(strstr(why.text, expected) != NULL, __FILE__, __LINE__, "\"%s\" does not say \"%s\"", why.text,
                 expected);
    vltest_check(strstr(why.text, path) != NULL, __FILE__, __LINE__, "\"%s\" does not name the file", why.text);
    vltest_row("%s", "");
}

static void test_bad_files(void)
{
    fresh_ram(RAM_SIZE);
    check_file_refused(file_path("none"), "No such file");
    check_file_refused(directory, "is a directory");
    check_file_refused("/dev/zero", "not a regular file");
    check_file_refused(write_file("empty", "", 0), "is empty");
    check_file_refused(write_file("text", "#!/bin/sh\n", 10), "not a kernel");
    CHECK_FATAL(mkfifo(file_path("fifo"), 0600) == 0);
    check_file_refused(file_path("fifo"), "not a regular file");
    CHECK_FATAL(truncate(write_file("sparse", "", 0), (off_t)1 << 40) == 0);
    check_file_refused(file_path("sparse"), "larger than");
}

static void test_long_name(void)
{
    char path[2000];

    fresh_ram(RAM_SIZE);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    memset(&why, 0, sizeof(why));
    CHECK(load_kernel(&ram, path, NULL, NULL, &start, &why) < 0);
    CHECK(strstr(why.text, "File name too long") != NULL);
}

/* Root may read everything: the test gives that up, in a child. */
static void test_no_permission(void)
{
    struct blob blob;
    const char *path;
    int status = -1;
    pid_t child;

    fresh_ram(RAM_SIZE);
    make_pvh(&blob);
    path = write_file("secret", blob.bytes, blob.size);
    CHECK_FATAL(chmod(path, 0) == 0 && chmod(directory, 0755) == 0);
    child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
            _exit(3);
        memset(&why, 0, sizeof(why));
        if (load_kernel(&ram, path, NULL, NULL, &start, &why) >= 0)
            _exit(1);
        _exit(strstr(why.text, "Permission denied") ? 0 : 2);
    }
    CHECK_FATAL(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQ_U64(WEXITSTATUS(status), 0);
}

static void test_bad_initrds(void)
{
    void (*const make[])(struct blob *) = {make_pvh, make_multiboot, make_linux};

    for (unsigned i = 0; i < ARRAY_SIZE(make); i++) {
        struct blob blob;
        const char *huge = write_file("huge", "", 0);

        fresh_ram(RAM_SIZE);
        make[i](&blob);
        vltest_row("format %u", i);
        CHECK(load_blob(&blob, file_path("none"), NULL) < 0);
        CHECK(strstr(why.text, file_path("none")) && strstr(why.text, "No such file"));
        CHECK(load_blob(&blob, write_file("empty", "", 0), NULL) < 0);
        CHECK(strstr(why.text, "is empty") != NULL);
        CHECK(load_blob(&blob, directory, NULL) < 0);
        CHECK(strstr(why.text, "is a directory") != NULL);
        CHECK_FATAL(truncate(huge, (off_t)RAM_SIZE) == 0);
        CHECK(load_blob(&blob, huge, NULL) < 0);
        CHECK(strstr(why.text, "no room") != NULL);
        CHECK(load_blob(&blob, "", NULL) == 0); /* as if there were none */
    }
    vltest_row("%s", "");
}

static void test_too_many_modules(void)
{
    char list[4096] = "";
    struct blob blob;

    fresh_ram(RAM_SIZE);
    write_file("m", "x", 1);
    for (unsigned i = 0; i < 17; i++) {
        strcat(list, i ? "," : "");
        strcat(list, file_path("m"));
    }
    make_multiboot(&blob);
    CHECK(load_blob(&blob, list, NULL) < 0);
    CHECK(strstr(why.text, "more than 16 modules") != NULL);
}

/* ---- the parts ---- */

static void test_layout(void)
{
    struct image image = {.name = "x"};
    struct layout layout;
    uint64_t seed = 1, at;

    fresh_ram(RAM_SIZE);
    for (unsigned round = 0; round < 200; round++) {
        layout_init(&layout, &ram, &image);
        for (unsigned i = 0; i < 60; i++) {
            uint64_t r = fuzz_random(&seed), len = fuzz_random(&seed) >> (40 + r % 24), align = 1u << (r >> 8) % 22;
            unsigned count = layout.count;
            int err;

            memset(&why, 0, sizeof(why));
            if (r & 1 << 30)
                err = layout_place_low(&layout, "a", (r >> 32) % RAM_SIZE, len, align, &at, &why);
            else
                err = layout_place_high(&layout, "b", (r >> 32) % (2 * RAM_SIZE), len, align, &at, &why);
            CHECK_EQ_U64(layout.count, count + (err == 0));
            if (!err)
                CHECK((at & (align - 1)) == 0 && at + len <= RAM_SIZE);
        }
        for (unsigned i = 0; i < layout.count; i++)
            for (unsigned j = 0; j < i; j++)
                if (layout.span[i].first < layout.span[j].end && layout.span[j].first < layout.span[i].end)
                    CHECK(!"two spans overlap");
    }
}

static void test_ram(void)
{
    struct reason reason = {""};
    struct ram other;

    fresh_ram(RAM_SIZE);
    CHECK(ram_at(&ram, gpa(RAM_SIZE - 1), 1) != NULL);
    CHECK(ram_at(&ram, gpa(RAM_SIZE - 1), 2) == NULL);
    CHECK(ram_at(&ram, gpa(RAM_SIZE), 0) == NULL);
    CHECK(ram_at(&ram, gpa(UINT64_MAX), 2) == NULL);
    CHECK(ram_at(&ram, gpa(1), UINT64_MAX) == NULL);
    CHECK(ftruncate(ram.fd, 0) < 0 && errno == EPERM); /* sealed */
    CHECK(ram_create(&other, RAM_MIN - PAGE_SIZE, &reason) < 0 && reason.text[0]);
    CHECK(ram_create(&other, RAM_MAX + PAGE_SIZE, &reason) < 0);
    CHECK(ram_create(&other, RAM_MIN + 1, &reason) < 0);
    ram_destroy(&other); /* harmless after a failure */

    memset(ram.base, 0xaa, 8 * PAGE_SIZE);
    CHECK(ram_clear(&ram, gpa(100), 5 * PAGE_SIZE, &reason) == 0);
    CHECK_EQ_U64(ram.base[99], 0xaa);
    CHECK_EQ_U64(ram.base[5 * PAGE_SIZE + 100], 0xaa);
    for (uint64_t i = 100; i < 5 * PAGE_SIZE + 100; i++)
        if (ram.base[i])
            CHECK_EQ_U64(i, 0);
    CHECK(ram_clear(&ram, gpa(RAM_SIZE - 8), 16, &reason) == -EFAULT);
}

static void test_own_kernel(void)
{
    const char *path = "build/guest/kernel.elf";

    if (access(path, R_OK)) {
        vltest_skip("%s is not built", path);
        return;
    }
    fresh_ram(128 * MIB);
    memset(&why, 0, sizeof(why));
    CHECK(load_kernel(&ram, path, NULL, "test", &start, &why) == 0);
    CHECK_EQ_STR(why.text, "");
}

static const struct vltest tests[] = {
    {"RAM is checked at its edges and sealed", test_ram},
    {"placed things never overlap", test_layout},
    {"PVH: segments, start info, module, memory map", test_pvh},
    {"PVH: no initrd is no module", test_pvh_without_initrd},
    {"Multiboot with addresses", test_multiboot},
    {"Multiboot ELF, linked high", test_multiboot_elf},
    {"Multiboot modules with their strings", test_multiboot_modules},
    {"Multiboot wins over PVH", test_multiboot_wins},
    {"Linux: zero page, page tables, GDT, initrd", test_linux},
    {"Linux: a kernel that does not fit where it prefers is moved", test_linux_moved},
    {"bad images: one line that names file and reason", test_bad_images},
    {"bad files", test_bad_files},
    {"a long file name leaves room for the reason", test_long_name},
    {"a file without read permission", test_no_permission},
    {"bad initrds", test_bad_initrds},
    {"too many modules", test_too_many_modules},
    {"12000 random damages: no crash, always a reason", test_fuzz},
    {"the guest kernel of this project loads", test_own_kernel},
};

int main(void)
{
    static const char *const files[] = {"initrd", "one",    "t,wo",   "empty", "text",
                                        "fifo",   "sparse", "secret", "huge",  "m"};
    int status;

    ram.fd = -1;
    snprintf(directory, sizeof(directory), "%s/test_loaders.XXXXXX", P_tmpdir);
    if (!mkdtemp(directory))
        return 1;
    status = vltest_run("loaders", tests, ARRAY_SIZE(tests));
    ram_destroy(&ram);
    for (unsigned i = 0; i < ARRAY_SIZE(files); i++)
        unlink(file_path(files[i]));
    rmdir(directory);
    return status;
}
