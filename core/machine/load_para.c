/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load_para.c - paravirtual kernels: the start of day of <virtlab/para.h>.
 *
 * Such a kernel says by a note of ours where it starts and which page of it is for hypercalls. It gets a start info
 * that points to everything else: the shared page, the map of page tables, and a PVH start info for command line,
 * initrd and memory map, so that a kernel reads these the same way in both its builds.
 */
#include <elf.h>
#include <virtlab/para.h>

#include "machine/load_elf.h"

typedef unsigned long long ull;

bool is_para(const struct image *kernel)
{
    return elf_file_has_note(kernel, PARA_NOTE_NAME, sizeof(PARA_NOTE_NAME), PARA_NOTE_START);
}

static int get_note(const struct elf *elf, struct load *load, struct para_note *para)
{
    struct elf_note note;

    if (!elf_find_note(elf, load->kernel, PARA_NOTE_NAME, sizeof(PARA_NOTE_NAME), PARA_NOTE_START, &note))
        return image_bad(load->kernel, load->why, "not a paravirtual kernel: it has no note of para.h's");
    if (!elf->is64 || note.descsz != sizeof(*para) || !image_get(load->kernel, note.desc, para, sizeof(*para)))
        return image_bad(load->kernel, load->why, "its paravirtual note isn't whole, or it is a 32-bit file");
    if (!elf_holds(elf, para->entry - PARA_WINDOW))
        return image_bad(load->kernel, load->why, "its paravirtual entry %#llx is in no segment that is loaded",
                         (ull)para->entry);
    if (para->hypercall_page % PAGE_SIZE || !elf_holds(elf, para->hypercall_page - PARA_WINDOW))
        return image_bad(load->kernel, load->why, "its hypercall page %#llx is no page of a segment that is loaded",
                         (ull)para->hypercall_page);
    return 0;
}

static uint64_t image_end(const struct elf *elf)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < elf->count; i++) {
        const struct elf_segment *s = &elf->segment[i];

        if (s->type == PT_LOAD && s->paddr + s->memsz > end)
            end = s->paddr + s->memsz;
    }
    return (end + PAGE_SIZE - 1) & PAGE_MASK;
}

static int place(struct load *load, const char *what, uint64_t size, uint64_t *at)
{
    return layout_place_low(&load->layout, what, LOW_START, size, PAGE_SIZE, at, load->why);
}

static int put_start(struct load *load, const struct elf *elf, const struct para_note *note)
{
    struct para_start_info info = {.magic = PARA_MAGIC,
                                   .version = PARA_VERSION,
                                   .hypercall_page = note->hypercall_page - PARA_WINDOW,
                                   .frames = load->ram->size >> PAGE_SHIFT,
                                   .image_end = image_end(elf)};
    uint64_t at;
    int err;

    info.table_map_size = (info.frames / 8 + PAGE_SIZE) & PAGE_MASK;
    err = place(load, "the start info", sizeof(info), &at);
    if (!err)
        err = place(load, "the shared page", PAGE_SIZE, &info.shared);
    if (!err)
        err = place(load, "the map of page tables", info.table_map_size, &info.table_map);
    if (!err)
        err = place(load, "the gate's pages", PARA_GATE_PAGES * PAGE_SIZE, &info.gate);
    if (!err)
        err = put_pvh_info(load, &info.boot_info);
    if (!err)
        err = load_put(load, at, &info, sizeof(info));
    load->start->gpr[RSI] = at;
    return err;
}

int load_para(struct load *load)
{
    struct para_note note = {0};
    struct elf elf;
    int err = elf_read(&elf, load->kernel, load->why);

    if (!err)
        err = get_note(&elf, load, &note);
    if (!err)
        err = elf_load(&elf, load);
    if (!err)
        err = put_start(load, &elf, &note);
    if (err)
        return err;
    load->start->rip = note.entry;
    return 0;
}
