/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_static.c - translation ahead of time: which code is found, that the same host code comes out every time, that it
 * runs as the interpreter would, and that no file but a right one is ever taken.
 *
 * Whole guests: test_translate.sh and guest-static.sh.
 */
#include "bt_rig.h"
#include "full/static/static.h"
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- SHA-256 ---- */

static void test_sha256(void)
{
    static const struct {
        const char *text;
        unsigned times;
        const char *digest;
    } rows[] = {
        /* FIPS 180-4's examples, and NIST's message of a million times "a". */
        {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"aaaaaaaaaa", 100000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
        uint8_t digest[SHA256_SIZE];
        char hex[2 * SHA256_SIZE + 1];
        struct sha256 s;
        sha256_begin(&s);
        if (i % 2) /* whatever this processor has */
            s.compress = sha256_compress;
        for (unsigned n = 0; n < rows[i / 2].times; n++)
            sha256_add(&s, rows[i / 2].text, strlen(rows[i / 2].text));
        sha256_end(&s, digest);
        for (unsigned b = 0; b < SHA256_SIZE; b++)
            snprintf(hex + 2 * b, 3, "%02x", digest[b]);
        CHECK_EQ_STR(hex, rows[i / 2].digest);
    }
}

/* ---- images ---- */

#define IMAGE_DATA 0x1000 /* of the data, behind the code: in the file and in memory */

/* An ELF image without sections: code at CODE, executable, and behind it data that isn't. */
struct elf_image {
    uint8_t bytes[0x3000];
    struct image image;
};

static void make_image(struct elf_image *e, const void *code, size_t size, const void *data, size_t data_size)
{
    const Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                               .e_type = ET_EXEC,
                               .e_machine = EM_X86_64,
                               .e_version = EV_CURRENT,
                               .e_entry = CODE,
                               .e_phoff = sizeof(header),
                               .e_ehsize = sizeof(header),
                               .e_phentsize = sizeof(Elf64_Phdr),
                               .e_phnum = 2};
    const Elf64_Phdr segments[2] = {{.p_type = PT_LOAD,
                                     .p_flags = PF_R | PF_X,
                                     .p_offset = 0x1000,
                                     .p_vaddr = CODE,
                                     .p_paddr = CODE,
                                     .p_filesz = size,
                                     .p_memsz = size},
                                    {.p_type = PT_LOAD,
                                     .p_flags = PF_R,
                                     .p_offset = 0x1000 + IMAGE_DATA,
                                     .p_vaddr = CODE + IMAGE_DATA,
                                     .p_paddr = CODE + IMAGE_DATA,
                                     .p_filesz = data_size,
                                     .p_memsz = data_size}};
    memset(e->bytes, 0, sizeof(e->bytes));
    memcpy(e->bytes, &header, sizeof(header));
    memcpy(e->bytes + sizeof(header), segments, sizeof(segments));
    memcpy(e->bytes + 0x1000, code, size);
    memcpy(e->bytes + 0x1000 + IMAGE_DATA, data, data_size);
    e->image = (struct image){.name = "test image", .bytes = e->bytes, .size = sizeof(e->bytes)};
}

/* A folder of this test's own for files, and a name in it. */
static char folder[] = "/tmp/virtlab-static-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[2][256];
    static unsigned turn;
    char *p = path[turn++ % 2];
    snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
    return p;
}

static void write_file(const char *path, const void *bytes, size_t size, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && fchmod(fd, mode) == 0);
    close(fd);
}

/* ---- discovery ---- */

