/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_translate.c - `virtlab translate`: a kernel's image is translated ahead of time (core/full/static).
 *
 * Without --out the result goes where the engine full/static looks for it, which would make it by itself: so the
 * command is for looking at what discovery found, and for keeping the file elsewhere. Read next:
 * core/full/static/static.h.
 */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "full/static/static.h"
#include "guest_files.h"
#include "status.h"

static const char more[] =
    "What is code? Recursive descent starts at the image's entry point and its symbols, and follows branches, calls\n"
    "and what comes behind them. Addresses of code that stand in instructions, in jump tables and in data are\n"
    "entries too; at last the gaps are swept. A wrong guess does no harm: at run time a block's bytes are compared\n"
    "before its translation is used. What was missed is translated when it gets hot, as under full/bt, and counted\n"
    "in the statistics: static_blocks, dynamic_blocks, dynamic_kernel_blocks.\n"
    "\n"
    "The engine full/static looks for the file that $VIRTLAB_STATIC names; else in $XDG_CACHE_HOME/virtlab/static\n"
    "(~/.cache/virtlab/static), under the kernel's SHA-256 and this program's build ID; what isn't there it makes.\n"
    "A file holds host code and is as trusted as this program: one that others own or may write to is refused,\n"
    "and so is one that is damaged, of another kernel, or made by another build.\n"
    "\n"
    "Examples:\n"
    "  virtlab translate                                    the lab's own kernel, into the cache\n"
    "  virtlab translate --kernel vmlinux --out vmlinux.vt  another ELF kernel\n"
    "  VIRTLAB_STATIC=vmlinux.vt virtlab run --engine full/static --kernel vmlinux ...\n";

struct request {
    char own_kernel[PATH_MAX]; /* the lab's, when none is named */
    char cache[4096];
    const char *kernel, *out;
};

static int parse(int argc, char **argv, struct request *request, struct reason *why)
{
    const struct arg_option options[] = {
        {"--kernel", "FILE", ARG_TEXT, &request->kernel, "an ELF kernel or flat program (default: the lab's kernel)"},
        {"--out", "FILE", ARG_TEXT, &request->out, "where to put the translation (default: the user's cache)"},
    };
    const struct arg_spec spec = {
        .command = "translate",
        .positional = "",
        .purpose = "Translates a kernel's image ahead of time, for the engine full/static.",
        .options = options,
        .count = ARRAY_SIZE(options),
        .more = more,
    };
    int rest;
    int err = args_parse(&spec, argc, argv, &rest, why);
    if (err || request->kernel)
        return err;
    request->kernel = request->own_kernel;
    return guest_file(GUEST_KERNEL, request->own_kernel, why);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_report(const struct request *request, const struct make_report *r, uint64_t file_size)
{
    typedef unsigned long long ull;
    printf("%s: %llu bytes of code, %llu instructions decoded\n\nWhere blocks begin, by what showed it first:\n",
           request->kernel, (ull)r->code, (ull)r->found.instructions);
    for (unsigned i = 0; i < SOURCE_COUNT; i++)
        printf("  %7llu  %s\n", (ull)r->found.entries[i], source_text((enum source)i));
    printf("\nTranslated: %llu blocks, %.1f%% of the code (%llu bytes of filler aside), in %.3f s\n", (ull)r->blocks,
           percent(r->native, r->code - r->found.filler), (ull)r->found.filler, r->seconds);
    printf("Left to the interpreter: %llu blocks that begin with an instruction of its own, or cross a page\n",
           (ull)r->interpreted);
    if (r->unrelocated)
        printf("Left to dynamic translation: %llu blocks that hold a pointer of this run\n", (ull)r->unrelocated);
    printf("Host code: %llu bytes, %.1f for each byte of the guest's; the file: %llu bytes\n", (ull)r->host_code,
           r->native ? (double)r->host_code / (double)r->native : 0, (ull)file_size);
    printf("Kept as %s\n", request->out);
}

static int translate(struct request *request, struct reason *why)
{
    struct static_translation t;
    struct make_report report;
    struct image kernel;
    int err = image_open(&kernel, request->kernel, why);
    if (err)
        return err;
    if (!request->out) {
        uint8_t digest[SHA256_SIZE];
        image_digest(&kernel, digest);
        request->out = request->cache;
        if (!store_path(digest, request->cache))
            err = fail(why, ENOENT,
                       "there is no cache folder: neither XDG_CACHE_HOME nor HOME names one that can be "
                       "written; give --out FILE");
    }
    if (!err)
        err = translation_make(&t, &kernel, &report, why);
    image_close(&kernel);
    if (err)
        return err;
    err = translation_write(&t, request->out, why);
    if (!err)
        print_report(request, &report, t.header->file_size);
    translation_close(&t);
    return err;
}

int cmd_translate(int argc, char **argv)
{
    struct request request = {.kernel = NULL};
    struct reason why = {""};
    int err = parse(argc, argv, &request, &why);
    if (err > 0)
        return STATUS_OK;
    if (!err)
        err = translate(&request, &why);
    return err ? status_error("translate", &why) : STATUS_OK;
}
