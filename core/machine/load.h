/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load.h - from a kernel file to a machine that is ready to run.
 *
 * load.c reads the files and picks the protocol; one file each knows a protocol: load_linux.c, load_multiboot.c,
 * load_pvh.c, load_flat.c, load_para.c. load_elf.c reads ELF for all but Linux, layout.c keeps everything apart,
 * load_start.c holds the CPU states that protocols share. The reports of loaders are one line that names the file.
 */
#ifndef VIRTLAB_MACHINE_LOAD_H
#define VIRTLAB_MACHINE_LOAD_H

#include <virtlab/cpu_state.h>

#include "machine/image.h"
#include "machine/layout.h"

/* One loading in progress. */
struct load {
    const struct ram *ram;
    const struct image *kernel;
    const char *initrd; /* file name, or NULL; Multiboot allows "file1 text,file2 text" */
    const char *append; /* the command line, never NULL */
    struct layout layout;
    struct cpu_state *start; /* result: the state in which the kernel starts */
    struct reason *why;
};

/*
 * Puts the kernel, the initrd and what the boot protocol wants beside them into RAM, and the start into `start`.
 * `initrd` and `append` may be NULL. On failure RAM may be written in part; `start` is as it was.
 */
int load_kernel(const struct ram *ram, const char *kernel, const char *initrd, const char *append,
                struct cpu_state *start, struct reason *why) MUST_CHECK;

/* The same for a kernel that is in memory already. */
int load_image(const struct ram *ram, const struct image *kernel, const char *initrd, const char *append,
               struct cpu_state *start, struct reason *why) MUST_CHECK;

/* The protocols. is_...: is the file meant for it? load_...: 0, or -errno with load->why. */
bool is_linux(const struct image *kernel);
bool is_multiboot(const struct image *kernel);
bool is_flat(const struct image *kernel); /* <virtlab/flat.h> */
bool is_para(const struct image *kernel); /* <virtlab/para.h> */
int load_linux(struct load *load) MUST_CHECK;
int load_multiboot(struct load *load) MUST_CHECK;
int load_pvh(struct load *load) MUST_CHECK;
int load_flat(struct load *load) MUST_CHECK;
int load_para(struct load *load) MUST_CHECK;

/* Command line, initrd and memory map as PVH has them: puts an hvm_start_info into RAM. */
int put_pvh_info(struct load *load, uint64_t *at) MUST_CHECK;

/* Copies bytes to a place that the layout has given out. */
int load_put(struct load *load, uint64_t at, const void *bytes, uint64_t len) MUST_CHECK;

/* Puts the file load->initrd below `limit`: where it is, and its size in bytes. */
int load_put_initrd(struct load *load, uint64_t limit, uint64_t *at, uint64_t *size) MUST_CHECK;

/* Places a string, terminated, in low memory if it has room. */
int load_put_string(struct load *load, const char *what, const char *string, uint64_t *at) MUST_CHECK;

/* The start in flat 32-bit protected mode that PVH and Multiboot share. */
void start_protected(struct cpu_state *start, uint64_t entry, uint64_t ebx);

/* For whom the tables below map memory. Ring 0 code on pages of all rings would be stopped by SMEP, once that is on. */
enum load_ring { LOAD_RING_0, LOAD_ANY_RING };

/* The start in 64-bit mode, over identity page tables and a GDT that this puts into RAM. */
int start_long(struct load *load, uint64_t entry, uint64_t rsi, enum load_ring ring) MUST_CHECK;

#endif