/* Each piece of code is reached in another way; `ud2` and filler between them must not become entries. */
static const uint8_t reached[] = {
    0x48, 0x8d, 0x15, 0xf9, 0x0f, 0x00, 0x00, /* 00 lea rdx, [rip + ..]: the table in data */
    0x48, 0x8d, 0x05, 0x42, 0x00, 0x00, 0x00, /* 07 lea rax, [rip + ..]: 50 */
    0x74, 0x06,                               /* 0e je 16 */
    0xe8, 0x0b, 0x00, 0x00, 0x00,             /* 10 call 20 */
    0xf4,                                     /* 15 hlt */
    0xff, 0xe0,                               /* 16 jmp rax */
    0xcc, 0xcc, 0xcc, 0xcc,                   /* 18 filler */
    0x0f, 0x1f, 0x40, 0x00,                   /* 1c filler */
    0xc3, 0xcc,                               /* 20 ret */
    0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,       /* */
    0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,       /* */
    0xcc, 0xcc,                               /* */
    0x90, 0xc3, 0xcc, 0xcc,                   /* 30 nop; ret: by the table */
    0xcc, 0xcc, 0xcc, 0xcc,                   /* */
    0xff, 0xc0, 0xc3, 0xcc,                   /* 38 inc eax; ret: by the table */
    0xcc, 0xcc, 0xcc, 0xcc,                   /* */
    0xe4, 0x71, 0x90, 0xc3,                   /* 40 in al, 71h; 42: nop; ret: by a pointer */
    0xcc, 0xcc, 0xcc, 0xcc,                   /* */
    0xcc, 0xcc, 0xcc, 0xcc,                   /* */
    0xcc, 0xcc, 0xcc, 0xcc,                   /* */
    0xff, 0xc8, 0xc3, 0xcc,                   /* 50 dec eax; ret: by the LEA */
    0xcc, 0xcc, 0xcc, 0xcc,                   /* */
    0x31, 0xc0, 0xc3,                         /* 58 xor eax, eax; ret: by nothing */
};

struct tables {
    int32_t distance[2];
    uint64_t end; /* ends the table of distances: leads to no code */
    uint64_t pointer;
};

static void test_discovery(void)
{
    static const uint8_t entries[] = {0x00, 0x10, 0x15, 0x16, 0x20, 0x30, 0x38, 0x40, 0x42, 0x50, 0x58};
    const struct tables data = {{0x30 - IMAGE_DATA, 0x38 - IMAGE_DATA}, 0x7fffffff7fffffff, CODE + 0x40};
    static struct elf_image e;
    struct discovery found;
    struct code_map map;
    struct reason why = {""};
    make_image(&e, reached, sizeof(reached), &data, sizeof(data));
    CHECK_FATAL(code_map_open(&map, &e.image, &why) == 0 && discover(&map, &found, &why) == 0);
    unsigned next = 0;
    for (unsigned at = 0; at < sizeof(reached); at++) {
        bool wanted = next < sizeof(entries) && entries[next] == at;
        next += wanted;
        vltest_row("at %#x", at);
        CHECK_EQ_U64(!!(*mark_at(&map.range[0], CODE + at) & MARK_ENTRY), wanted);
    }
    vltest_row("%s", "");
    CHECK_EQ_U64(found.entries[SOURCE_ENTRY], 1);
    CHECK_EQ_U64(found.entries[SOURCE_SYMBOL], 0);
    CHECK_EQ_U64(found.entries[SOURCE_BRANCH], 5);
    CHECK_EQ_U64(found.entries[SOURCE_CONSTANT], 1);
    CHECK_EQ_U64(found.entries[SOURCE_TABLE], 2);
    CHECK_EQ_U64(found.entries[SOURCE_POINTER], 1);
    CHECK_EQ_U64(found.entries[SOURCE_SWEEP], 1);
    code_map_close(&map);
}

/* ---- programs ---- */

/* Calls, a loop within a page, flags across them, memory, SSE, and a return: every kind of stub. */
static const uint8_t program[] = {
    0xb9, 0xc8, 0x00, 0x00, 0x00,       /*    mov ecx, 200 */
    0xe8, 0x0c, 0x00, 0x00, 0x00,       /* 1: call 2f */
    0x0f, 0x92, 0xc2,                   /*    setb dl */
    0x49, 0x01, 0xd6,                   /*    add r14, rdx */
    0xff, 0xc9,                         /*    dec ecx */
    0x75, 0xf1,                         /*    jnz 1b */
    0xf4, 0x90,                         /*    hlt */
    0x53,                               /* 2: push rbx */
    0x66, 0x0f, 0x6e, 0xc1,             /*    movd xmm0, ecx */
    0x66, 0x0f, 0xfe, 0xc8,             /*    paddd xmm1, xmm0 */
    0xf3, 0x0f, 0x7f, 0x4f, 0x11,       /*    movdqu [rdi + 0x11], xmm1 */
    0x83, 0x07, 0x11,                   /*    add dword [rdi], 17 */
    0x5b,                               /*    pop rbx */
    0x81, 0xc3, 0x01, 0x00, 0x00, 0x71, /*    add ebx, 0x71000001 */
    0xc3,                               /*    ret */
};

/* A loop that counts up an immediate of its own block, whose translation is thereby wrong from the first round on. */
static const uint8_t self_modifying[] = {
    0xb9, 0x64, 0x00, 0x00, 0x00,       /*    mov ecx, 100 */
    0x05, 0x01, 0x00, 0x00, 0x00,       /* 1: add eax, 1 */
    0xff, 0x05, 0xf6, 0xff, 0xff, 0xff, /*    inc dword [rip - 10]: the immediate above */
    0xff, 0xc9,                         /*    dec ecx */
    0x75, 0xf1,                         /*    jnz 1b */
    0xf4,                               /*    hlt */
};

/* An engine full/static whose kernel is this program's image. False: it doesn't take it. */
static bool open_static(struct rig *r, const uint8_t *code, size_t size)
{
    static struct elf_image e;
    struct reason why = {""};
    make_image(&e, code, size, "", 1);
    write_file(in_folder("kernel"), e.bytes, sizeof(e.bytes), 0600);
    return rig_open(r, &full_static, code, size) && r->ops->kernel_loaded(r->engine, in_folder("kernel"), &why) == 0;
}

static void run_program(const uint8_t *code, size_t size, uint64_t budget, struct rig *a, struct rig *b)
{
    CHECK_FATAL(rig_open(a, &emulate_interp, code, size) && open_static(b, code, size));
    CHECK(rig_run(a, budget) && rig_run(b, budget));
    CHECK_EQ_U64(b->exit.kind, VM_EXIT_HLT);
    check_same(a, b);
}

static void test_program(void)
{
    struct rig a, b;
    run_program(program, sizeof(program), 0, &a, &b);
    CHECK(b.stats.counter[COUNTER_STATIC_BLOCKS] >= 4);
    CHECK_EQ_U64(b.stats.counter[COUNTER_DYNAMIC_BLOCKS], 0);
    CHECK_EQ_U64(b.stats.counter[COUNTER_BLOCKS_TRANSLATED], 0);
    CHECK(b.stats.counter[COUNTER_BLOCKS_CHAINED] > 0);
    rig_close(&a);
    rig_close(&b);
}

/* Kernels whose translation holds no host code, and hardly anything else. */
static void test_nothing_to_translate(void)
{
    static const uint8_t halt[] = {0xf4}, reads[] = {0xe4, 0x71, 0xf4}; /* hlt; in al, 71h: the port ends the run */
    struct rig a, b;
    run_program(halt, sizeof(halt), 0, &a, &b);
    rig_close(&a);
    rig_close(&b);
    CHECK_FATAL(open_static(&b, reads, sizeof(reads)));
    b.ops->run(b.engine, &b.exit, 0);
    CHECK_EQ_U64(b.exit.kind, VM_EXIT_IO);
    rig_close(&b);
}

static void test_pieces(void)
{
    static const uint64_t pieces[] = {1, 7, 48, 49, 97, 101};
    for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
        struct rig a, b;
        vltest_row("pieces of %u", (unsigned)pieces[i]);
        run_program(program, sizeof(program), pieces[i], &a, &b);
        rig_close(&a);
        rig_close(&b);
    }
    vltest_row("%s", "");
}

static void test_self_modifying(void)
{
    struct rig a, b;
    run_program(self_modifying, sizeof(self_modifying), 0, &a, &b);
    CHECK_EQ_U64(b.s.gpr[RAX], 100 * 101 / 2);
    CHECK(b.stats.counter[COUNTER_STATIC_BLOCKS] > 0);
    CHECK(b.stats.counter[COUNTER_DYNAMIC_BLOCKS] > 0);
    rig_close(&a);
    rig_close(&b);
}

/* What RAM holds is not what the image holds: another number of rounds. */
static void test_patched_before(void)
{
    uint8_t patched[sizeof(program)];
    struct rig a, b;
    memcpy(patched, program, sizeof(program));
    patched[1] = 100;
    CHECK_FATAL(rig_open(&a, &emulate_interp, patched, sizeof(patched)) && open_static(&b, program, sizeof(program)));
    memcpy(b.ram.base + CODE, patched, sizeof(patched));
    CHECK(rig_run(&a, 0) && rig_run(&b, 0));
    check_same(&a, &b);
    CHECK_EQ_U64(b.stats.counter[COUNTER_DYNAMIC_BLOCKS], 1);
    CHECK_EQ_U64(b.stats.counter[COUNTER_DYNAMIC_KERNEL_BLOCKS], 1);
    rig_close(&a);
    rig_close(&b);
}

/* A code cache that is emptied again and again: blocks come back from the translation. */
static void test_full_cache(void)
{
    struct rig a, b;
    CHECK_FATAL(rig_open(&a, &emulate_interp, program, sizeof(program)) && open_static(&b, program, sizeof(program)));
    struct cpu *cpu = (struct cpu *)b.engine;
    do {
        b.ops->run(b.engine, &b.exit, 500);
        block_cache_flush(cpu);
    } while (b.exit.kind == VM_EXIT_INTERRUPTED);
    b.ops->get_state(b.engine, &b.s);
    CHECK(rig_run(&a, 0));
    check_same(&a, &b);
    CHECK(b.stats.counter[COUNTER_STATIC_BLOCKS] >= 16);
    CHECK_EQ_U64(b.stats.counter[COUNTER_DYNAMIC_KERNEL_BLOCKS], b.stats.counter[COUNTER_DYNAMIC_BLOCKS]);
    rig_close(&a);
    rig_close(&b);
}

/* ---- the same code as at run time ---- */

/* The 8 bytes of a pointer, or what a distance of 4 bytes leads to. */
static const uint8_t *target_at(const uint8_t *at, bool distance)
{
    const uint8_t *pointer;
    int32_t to;
    memcpy(&pointer, at, sizeof(pointer));
    memcpy(&to, at, sizeof(to));
    return distance ? at + 4 + to : pointer;
}

/* Where the code, or a link of it, would be if it stood at the place of the other one. */
static const uint8_t *moved(const uint8_t *at, const void *from, size_t size, const void *to)
{
    size_t offset = (size_t)(at - (const uint8_t *)from);
    return offset < size ? (const uint8_t *)to + offset : at;
}

/* `ours` was installed, and translated now once more at `again`: do all bytes and all places mean the same? */
static bool same_code(const struct bt *bt, const struct static_block *b, uint8_t *ours, uint8_t *again, unsigned link)
{
    const struct relocations *r = bt->code.relocations;
    const struct link *links = bt->link + link;
    if (bt->code.at - again != b->code_size || bt->link_count - link != b->links || r->count > RELOCATIONS_MAX)
        return false;
    for (unsigned i = 0; i < r->count; i++) {
        size_t at = (size_t)(r->entry[i].at - again), size = r->entry[i].distance ? 4 : 8;
        const uint8_t *target = target_at(again + at, r->entry[i].distance);
        target = moved(target, again, b->code_size, ours);
        target = moved(target, links, b->links * sizeof(*links), links - b->links);
        if (target != target_at(ours + at, r->entry[i].distance))
            return false;
        memset(ours + at, 0, size);
        memset(again + at, 0, size);
    }
    for (unsigned i = 0; i < b->links; i++) {
        const struct link *x = &links[i], *y = &links[(int)i - (int)b->links];
        if (x->jump - again != y->jump - ours || x->from != y->from || x->record != y->record || x->flags != y->flags ||
            x->shadowed != y->shadowed)
            return false;
    }
    return !memcmp(ours, again, b->code_size);
}

/* Each block of the guest's kernel: the code from the translation is the code that full/bt would make. */
static void test_same_as_dynamic(void)
{
    static struct relocations relocations;
    struct static_translation t;
    struct make_report report;
    struct reason why = {""};
    struct image guest;
    struct code_map map;
    struct rig r;
    char name[4096];
    const char *dir = getenv("VIRTLAB_GUEST");
    snprintf(name, sizeof(name), "%s/kernel.elf", dir ? dir : "build/guest");
    if (image_open(&guest, name, &why)) {
        vltest_skip("%s", why.text);
        return;
    }
    CHECK_FATAL(translation_make(&t, &guest, &report, &why) == 0 && code_map_open(&map, &guest, &why) == 0);
    CHECK_EQ_U64(report.unrelocated, 0);
    CHECK_FATAL(open_static(&r, program, sizeof(program)));
    for (unsigned i = 0; i < map.elf.count; i++) {
        const struct elf_segment *s = &map.elf.segment[i];
        if (s->type == PT_LOAD)
            memcpy(r.ram.base + s->paddr, guest.bytes + s->offset, s->filesz);
    }
    struct cpu *cpu = (struct cpu *)r.engine;
    struct bt *bt = bt_of(cpu);
    struct static_translation *before = bt->kept;
    unsigned same = 0;
    bt->kept = &t;
    bt->code.relocations = &relocations;
    for (unsigned i = 0; i < t.header->blocks; i++) {
        const struct static_block *b = &t.block[i];
        block_cache_flush(cpu);
        struct block *block = block_at(cpu, gpa(b->gpa));
        uint8_t *ours = bt->first, *again = bt->code.at;
        unsigned link = bt->link_count;
        relocations.count = 0;
        if (again - ours != b->code_size) {
            vltest_row("block at %#llx", (unsigned long long)b->gpa);
            CHECK_EQ_U64((uint64_t)(again - ours), b->code_size);
        } else if (b->code_size && (!bt_translate(cpu, block) || !same_code(bt, b, ours, again, link))) {
            vltest_row("block at %#llx", (unsigned long long)b->gpa);
            CHECK(!"the same code");
        }
        same += b->code_size > 0;
    }
    CHECK(same > 1000);
    vltest_row("%s", "");
    bt->kept = before;
    rig_close(&r);
    code_map_close(&map);
    translation_close(&t);
    image_close(&guest);
}

/* ---- files ---- */

static struct elf_image kernel;
static struct static_translation good;

static void test_reproducible(void)
{
    struct make_report report;
    struct static_translation again;
    struct reason why = {""};
    make_image(&kernel, program, sizeof(program), "", 1);
    CHECK_FATAL(translation_make(&good, &kernel.image, &report, &why) == 0);
    CHECK(report.blocks >= 4);
    CHECK_EQ_U64(report.unrelocated, 0);
    CHECK_EQ_U64(report.native, sizeof(program) - 1); /* all but HLT */
    void *in_the_way = malloc(100000);                /* whatever is allocated now has another address */
    CHECK_FATAL(translation_make(&again, &kernel.image, &report, &why) == 0);
    CHECK_EQ_U64(again.header->file_size, good.header->file_size);
    CHECK(!memcmp(again.bytes, good.bytes, good.header->file_size));
    translation_close(&again);
    free(in_the_way);
}

/* A copy of the good file, to be damaged. */
static uint8_t *copy_good(void)
{
    uint8_t *copy = malloc(good.header->file_size);
    if (!copy)
        abort();
    return memcpy(copy, good.bytes, good.header->file_size);
}

static void reseal(uint8_t *bytes)
{
    translation_digest(bytes, good.header->file_size, ((struct static_header *)bytes)->digest);
}

#define HEADER(field) offsetof(struct static_header, field)
#define BLOCK(field)  (sizeof(struct static_header) + offsetof(struct static_block, field))

/* One number is changed, the digest made right again: the file is refused, with these words. */
static void test_refused(void)
{
    static const struct {
        const char *name;
        size_t at, size;
        uint64_t value;
        const char *words;
    } rows[] = {
        {"magic", HEADER(magic), 1, 'v', "is not a translation"},
        {"version", HEADER(version), 4, STATIC_VERSION + 1, "version of the format"},
        {"header's size", HEADER(header_size), 4, 8, "version of the format"},
        {"another build", HEADER(program), 1, 0x5a, "another build"},
        {"file's size", HEADER(file_size), 8, 1, "truncated"},
        {"blocks", HEADER(blocks), 4, 0xffffffff, "truncated"},
        {"relocations", HEADER(relocations), 4, 0xffffffff, "truncated"},
        {"links", HEADER(links), 4, 0x80000000, "truncated"},
        {"code", HEADER(code_size), 4, 0xffffffff, "truncated"},
        {"guest code", HEADER(guest_size), 4, 0, "truncated"},
        {"routines", HEADER(routines), 4, 0, "block 0"},
        {"guest bytes far away", BLOCK(guest_at), 4, 0xfffffff0, "block 0"},
        {"no guest bytes", BLOCK(guest_size), 2, 0, "block 0"},
        {"more than a page", BLOCK(guest_size), 2, 4097, "block 0"},
        {"no instructions", BLOCK(count), 2, 0, "block 0"},
        {"too many instructions", BLOCK(count), 2, BLOCK_MAX + 1, "block 0"},
        {"code far away", BLOCK(code_at), 4, 0xffffff00, "block 0"},
        {"more code than any block has", BLOCK(code_size), 4, 0x10000000, "block 0"},
        {"entry behind the code", BLOCK(native), 4, 0x10000, "block 0"},
        {"entry with flags behind the code", BLOCK(native_flags), 4, 0x10000, "block 0"},
        {"relocations far away", BLOCK(relocation), 4, 0xffffffff, "block 0"},
        {"too many relocations", BLOCK(relocations), 4, 0xffffffff, "block 0"},
        {"links far away", BLOCK(link), 4, 0xffffffff, "block 0"},
        {"too many links", BLOCK(links), 4, 1000, "block 0"},
        {"marks behind its last instruction", BLOCK(left), 8, UINT64_C(1) << 50, "block 0"},
        {"a mark on its first instruction", BLOCK(left), 8, 1, "block 0"},
        {"blocks out of order", BLOCK(gpa), 8, UINT64_C(1) << 40, "block 1"},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct static_translation t;
        struct reason why = {""};
        uint8_t *bytes = copy_good();
        vltest_row("%s", rows[i].name);
        memcpy(bytes + rows[i].at, &rows[i].value, rows[i].size);
        reseal(bytes);
        CHECK(translation_check(&t, "some file", bytes, good.header->file_size, &why) < 0);
        CHECK(t.header == NULL);
        if (!strstr(why.text, rows[i].words) || strncmp(why.text, "some file: ", 11))
            CHECK_EQ_STR(why.text, rows[i].words);
    }
    vltest_row("%s", "");
}

/* Without a right digest every changed byte and every other length is refused. */
static void test_damaged(void)
{
    uint64_t size = good.header->file_size;
    for (uint64_t at = 0; at < size; at += at < 1024 ? 1 : 7) {
        struct static_translation t;
        struct reason why = {""};
        uint8_t *bytes = copy_good();
        bytes[at] ^= 0x10;
        vltest_row("byte %llu changed", (unsigned long long)at);
        CHECK(translation_check(&t, "file", bytes, size, &why) < 0);
        bytes = copy_good();
        vltest_row("only %llu bytes", (unsigned long long)at);
        CHECK(translation_check(&t, "file", bytes, at, &why) < 0);
    }
    vltest_row("%s", "");
}

/*
 * Files with a right digest and random numbers in their tables: refused, or installed without a byte written outside
 * the block's own code (the sanitizers watch). Nothing of it is run: what code does, no check can tell.
 */
static void test_hostile_tables(void)
{
    static uint64_t seed = 88172645463325252;
    size_t tables = (size_t)(good.code - (const uint8_t *)good.bytes);
    unsigned taken = 0, refused = 0;
    struct rig r;
    CHECK_FATAL(open_static(&r, program, sizeof(program)));
    struct cpu *cpu = (struct cpu *)r.engine;
    struct bt *bt = bt_of(cpu);
    for (unsigned round = 0; round < 3000; round++) {
        struct static_translation t;
        struct reason why = {""};
        uint8_t *bytes = copy_good();
        for (unsigned i = 0; i < 1 + round % 3; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            size_t at = sizeof(struct static_header) + (seed >> 8) % (tables - sizeof(struct static_header));
            bytes[at] = (uint8_t)seed;
        }
        reseal(bytes);
        if (translation_check(&t, "file", bytes, good.header->file_size, &why) < 0) {
            refused++;
            continue;
        }
        taken++;
        struct static_translation *before = bt->kept;
        bt->kept = &t;
        block_cache_flush(cpu);
        for (unsigned i = 0; i < t.header->blocks; i++) {
            uint8_t *start = bt->code.at;
            if (ram_at(&r.ram, gpa(t.block[i].gpa), PAGE_SIZE)) {
                (void)block_at(cpu, gpa(t.block[i].gpa));
                CHECK(bt->code.at == start || bt->code.at == start + t.block[i].code_size);
            }
        }
        bt->kept = before;
        translation_close(&t);
    }
    CHECK(taken > 0 && refused > 100);
    rig_close(&r);
}

static void expect_open(const char *path, const char *words)
{
    struct static_translation t;
    struct reason why = {""};
    CHECK(translation_open(&t, path, &why) < 0);
    if (!strstr(why.text, words) || !strstr(why.text, "file"))
        CHECK_EQ_STR(why.text, words);
}

/* Whose file it is, and who may write to it. */
static void test_owner(void)
{
    const char *path = in_folder("file");
    uint64_t size = good.header->file_size;
    struct static_translation t;
    struct reason why = {""};
    CHECK(translation_write(&good, path, &why) == 0);
    struct stat st;
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK(translation_open(&t, path, &why) == 0);
    uint8_t digest[SHA256_SIZE];
    image_digest(&kernel.image, digest);
    CHECK(translation_is_of(&t, digest));
    translation_close(&t);

    write_file(path, good.bytes, size, 0620);
    expect_open(path, "others may write");
    write_file(path, good.bytes, size, 0602);
    expect_open(path, "others may write");
    write_file(path, good.bytes, size - 1, 0600);
    expect_open(path, "truncated");
    write_file(path, good.bytes, size, 0600);
    if (geteuid() == 0 && chown(path, 1, 1) == 0)
        expect_open(path, "another user");
    CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
    expect_open(path, "is a directory");
    CHECK(rmdir(path) == 0);
    expect_open(path, "No such file");
}

/* ---- where files are found ---- */

/* Beside `path`, the file of this kernel and build: which others go when it is made again? */
static void test_stale(const char *path)
{
    static const struct {
        const char *name; /* with the digits of the kernel */
        bool old, stays;
    } rows[] = {
        {"%.16s-0123456789abcdef.translation", false, false},
        {"0123456789abcdef-%.16s.translation", false, true},
        {"0123456789abcdee-%.16s.translation", true, false},
        {"%.16s-0123456789abcdef.translatiox", true, true},
        {"%.16s.note", true, true},
    };
    const char *own = strrchr(path, '/') + 1;
    char other[ARRAY_SIZE(rows)][4200];
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        int len = snprintf(other[i], sizeof(other[i]), "%.*s", (int)(own - path), path);
        snprintf(other[i] + len, sizeof(other[i]) - (size_t)len, rows[i].name, own);
        write_file(other[i], "x", 1, 0600);
        struct timespec times[2] = {{.tv_nsec = rows[i].old ? 0 : UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
        CHECK(utimensat(AT_FDCWD, other[i], times, 0) == 0);
    }
    struct static_translation t;
    struct reason why = {""};
    CHECK(unlink(path) == 0 && store_get(&t, in_folder("kernel"), &why) == 0);
    translation_close(&t);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].name);
        CHECK_EQ_U64(access(other[i], F_OK) == 0, rows[i].stays);
    }
    vltest_row("%s", "");
}

static void test_store(void)
{
    struct static_translation t;
    struct reason why = {""};
    char path[4096];
    uint8_t digest[SHA256_SIZE];
    image_digest(&kernel.image, digest);
    CHECK(store_path(digest, path) && !strncmp(path, folder, strlen(folder)));
    write_file(in_folder("kernel"), kernel.bytes, sizeof(kernel.bytes), 0600);
    CHECK(store_get(&t, in_folder("kernel"), &why) == 0 && t.header);
    translation_close(&t);
    CHECK(access(path, R_OK) == 0); /* it was kept */
    test_stale(path);

    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(pwrite(fd, "x", 1, 200) == 1);
    close(fd);
    CHECK(store_get(&t, in_folder("kernel"), &why) < 0 && strstr(why.text, "damaged") && strstr(why.text, "remove it"));
    CHECK(unlink(path) == 0);

    write_file(in_folder("other"), good.bytes, good.header->file_size, 0600);
    setenv(STATIC_ENVIRONMENT, in_folder("other"), 1);
    CHECK(store_get(&t, in_folder("kernel"), &why) == 0 && t.header);
    translation_close(&t);
    kernel.bytes[0x2fff]++; /* another kernel */
    write_file(in_folder("kernel"), kernel.bytes, sizeof(kernel.bytes), 0600);
    why.text[0] = 0;
    CHECK(store_get(&t, in_folder("kernel"), &why) < 0 && strstr(why.text, "of another kernel"));
    unsetenv(STATIC_ENVIRONMENT);

    write_file(in_folder("kernel"), "not an ELF file", 15, 0600); /* all of it is translated at run time */
    CHECK(store_get(&t, in_folder("kernel"), &why) == 0 && !t.header);
    translation_close(&good);
}

int main(void)
{
    static const struct vltest tests[] = {
        {"SHA-256 as FIPS 180-4 has it", test_sha256},
        {"code is found in every way there is, filler isn't", test_discovery},
        {"a translated program ends as interpreted, and nothing was translated at run time", test_program},
        {"a kernel with nothing to translate", test_nothing_to_translate},
        {"budgets are kept to the instruction", test_pieces},
        {"a block that rewrites itself", test_self_modifying},
        {"code that isn't the image's any more is not taken for it", test_patched_before},
        {"blocks come back after the caches were emptied", test_full_cache},
        {"the kernel's code is what would be made of it at run time", test_same_as_dynamic},
        {"the same image makes the same file, wherever memory is", test_reproducible},
        {"a file with a wrong number is refused", test_refused},
        {"a damaged or short file is refused", test_damaged},
        {"hostile tables are refused, or stay within their block", test_hostile_tables},
        {"a file that others own or may write to is refused", test_owner},
        {"the cache, and the file that the environment names", test_store},
    };
    if (!mkdtemp(folder))
        return 1;
    setenv("XDG_CACHE_HOME", folder, 1);
    unsetenv(STATIC_ENVIRONMENT);
    int status = vltest_run("static", tests, ARRAY_SIZE(tests));
    char command[300];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) ? 1 : status;
}
